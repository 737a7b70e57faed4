"""Answers to whose a reading is, in any order and with kills: as if the payload had said it."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
import sqlalchemy
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

import alerts.tables
from alerts import attribution, incident, write_behind
from alerts.attribution import Answer, Whose
from alerts.engine import Engine
from alerts.finding import SEVERITIES, Severity
from alerts.incident import EventKind
from alerts.rules import readings
from alerts.rules.fever import Fever
from alerts.rules.readings import ATTRIBUTED, ELSEWHERE
from alerts.tables import fact, page
from alerts.tables import incident as incidents
from alerts.thresholds import Thresholds
from devices import tables
from devices.clock import HOUR, MINUTE, ManualClock
from devices.observation import Temperature
from tests.judging import at, community, temperature
from tests.office import fever
from tests.state import open_copy

START = at("08:00")
COMMUNITY = community()
PEOPLE = ("s-a", "s-b")
CASE_KEY = "household:h3"
WHOSE = (*PEOPLE, "visitor", "household")


class Flat:
    """One flat's thermometer, the engine that judges it, and a worker who answers."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.database = open_copy(folder, _fill)
        self.journal: list[tuple[Temperature, ...]] = []
        self.start()
        with self.database.connect() as connection:
            self.case = connection.execute(select(incidents.c.id)).scalar_one()

    def start(self) -> None:
        """Open the engine on what is durable, and judge again what its cursor has not passed."""
        self.engine = Engine(
            database=self.database,
            journal="j",
            registry=lambda: COMMUNITY,
            thresholds=Thresholds(),
            silent_after=lambda _: None,
            clock=ManualClock(START),
            rules=(Fever(),),
        )
        position = (self.engine.cursor() or ("", 0))[1]
        self.engine.handle(position + 1, self.journal[position:])

    def measure(self, reading: Temperature) -> None:
        self.journal.append((reading,))
        self.engine.handle(len(self.journal), [(reading,)])

    def answer(self, reading: Temperature, whose: str) -> None:
        """Say whose a reading is, as soon as it can be seen; what is refused is a failure."""
        self.engine.flush()
        with self.database.begin() as connection:
            shared = attribution.find_readings(connection, COMMUNITY, "h3")
            (found,) = [one for one in shared if one.observed_at == reading.observed_at]
            subject = whose if whose in PEOPLE else None
            kind = Whose.RESIDENT if subject else Whose(whose)
            said = Answer(found.name, kind, subject, found.number)
            attribution.attribute(
                connection, COMMUNITY, self.case, [said], actor="worker-1", now=START
            )

    def end(self) -> dict:
        """Let the engine hear what was said, and return what each key is judged by."""
        self.engine.tick(START)
        self.engine.flush()
        with self.database.connect() as connection:
            assert not list(connection.execute(select(fact)))
        states = self.engine._states["fever"]
        return {key: states.get(key) for key in states.slots}


@st.composite
def lives(draw: st.DrawFn) -> tuple[list[Temperature], list[tuple[str, int, str]]]:
    """Readings under the arm within half a day, and what happens between them."""
    minutes = draw(st.lists(st.integers(0, 720), min_size=1, max_size=8, unique=True))
    given_ = [
        temperature(
            draw(st.sampled_from((36.4, 36.9, 37.3, 37.6, 38.2, 39.1))),
            START + each * MINUTE,
            device="family",
        )
        for each in minutes
    ]
    acts = st.tuples(
        st.sampled_from(("answer", "answer", "answer", "tick", "kill", "flush")),
        st.integers(0, len(given_) - 1),
        st.sampled_from(WHOSE),
    )
    return given_, draw(st.lists(acts, max_size=14))


@given(life=lives(), places=st.randoms(use_true_random=False), chunk=st.integers(1, 3))
@settings(max_examples=30, deadline=None)
def test_the_end_is_that_of_payloads_that_named_their_person(life, places, chunk: int) -> None:
    """Each key ends with the readings it would have had, and every fever of a person is watched.

    What answers open has no ladder; what lost every reading stays, and says that nothing is left.
    """
    given_, acts = life
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(write_behind, "WRITE_AT_ONCE", chunk)
        patch.setattr(write_behind, "WRITE_EVERY_S", 1e9)
        flat = Flat(Path(folder) / "lived")
        whose = _live(flat, given_, acts, places)
        lived, found = flat.end(), _cases(flat)
        assert _paged(flat) <= {CASE_KEY}
        flat.database.dispose()
        named = Flat(Path(folder) / "named")
        for reading in given_:
            subject = whose[reading.observed_at]
            if subject != "visitor":
                person = subject if subject in PEOPLE else None
                named.measure(msgspec.structs.replace(reading, subject=person))
        expected, expected_cases = named.end(), _cases(named)
        named.database.dispose()
    assert _held(lived) == _held(expected)
    for key, (severity, began_at, _) in expected_cases.items():
        assert SEVERITIES.index(found[key][0]) >= SEVERITIES.index(severity)
        assert found[key][1] <= began_at
    for key in set(found) - set(expected_cases):
        assert found[key][2] == 0


@given(places=st.randoms(use_true_random=False), data=st.data())
@settings(max_examples=15, deadline=None)
def test_the_own_usual_is_that_of_payloads_that_named_their_person(places, data) -> None:
    """Readings of healthy days teach what is usual for whom they are, in any order of answers."""
    given_ = [
        temperature(36 + number % 5 / 10, START + number * 5 * HOUR, device="family")
        for number in range(data.draw(st.integers(1, 10)))
    ]
    acts = [
        ("answer", places.randrange(len(given_)), places.choice(WHOSE))
        for _ in range(data.draw(st.integers(1, 20)))
    ]
    with tempfile.TemporaryDirectory() as folder:
        flat = Flat(Path(folder) / "lived")
        whose = _live(flat, given_, acts, places)
        lived = flat.end()
        flat.database.dispose()
        named = Flat(Path(folder) / "named")
        for reading in given_:
            subject = whose[reading.observed_at]
            person = subject if subject in PEOPLE else None
            named.measure(msgspec.structs.replace(reading, subject=person))
        expected = named.end()
        named.database.dispose()
    assert [_usual(lived, person) for person in PEOPLE] == [
        _usual(expected, person) for person in PEOPLE
    ]


def _live(flat: Flat, given_: Sequence[Temperature], acts: Sequence, places) -> dict[int, str]:
    """Let readings and acts happen in any order that is possible; return whose each reading is."""
    whose = {reading.observed_at: "household" for reading in given_}
    waiting, happened = list(acts), list(given_)
    for number, reading in enumerate(happened, start=1):
        flat.measure(reading)
        is_last = number == len(happened)
        while waiting and (is_last or places.random() < 0.5):
            what, which, who = waiting.pop()
            told = happened[which % number]
            if what == "answer":
                flat.answer(told, who)
                whose[told.observed_at] = who
            elif what == "kill":
                flat.start()
            elif what == "flush":
                flat.engine.flush()
            else:
                flat.engine.tick(START)
    return whose


def _fill(database: sqlalchemy.Engine) -> None:
    """Write down who lives in the flat, and a case of another rule to answer from."""
    residents = [{"subject": one, "external_id": one, "name": one} for one in PEOPLE]
    lives_here = [{"subject": one, "since": 0, "household": "h3"} for one in PEOPLE]
    with database.begin() as connection:
        for room in (tables, alerts.tables):
            room.metadata.create_all(connection)
        for table, rows in (
            (tables.site, [{"id": "river", "name": "", "community": "", "zone": "UTC"}]),
            (tables.grid, [{"id": "g1", "site": "river", "name": ""}]),
            (tables.building, [{"id": "b1", "site": "river", "grid": "g1", "name": ""}]),
            (tables.household, [{"id": "h3", "building": "b1", "flat": "1"}]),
            (tables.resident, residents),
            (tables.residence, lives_here),
        ):
            connection.execute(sqlalchemy.insert(table), rows)
        case = fever(rule="other", key="any", watch=True, household="h3", site="river")
        incident.apply(connection, case, now=START, registry=COMMUNITY)


def _cases(flat: Flat) -> dict[str, tuple[Severity, int, int | None]]:
    """Every case of the fever rule by key: severity, beginning, and what it says is left."""
    with flat.database.connect() as connection:
        rows = list(connection.execute(select(incidents).where(incidents.c.rule == "fever")))
        return {
            row.key: (Severity(row.severity), row.began_at, _left(connection, row.id))
            for row in rows
        }


def _left(connection: sqlalchemy.Connection, case: str) -> int | None:
    moved = [
        event
        for event in incident.timeline(connection, case)
        if event.kind is EventKind.EVIDENCE_MOVED
    ]
    return moved[-1].detail["evidence"]["remaining"] if moved else None


def _paged(flat: Flat) -> set[str]:
    with flat.database.connect() as connection:
        query = select(incidents.c.key).join(page, page.c.incident == incidents.c.id)
        return set(connection.execute(query).scalars())


def _held(states: dict) -> dict[str, list]:
    """The readings each key is judged by, without the mark of an answer."""
    held = {
        key: [
            one._replace(marks=one.marks & ~ATTRIBUTED)
            for one in readings.every(state.ring)
            if not one.marks & ELSEWHERE
        ]
        for key, state in states.items()
    }
    return {key: ring for key, ring in held.items() if ring}


def _usual(states: dict, person: str) -> list[bytes]:
    state = states.get(f"subject:{person}")
    usual = state.baseline if state is not None else b""
    return sorted(usual[start : start + 7] for start in range(0, len(usual), 7))
