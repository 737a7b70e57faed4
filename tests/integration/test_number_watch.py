"""Numbered devices on a real ledger: what is missing and whose fault it is, over restarts."""

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.clock import SECOND
from devices.observation import DeviceStatus, TimeSource
from devices.outcome import DeadLetter, DeadLetterReason, Outcome
from ingest import dead_letter
from ingest.dead_letter import Selection
from ingest.follower import Held
from ingest.ledger import Ledger
from ingest.message import Batch, Message
from ingest.numbering import Cause, Numbering
from ingest.numbering_table import read_missing
from ingest.trouble import KEPT, Trouble, Troubles, cause_in
from tests.console import World
from tests.console_http import Open
from tests.desk import Desk
from tests.messages import NOON


def decode(position: int, message: Message) -> Outcome:
    """Read payloads that are the number; ``!7`` is one that today's profile cannot read."""
    if message.payload.startswith(b"!"):
        return DeadLetter(DeadLetterReason.MISSING_FIELD, "number")
    return (
        DeviceStatus(
            device_id=message.topic,
            observed_at=message.received_at,
            received_at=message.received_at,
            time_source=TimeSource.ARRIVAL,
            sequence=int(message.payload),
        ),
    )


class Line:
    """A desk fed by devices that number their messages, one message a second."""

    def __init__(self, folder: Path) -> None:
        self.desk = Desk(folder)
        self.troubles = Troubles()
        self.restart()

    def restart(self) -> None:
        """Begin as a new process does, with what is on disk."""
        self.desk.ledger.close()
        self.desk.open(troubles=self.troubles)

    def feed(self, *payloads: str, device: str = "gate", skip: int = 0) -> None:
        """Let numbers arrive in one batch, after some lost positions."""
        base = self.desk.head + skip + 1
        arrived = [
            Message(device, payload.encode(), NOON + at * SECOND, "mqtt")
            for at, payload in enumerate(payloads, base)
        ]
        outcomes = [decode(at, one) for at, one in enumerate(arrived, base)]
        self.desk.consumer.handle(Batch(base, arrived), outcomes)
        self.desk.head = base + len(payloads) - 1

    def missing(self, device: str | None = None) -> dict[Cause, int]:
        """What anybody may read; causes of nothing are left out."""
        found = read_missing(self.desk.path, device).by_cause
        return {cause: count for cause, count in found.items() if count}


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    made = Line(tmp_path)
    yield made
    made.desk.close()


def test_gaps_are_found_over_a_restart_and_counted_once(line: Line) -> None:
    """The number before is on disk with the cursor; devices are told apart."""
    line.feed("1", "2", "5")
    line.feed("7", device="meter")
    line.restart()
    line.feed("6", "9")
    line.feed("9", device="meter")
    assert line.missing("gate") == {Cause.DEVICE: 4}
    assert line.missing("meter") == {Cause.DEVICE: 1}
    assert line.missing() == {Cause.DEVICE: 5}
    line.restart()
    line.feed("3", "4", "7")
    assert line.missing("gate") == {Cause.DEVICE: 1}


def test_a_batch_that_was_not_committed_changes_nothing(line: Line) -> None:
    """While the ledger cannot be written nothing is counted; afterwards once."""
    line.feed("1")
    line.desk.ledger._connection.execute("PRAGMA busy_timeout = 1")
    with sqlite3.connect(line.desk.path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        for _ in range(3):
            with pytest.raises(Held, match="ledger cannot be written"):
                line.feed("4", "!5", "6")
        other.execute("ROLLBACK")
    other.close()
    line.feed("4", "!5", "6")
    assert line.missing() == {Cause.DEVICE: 2, Cause.US: 1}


def test_a_dead_letter_is_ours_until_it_is_replayed(line: Line) -> None:
    """A message we could not read is no device's fault, and its replay fills the gap."""
    line.feed("1", "!2", "!3", "5")
    line.feed("!1", device="other")
    assert line.missing() == {Cause.US: 2, Cause.DEVICE: 1}
    dead_letter.request_replay(line.desk.path, Selection())
    line.desk.decode = lambda position, one: decode(
        position, msgspec.structs.replace(one, payload=one.payload.lstrip(b"!"))
    )
    line.desk.consumer.idle(NOON)
    assert line.missing() == {Cause.DEVICE: 1}


def test_what_the_journal_lost_is_ours(line: Line) -> None:
    """As many as positions were lost, and not what was missing before or came after."""
    line.feed("1", "3")
    line.feed("7", "9", skip=2)
    assert line.missing() == {Cause.DEVICE: 3, Cause.US: 2}


def test_what_is_known_later_moves_the_blame(line: Line) -> None:
    """The broker tells of what it dropped some seconds after the gap was seen."""
    line.feed("1", "2", "6")
    assert line.missing() == {Cause.DEVICE: 3}
    at = NOON + 3 * SECOND
    line.troubles.add(Trouble("mqtt", Cause.BROKER, at - SECOND // 2, at - 1))
    line.feed("8")
    assert line.missing() == {Cause.DEVICE: 1, Cause.BROKER: 3}
    line.restart()
    line.feed("4")
    assert line.missing() == {Cause.DEVICE: 1, Cause.BROKER: 2}


def test_what_became_known_while_a_counter_was_forgotten_moves_its_blame(line: Line) -> None:
    """A counter that is read from the ledger again is judged by everything that is known."""
    line.feed("1", "2", "6")
    at = NOON + 3 * SECOND
    line.troubles.add(Trouble("mqtt", Cause.BROKER, at - SECOND // 2, at - 1))
    line.restart()
    line.feed("1", device="other")
    assert line.missing() == {Cause.DEVICE: 3}
    line.feed("7")
    assert line.missing() == {Cause.BROKER: 3}


def test_a_gap_is_judged_again_by_what_is_new_alone(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long list of old troubles costs nothing with each new one."""
    judged: list[int] = []

    def watched(spans: Collection[Trouble], *asked: Any) -> Cause:
        judged.append(len(spans))
        return cause_in(spans, *asked)

    for _ in range(KEPT):
        line.troubles.add(Trouble("other", Cause.BROKER, 0, 1))
    line.feed("1", "3", "6")
    line.troubles.add(Trouble("mqtt", Cause.BROKER, NOON, NOON + 10 * SECOND))
    monkeypatch.setattr("ingest.number_watch.cause_in", watched)
    line.feed("7")
    assert judged == [1, 1]
    assert line.missing() == {Cause.BROKER: 3}


def test_a_device_that_numbers_nothing_costs_no_row(line: Line) -> None:
    """Only counters are kept."""
    line.desk.handle(b"t 36.5", b"t 36.6")
    assert read_missing(line.desk.path).counters == 0


@settings(max_examples=10, deadline=None)
@given(
    lost=st.sets(st.integers(2, 58), max_size=20),
    late=st.permutations(range(20)),
    kills=st.sets(st.integers(1, 39), max_size=4),
)
def test_what_is_missing_is_what_was_lost(
    tmp_path_factory: pytest.TempPathFactory, lost: set[int], late: list[int], kills: set[int]
) -> None:
    """Whatever is lost, comes late or twice, and whenever we are killed, the count is right."""
    line = Line(tmp_path_factory.mktemp("line"))
    came = [number for number in range(1, 61) if number not in lost]
    behind, came = came[5:25], came[:5] + came[25:]
    order = [*came[:10], *(behind[place] for place in late), *behind[:3], *came[10:]]
    cuts = [0, *sorted(kills), len(order)]
    for begin, end in pairwise(cuts):
        line.feed(*map(str, order[begin:end]))
        line.restart()
    assert sum(line.missing().values()) == len(lost)
    line.desk.close()


async def test_what_never_came_is_shown(world: World, browser: Open) -> None:
    """On the device's page in both languages, and for Prometheus as a sum by cause."""
    with closing(Ledger.open(world.context.data_dir / "ledger.db")) as ledger:
        known = Numbering(9, 1, NOON, 0, missing={Cause.DEVICE: 2, Cause.BROKER: 5}, restarts=1)
        ledger.commit(journal="j", position=1, counts={}, numberings={("1026700", ""): known})
    world.tell()
    async with browser("worker") as client:
        page = (await client.get("/devices/1026700")).text
        other = (await client.get("/devices/a0:e6:f8:50:72:53")).text
        chinese = (await client.get("/devices/1026700", headers={"Accept-Language": "zh"})).text
        numbers = (await client.get("/metrics")).text
    shown = "7: 2 by the device, or on the way to the broker; 5 by the broker, or while it was away"
    assert f"{shown}; counted anew 1 time" in page
    assert "缺失的消息" in chinese
    assert "Missing messages" not in other
    assert 'gatehouse_missing_numbers{cause="broker"} 5.0' in numbers
    assert 'gatehouse_missing_numbers{cause="us"} 0.0' in numbers
