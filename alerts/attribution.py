"""Whose a reading is that named nobody: what is asked, and what a person answers.

An answer is a row that stays, and a fact for each of the keys that lose and get the reading, in one
transaction. The engine takes each fact in the transaction that writes the key's state, so an answer
counts once however often anything is killed. Two answers given at once have the same number, and
the second is refused.
"""

from collections.abc import Collection, Iterable
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from alerts import fact, record
from alerts.fact import as_attribution
from alerts.incident import ActRefused, Refusal
from alerts.rule import Attribution, Whose
from alerts.rule_state import read_states
from alerts.rules import baseline, readings
from alerts.rules.fever import Fever
from alerts.rules.fever_state import FeverState
from alerts.rules.origin import Origin, by_identity
from alerts.rules.readings import Reading
from alerts.tables import attribution as table
from devices.observation import BodySite
from devices.registry import Registry
from devices.tables import residence

__all__ = ["Answer", "Attribution", "SharedReading", "Whose", "attribute", "find_readings"]


class Answer(NamedTuple):
    """Whose a person says that a reading is.

    Attributes:
        name: The reading's.
        whose: The answer.
        subject: The resident, for RESIDENT.
        seen: How many answers the person has seen; another's meanwhile is not overwritten. None
            for whoever does not look.
    """

    name: str
    whose: Whose
    subject: str | None = None
    seen: int | None = None


class SharedReading(msgspec.Struct, frozen=True, kw_only=True):
    """A reading of a flat's thermometer whose payload named nobody.

    Attributes:
        name: Eight hexadecimal digits, by which it is answered about.
        residents: Who lived there then, as subjects; their places, from 1, are their numbers.
        answer: The last answer, None before the first.
    """

    name: str
    source: str
    device_id: str
    reading: Reading
    origin: Origin
    residents: tuple[str, ...]
    answer: Attribution | None

    @property
    def observed_at(self) -> int:
        """When it was taken; milliseconds UTC."""
        return self.reading.observed_at

    @property
    def celsius(self) -> float:
        """The temperature, rounded to a tenth."""
        return self.reading.celsius

    @property
    def body_site(self) -> BodySite:
        """Where it was taken."""
        return baseline.sites(self.origin.scale)[0]

    @property
    def number(self) -> int:
        """How many answers there have been."""
        return self.answer.number if self.answer is not None else 0

    @property
    def whose(self) -> Whose:
        """The last answer; the household's before the first."""
        return self.answer.whose if self.answer is not None else Whose.HOUSEHOLD

    @property
    def holder(self) -> str:
        """The key it is judged under; empty for none."""
        return self.answer.holder if self.answer is not None else self.source


def find_readings(
    connection: Connection, registry: Registry, household: str
) -> list[SharedReading]:
    """Return a flat's readings that named nobody, the latest first: seven days of them, at most.

    One appears here within seconds, with the state of the rule that judged it.
    """
    devices = {readings.identify(device): device for device, _, _ in registry.stays_in(household)}
    lived_here = connection.execute(
        select(residence.c.subject).where(residence.c.household == household)
    ).scalars()
    keys = {f"household:{household}", *(f"subject:{subject}" for subject in lived_here)}
    known = [
        (source, reading, origin, device)
        for source, state in read_states(connection, Fever(), keys).items()
        for reading, origin in _with_origin(state)
        if (device := devices.get(origin.device)) is not None
        and _stood_in(registry, device, household, reading.observed_at)
    ]
    oldest = min((reading.observed_at for _, reading, _, _ in known), default=0)
    answers = _last_answers(connection, keys, since=oldest)
    found = [
        SharedReading(
            name=f"{reading.identity:08x}",
            source=source,
            device_id=device,
            reading=reading,
            origin=origin,
            residents=tuple(sorted(registry.residents(household, reading.observed_at))),
            answer=answers.get((device, reading.observed_at, reading.identity)),
        )
        for source, reading, origin, device in known
    ]
    return sorted(found, key=lambda one: (one.observed_at, one.name), reverse=True)


def attribute(
    connection: Connection,
    registry: Registry,
    incident_id: str,
    answers: Iterable[Answer],
    *,
    actor: str,
    now: int,
) -> int:
    """Say whose some readings of a case's flat are; they are judged as theirs within seconds.

    Args:
        connection: In a transaction that ends, undone, where one of the answers is refused.
        registry: Who lived there when.
        incident_id: The case that the person was looking at.
        answers: At most one for each reading; one that changes nothing is left out.
        actor: Who says so.
        now: Milliseconds UTC.

    Returns:
        How many of them change something.

    Raises:
        ActRefused: There is no such reading, they did not live there then, or somebody else has
            answered meanwhile.
        IncidentError: There is no such incident.
    """
    incident = record.load(connection, incident_id)
    flat = incident.household
    found = find_readings(connection, registry, flat) if flat is not None else []
    shared = {one.name: one for one in found}
    changed = 0
    for answer in answers:
        reading = shared.get(answer.name)
        if reading is None:
            raise ActRefused(
                Refusal.READING_GONE, f"there is no reading {answer.name} to answer about"
            )
        said = _attribution(reading, answer, incident=incident.id, actor=actor, now=now)
        if said.holder != reading.holder:
            _keep(connection, said, {said.holder, reading.holder} - {""})
            changed += 1
    return changed


def _attribution(
    reading: SharedReading, answer: Answer, *, incident: str, actor: str, now: int
) -> Attribution:
    subject = answer.subject if answer.whose is Whose.RESIDENT else None
    if answer.whose is Whose.RESIDENT and subject not in reading.residents:
        raise ActRefused(Refusal.NOT_A_RESIDENT, "nobody of that id lived in this flat then")
    if answer.seen is not None and answer.seen != reading.number:
        raise ActRefused(Refusal.CHANGED, "somebody else has answered meanwhile: look again")
    return Attribution(
        number=reading.number + 1,
        source=reading.source,
        whose=answer.whose,
        subject=subject,
        resident=reading.residents.index(subject) + 1 if subject is not None else None,
        device_id=reading.device_id,
        observed_at=reading.observed_at,
        identity=reading.reading.identity,
        tenths=reading.reading.tenths,
        marks=reading.reading.marks,
        scale=reading.origin.scale,
        position=reading.origin.position,
        incident=incident,
        by=actor,
        at=now,
    )


def _keep(connection: Connection, answer: Attribution, keys: Iterable[str]) -> None:
    values = msgspec.structs.asdict(answer)
    try:
        with connection.begin_nested():
            added = connection.execute(insert(table).values(**values).returning(table.c.id))
            attribution_id = added.scalar_one()
    except IntegrityError:
        raise ActRefused(
            Refusal.CHANGED, "somebody else has answered meanwhile: look again"
        ) from None
    for key in sorted(keys):
        fact.leave(connection, Fever.name, key, at=answer.at, attribution_id=attribution_id)


def _last_answers(
    connection: Connection, sources: Collection[str], *, since: int
) -> dict[tuple[str, int, int], Attribution]:
    query = (
        select(table)
        .where(table.c.source.in_(sources), table.c.observed_at >= since)
        .order_by(table.c.number)
    )
    answers = map(as_attribution, connection.execute(query))
    return {(one.device_id, one.observed_at, one.identity): one for one in answers}


def _stood_in(registry: Registry, device: str, household: str, at: int) -> bool:
    place = registry.place(device, at)
    return place is not None and place.household == household


def _with_origin(state: FeverState) -> Iterable[tuple[Reading, Origin]]:
    origins = by_identity(state.origins)
    for reading in readings.every(state.ring):
        origin = origins.get(reading.identity)
        if origin is not None:
            yield reading, origin
