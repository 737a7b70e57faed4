"""The engine on a real SQLite file, with real incidents: what is durable, and what is judged."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import event, insert, select
from sqlalchemy.exc import OperationalError

from alerts import incident, write_behind
from alerts.engine import Engine
from alerts.rule import Context, Rule
from alerts.rules import RULES
from alerts.rules.device import DeviceSilent, DeviceState
from alerts.tables import alerts_cursor, fact, rule_state
from alerts.tables import incident as incidents
from alerts.thresholds import Thresholds
from devices.clock import HOUR, MINUTE, SECOND, ManualClock
from devices.observation import BodySite, DeviceStatus
from devices.outcome import DeadLetter, DeadLetterReason, Ignored, IgnoredReason, Outcome
from devices.registry import Device, Registry
from tests.judging import at, community, temperature
from tests.state import open_state

COMMUNITY = community()
MORNING = at("07:40")
FEVER = (temperature(37.5, MORNING),), (temperature(37.6, at("07:55")),)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlalchemy.Engine]:
    opened = open_state(tmp_path)
    yield opened
    opened.dispose()


def start(
    database: sqlalchemy.Engine,
    *,
    at: int = MORNING,
    snapshots: Sequence[Registry] = (COMMUNITY,),
    rules: Sequence[Rule[Any]] = RULES,
) -> Engine:
    """Start an engine, as after a crash: whatever another one had in memory is gone."""
    return Engine(
        database=database,
        journal="j",
        registry=lambda: snapshots[0],
        thresholds=Thresholds(),
        silent_after=lambda _: HOUR,
        clock=ManualClock(at),
        rules=rules,
    )


def rows(database: sqlalchemy.Engine, table: sqlalchemy.Table) -> list:
    with database.connect() as connection:
        return list(connection.execute(select(table)))


def test_effect_and_state_are_durable_at_once(database: sqlalchemy.Engine) -> None:
    """An incident is there after the message that caused it, with the state that caused it."""
    engine = start(database)
    engine.handle(1, [FEVER[0]])
    (found,) = rows(database, incidents)
    assert (found.rule, found.key, found.watch) == ("fever", "subject:s-sun", True)
    (state,) = [row for row in rows(database, rule_state) if row.rule == "fever"]
    assert state.position == 1
    assert engine.cursor() is None


def test_crash_before_the_cursor_repeats_nothing(database: sqlalchemy.Engine) -> None:
    """What is judged again after a crash opens no second incident and feeds no first one."""
    start(database).handle(1, [*FEVER])
    before = rows(database, incidents)
    engine = start(database)
    engine.handle(1, [*FEVER])
    assert rows(database, incidents) == before
    assert engine.counters() == {"judged": 2, "ignored": 0, "dead": 0}


def test_books_balance(database: sqlalchemy.Engine) -> None:
    """Judged, ignored and dead add up to what was handled, before and after a restart."""
    outcomes: list[Outcome] = [
        FEVER[0],
        Ignored(IgnoredReason.LOG_LINE),
        DeadLetter(DeadLetterReason.BAD_JSON),
        (),
        FEVER[1],
    ]
    engine = start(database)
    engine.handle(1, outcomes)
    assert engine.counters() == {"judged": 3, "ignored": 1, "dead": 1}
    engine.flush()
    assert engine.cursor() == ("j", 5)
    engine = start(database)
    assert engine.cursor() == ("j", 5)
    engine.handle(6, outcomes)
    assert sum(engine.counters().values()) == 10


def test_what_comes_again_is_counted_once(database: sqlalchemy.Engine) -> None:
    """A follower that was held goes back to the durable cursor; the books stay right."""
    engine = start(database)
    engine.handle(1, [FEVER[0], (), ()])
    engine.handle(1, [FEVER[0], (), (), FEVER[1]])
    engine.handle(1, [FEVER[0]])
    assert engine.counters() == {"judged": 4, "ignored": 0, "dead": 0}
    engine.flush()
    assert engine.cursor() == ("j", 4)


def test_cursor_never_passes_an_unwritten_state(
    database: sqlalchemy.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While states are being written in chunks the cursor stays behind the oldest unwritten."""
    monkeypatch.setattr(write_behind, "WRITE_AT_ONCE", 2)
    devices = ("sun", "li", "family", "gun")
    engine = start(database)
    outcomes = [(temperature(36.5, MORNING, device=device),) for device in devices]
    engine.handle(1, outcomes)
    durable = engine.cursor()
    written = {row.key for row in rows(database, rule_state)}
    assert durable is not None
    for position, device in enumerate(devices, start=1):
        if position <= durable[1]:
            assert f"device:{device}" in written
    assert durable[1] < 4
    engine.flush()
    assert engine.cursor() == ("j", 4)
    assert len(rows(database, rule_state)) == 8


def test_several_observations_of_one_message_are_one_input(database: sqlalchemy.Engine) -> None:
    """A message that carries both readings of a pair is taken whole, and only once."""
    both = (FEVER[0][0], FEVER[1][0])
    start(database).handle(1, [both])
    start(database).handle(1, [both])
    (found,) = rows(database, incidents)
    assert not found.watch


def test_time_is_judged_by_the_frontier(database: sqlalchemy.Engine) -> None:
    """A high infrared reading pages once the frontier has passed its wait, also after a restart."""
    hot = temperature(38.2, MORNING, site=BodySite.FOREHEAD)
    engine = start(database)
    engine.handle(1, [(hot,)])
    engine.tick(MORNING + 15 * MINUTE)
    engine.flush()
    assert rows(database, incidents) == []
    engine = start(database)
    engine.tick(MORNING + 15 * MINUTE + 1)
    engine.tick(MORNING + 20 * MINUTE)
    (found,) = rows(database, incidents)
    assert (found.severity, found.began_at) == ("major", MORNING)


def test_closing_by_a_person_reaches_the_rule(database: sqlalchemy.Engine) -> None:
    """After a closing the next fever is a new incident, linked to the one before."""
    engine = start(database)
    engine.handle(1, [*FEVER])
    (first,) = rows(database, incidents)
    with database.begin() as connection:
        incident.close(
            connection,
            first.id,
            actor="w1",
            disposition=incident.Disposition.NO_FEVER,
            now=at("08:00"),
        )
    engine.tick(at("08:01"))
    assert rows(database, fact) == []
    engine.handle(3, [(temperature(38.5, at("08:30")),)])
    second = rows(database, incidents)[-1]
    assert (second.state, second.previous) == ("triggered", first.id)


def test_closing_is_seen_even_before_the_next_tick(database: sqlalchemy.Engine) -> None:
    """A reading judged between a closing and the tick is judged as after the closing."""
    engine = start(database)
    engine.handle(1, [*FEVER])
    (first,) = rows(database, incidents)
    with database.begin() as connection:
        incident.close(
            connection,
            first.id,
            actor="w1",
            disposition=incident.Disposition.NO_FEVER,
            now=at("08:00"),
        )
    engine.handle(3, [(temperature(37.4, at("08:05")),)])
    second = rows(database, incidents)[-1]
    assert (second.watch, second.previous) == (True, first.id)
    assert rows(database, fact) == []


def test_fact_of_nobody_is_dropped(database: sqlalchemy.Engine) -> None:
    """The closing of an alarm that no rule found does not wait for ever."""
    with database.begin() as connection:
        connection.execute(insert(fact).values(rule="paging", key="x", kind="closed", at=1))
    start(database).tick(MORNING)
    assert rows(database, fact) == []


def test_database_that_is_away_loses_nothing(database: sqlalchemy.Engine) -> None:
    """A batch that failed in the middle is handed in again and gives what it would have."""
    engine = start(database)
    fails = True

    def refuse(connection, cursor, statement, *_) -> None:
        if fails and "INTO incident " in statement:
            raise OperationalError(statement, {}, Exception("disk I/O error"))

    event.listen(database, "before_cursor_execute", refuse)
    with pytest.raises(OperationalError):
        engine.handle(1, [FEVER[0], FEVER[1]])
    assert rows(database, incidents) == []
    fails = False
    engine.handle(1, [FEVER[0], FEVER[1]])
    (found,) = rows(database, incidents)
    assert not found.watch
    assert engine.counters()["judged"] == 2


def test_due_time_survives_a_database_that_is_away(database: sqlalchemy.Engine) -> None:
    """A due time whose effect could not be written is judged again at the next tick."""
    engine = start(database)
    engine.handle(1, [(temperature(38.2, MORNING, site=BodySite.FOREHEAD),)])
    fails = True

    def refuse(connection, cursor, statement, *_) -> None:
        if fails and "INTO incident " in statement:
            raise OperationalError(statement, {}, Exception("disk I/O error"))

    event.listen(database, "before_cursor_execute", refuse)
    with pytest.raises(OperationalError):
        engine.tick(MORNING + HOUR)
    fails = False
    engine.tick(MORNING + HOUR)
    assert len(rows(database, incidents)) == 1


def heard(when: int, device: str = "sun") -> tuple[DeviceStatus]:
    return (DeviceStatus(device_id=device, observed_at=when, received_at=when),)


def silences(database: sqlalchemy.Engine, device: str) -> list:
    return [row for row in rows(database, incidents) if row.key == f"device:{device}"]


def test_pause_is_not_silence(database: sqlalchemy.Engine) -> None:
    """A frontier that leaps stood still: every device gets its whole span from then on."""
    engine = start(database)
    for minutes in range(0, 30, 5):
        engine.handle(1 + minutes, [heard(MORNING + minutes * MINUTE)])
        engine.tick(MORNING + minutes * MINUTE)
    engine.flush()
    engine = start(database)
    back = MORNING + 10 * HOUR
    engine.tick(back)
    assert rows(database, incidents) == []
    for minutes in range(0, 80, 5):
        engine.tick(back + minutes * MINUTE)
    assert len(silences(database, "sun")) == 1


def test_short_stop_does_not_hide_silence(database: sqlalchemy.Engine) -> None:
    """A restart within minutes goes on counting the silence from where it was."""
    engine = start(database)
    engine.handle(1, [heard(MORNING)])
    for minutes in range(0, 60, 5):
        engine.tick(MORNING + minutes * MINUTE)
        engine.flush()
        engine = start(database)
    for minutes in range(60, 75, 5):
        engine.tick(MORNING + minutes * MINUTE)
    assert len(silences(database, "sun")) == 1


def test_silent_device_clears_itself(database: sqlalchemy.Engine) -> None:
    """The watch of a silent device is closed by the device's next message."""
    engine = start(database)
    engine.handle(1, [heard(MORNING)])
    for minutes in range(0, 75, 5):
        engine.tick(MORNING + minutes * MINUTE)
    engine.handle(2, [heard(MORNING + 2 * HOUR)])
    (found,) = silences(database, "sun")
    assert (found.state, found.watch) == ("closed", True)


def test_a_device_that_never_spoke_is_missed_across_kills(
    database: sqlalchemy.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waiting begins once, at the first start, and is durable then; kills do not begin it anew."""
    monkeypatch.setattr(write_behind, "WRITE_EVERY_S", 0)
    monkeypatch.setattr(write_behind, "WRITE_AT_ONCE", 1)
    for minutes in range(0, 75, 5):
        engine = start(database)
        engine.tick(MORNING + minutes * MINUTE)
    (found,) = silences(database, "li")
    assert (found.watch, found.began_at) == (True, MORNING + HOUR)


def test_a_device_registered_later_is_waited_for_from_then_on(
    database: sqlalchemy.Engine,
) -> None:
    """A new snapshot begins the wait of its new devices and changes nothing of the others."""
    less, whole = community(), community()
    del less.devices["li"]
    snapshots = [less, whole]
    engine = start(database, snapshots=snapshots)
    for minutes in range(0, 120, 5):
        if minutes == 30:
            snapshots.pop(0)
        engine.tick(MORNING + minutes * MINUTE)
    began = {row.key: row.began_at for row in rows(database, incidents)}
    assert began["device:sun"] == MORNING + HOUR
    assert began["device:li"] == MORNING + 30 * MINUTE + HOUR


def test_a_change_of_the_registry_is_asked_about_what_changed_only(
    database: sqlalchemy.Engine,
) -> None:
    """A city's devices are not looked through each time that somebody moves in."""
    asked: list[list[str]] = []

    class Asked(DeviceSilent):
        def seeds(
            self, devices: Sequence[str], context: Context, at: int
        ) -> Mapping[str, DeviceState]:
            asked.append(sorted(devices))
            return super().seeds(devices, context, at)

    whole = community()
    people = Registry(devices=whole.devices, bindings=whole.bindings, residents={"h2": ("s-li",)})
    camera = Device("camera-2", "known", gateway="gateway")
    more = Registry(devices={**whole.devices, "camera-2": camera}, bindings=whole.bindings)
    snapshots = [whole, people, more]
    engine = start(database, snapshots=snapshots, rules=(Asked(),))
    for _ in range(3):
        engine.tick(MORNING)
        engine.tick(MORNING)
        snapshots.pop(0) if len(snapshots) > 1 else None
    assert asked == [sorted(whole.devices), [], ["camera-2"]]


def test_cursor_row_names_the_journal(database: sqlalchemy.Engine) -> None:
    """The durable cursor belongs to a journal, and there is one row of it."""
    engine = start(database)
    engine.handle(1, [heard(MORNING + SECOND)])
    engine.flush()
    (row,) = rows(database, alerts_cursor)
    assert (row.journal, row.position) == ("j", 1)
