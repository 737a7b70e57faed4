"""What readings say together: nothing, something to watch, or a fever."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from alerts.rules.readings import (
    ASKS_AGAIN,
    CHECKPOINT,
    CONTACT,
    ELSEWHERE,
    LOW,
    NEXT_PERSON,
    UNTIMED,
    Reading,
    around,
)
from alerts.thresholds import FeverThresholds
from devices.clock import MINUTE, SECOND


class Because(StrEnum):
    """Which sentence of the rule a verdict follows."""

    FIRST_CONTACT = "first_contact_reading"
    BASELINE = "above_own_baseline"
    TWO_CONTACTS = "two_contact_readings"
    ONE_HIGH = "one_high_contact_reading"
    NOT_RECHECKED = "infrared_not_rechecked"
    CHECKPOINT = "two_of_three_at_checkpoint"


class Verdict(NamedTuple):
    """A reason, whether it pages, and the readings it rests on, in order of time."""

    because: Because
    pages: bool
    readings: Sequence[Reading]


def company(
    ring: bytes, reading: Reading, limits: FeverThresholds, *, is_person: bool
) -> list[Reading]:
    """Return the readings that are of the same person now, in order of time.

    Args:
        ring: All readings of the key.
        reading: The one in question; in the ring.
        limits: The site's numbers.
        is_person: True where the key is a resident or household: readings join over the recheck's
            span. A device does not know whom it measures: only an unbroken row on it joins.
    """
    reach = round(limits.recheck_to_minutes * MINUTE)
    near = [
        each for each in around(ring, reading.observed_at, reach=reach) if not each.marks & UNTIMED
    ]
    if is_person:
        return [each for each in near if not each.marks & (NEXT_PERSON | ELSEWHERE)]
    return _row(near, reading, round(limits.join_seconds * SECOND))


def judge(reading: Reading, company: Sequence[Reading], limits: FeverThresholds) -> Verdict | None:
    """Return what a reading says by itself and with its company."""
    fever = limits.tenths.contact
    if reading.tenths < fever:
        return None
    if reading.marks & CONTACT and reading.tenths >= limits.tenths.high:
        return Verdict(Because.ONE_HIGH, pages=True, readings=(reading,))
    if not reading.marks & UNTIMED:
        paired = _second_contact(reading, company, fever, limits)
        if paired is not None:
            readings = sorted((paired, reading))
            return Verdict(Because.TWO_CONTACTS, pages=True, readings=readings)
        if reading.marks & CHECKPOINT and _is_two_of_three(reading, company, fever):
            return Verdict(Because.CHECKPOINT, pages=True, readings=_up_to(company, reading))
    if reading.marks & CONTACT:
        return Verdict(Because.FIRST_CONTACT, pages=False, readings=(reading,))
    return None


def is_rechecked(reading: Reading, company: Sequence[Reading], limits: FeverThresholds) -> bool:
    """Return whether a high infrared reading was followed in time by one that settles it."""
    until = reading.observed_at + round(limits.infrared_wait_minutes * MINUTE)
    return any(
        reading.observed_at < each.observed_at <= until
        and (each.marks & CONTACT or not each.marks & ASKS_AGAIN)
        and not each.marks & LOW
        for each in company
    )


def _row(near: list[Reading], reading: Reading, join: int) -> list[Reading]:
    """Return the unbroken row of readings around one: no gap, and nobody else in between."""
    if reading not in near:
        return [reading]
    place = near.index(reading)
    first = last = place
    while first and _joins(near[first - 1], near[first], join):
        first -= 1
    while last + 1 < len(near) and _joins(near[last], near[last + 1], join):
        last += 1
    return near[first : last + 1]


def _joins(earlier: Reading, later: Reading, join: int) -> bool:
    if (earlier.marks | later.marks) & NEXT_PERSON:
        return False
    return later.observed_at - earlier.observed_at <= join


def _second_contact(
    reading: Reading, company: Sequence[Reading], fever: int, limits: FeverThresholds
) -> Reading | None:
    if not reading.marks & CONTACT:
        return None
    nearest = limits.recheck_from_minutes * MINUTE
    farthest = limits.recheck_to_minutes * MINUTE
    for other in company:
        apart = abs(other.observed_at - reading.observed_at)
        is_fever = other.marks & CONTACT and other.tenths >= fever
        if is_fever and nearest <= apart <= farthest:
            return other
    return None


def _is_two_of_three(reading: Reading, company: Sequence[Reading], fever: int) -> bool:
    """Return whether any three in a row that include the reading hold two of a fever."""
    row = [each for each in company if each.marks & CHECKPOINT and not each.marks & LOW]
    place = row.index(reading)
    return any(
        sum(each.tenths >= fever for each in row[max(start, 0) : start + 3]) >= 2
        for start in range(place - 2, place + 1)
    )


def _up_to(company: Sequence[Reading], reading: Reading) -> list[Reading]:
    """Return the row that led to a verdict, at most the last eight."""
    return [each for each in company if each.observed_at <= reading.observed_at][-8:]
