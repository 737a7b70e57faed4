"""Stating facts that last: a change closes what was so before and opens what is so from now on.

A key's history is its facts by their beginning. Facts never overlap; gaps are allowed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

Value = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Fact:
    """What was so until a time (milliseconds UTC, excluded); None while it still is."""

    until: int | None
    value: Value


def state(
    history: Mapping[int, Fact], value: Value, *, since: int | None, until: int | None, now: int
) -> dict[int, Fact]:
    """Return the history with one more statement in it. Saying again what is known changes nothing.

    A fact with an end, stated inside a longer one, lets the longer one go on afterwards.

    Args:
        history: Facts by their beginning in milliseconds UTC.
        value: What is so.
        since: From when; None for now, or for as long as it already is.
        until: Until when; None leaves an end that is known as it is.
        now: Present time.

    Raises:
        ValueError: The fact would end before it begins.
    """
    told = dict(history)
    begin = now if since is None else since
    known = _known(told, value, since, begin)
    if known is None:
        end = until or _next_change(told, begin)
    else:
        begin = known
        end = until or told[known].until
        del told[known]
    if end is not None and end <= begin:
        raise ValueError("until must be later than since")
    _clear(told, begin, end)
    told[begin] = Fact(end, value)
    return told


def _known(told: Mapping[int, Fact], value: Value, since: int | None, begin: int) -> int | None:
    """Return the beginning of the fact that the statement says again, or corrects."""
    if begin in told:
        return begin
    candidates = [_in_force(told, begin)]
    if since is None:
        candidates.append(max(told, default=None))
    for candidate in candidates:
        if candidate is not None and told[candidate].value == value:
            return candidate
    return None


def _in_force(told: Mapping[int, Fact], when: int) -> int | None:
    """Return the beginning of the fact in force at a time."""
    for begin, fact in told.items():
        if begin <= when and (fact.until is None or when < fact.until):
            return begin
    return None


def _next_change(told: Mapping[int, Fact], when: int) -> int | None:
    """Return when the next fact begins, or else when the one in force ends."""
    begins = [begin for begin in told if begin > when]
    if begins:
        return min(begins)
    begin = _in_force(told, when)
    return None if begin is None else told[begin].until


def _clear(told: dict[int, Fact], begin: int, end: int | None) -> None:
    """Cut ``begin`` to ``end`` out of every fact, keeping what lies before and after."""
    for start, fact in sorted(told.items()):
        if (end is not None and start >= end) or (fact.until is not None and fact.until <= begin):
            continue
        del told[start]
        if start < begin:
            told[start] = replace(fact, until=begin)
        if end is not None and (fact.until is None or fact.until > end):
            told[end] = fact
