"""``gatehouse journal`` and ``dead-letters``, beside a service and without one."""

import getpass
import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from dashboards import audit
from devices.clock import ManualClock, rfc3339
from devices.registry import Registry
from gatehouse.cli import dead_letters, journal
from gatehouse.database import open_database
from gatehouse.failure import WRONG_USE, Failure
from gatehouse.settings import load
from ingest import dead_letter
from ingest.journal import Journal
from ingest.ledger import Ledger
from ingest.message import Batch, Message
from ingest.series_consumer import SeriesConsumer
from tests.messages import NOON
from tests.shelf import Shelf, decode, each

SECRET = b'{"name":"Sun Li","phone":"13912345678","temperature":{"value":37.5}}'


class Service:
    """A service's journal and ledger, open, with five messages handled and one pending."""

    def __init__(self, data: Path) -> None:
        self.journal = Journal.open(data / "journal", min_free_bytes=0)
        self.ledger = Ledger.open(data / "ledger.db")
        self.consumer = SeriesConsumer(
            journal_id=self.journal.id,
            ledger=self.ledger,
            store=Shelf(),  # type: ignore[arg-type]
            decode=each(self._decode_again),
            registry=Registry,
            clock=ManualClock(NOON),
        )
        for body in (b"t 36.5", b"i", b"garbage", b"garbage", SECRET):
            batch = self.journal.append([Message("nobody/knows", body, NOON)])
            self.consumer.handle(batch, [decode(batch.base, batch.messages[0])])
        self.journal.append([Message("nobody/knows", b"t 36.5", NOON)])

    def stop(self) -> None:
        self.ledger.close()
        self.journal.close()

    def _decode_again(self, position: int, one: Message):  # type: ignore[no-untyped-def]
        understood = Message(one.topic, b"t 36.0", one.received_at)
        return decode(position, understood if one.payload == b"garbage" else one)


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEHOUSE_DATA_DIR", str(tmp_path / "data"))
    running = Service(tmp_path / "data")
    yield running
    running.stop()


def call(*arguments: str) -> Result:
    """Run a command; what it raises as a failure is raised."""
    app = typer.Typer()
    journal.register(app)
    dead_letters.register(app)
    result: Result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    return result


def read(*arguments: str) -> Any:
    """Run a command with ``--json`` and return what it says, in its one line."""
    return json.loads(call(*arguments, "--json").stdout.splitlines()[-1])


def test_status_works_beside_the_service(service: Service) -> None:
    """How far everything is, read from the files of a service that runs."""
    status = read("journal", "status")
    assert status["running"]
    assert (status["journal"]["id"], status["journal"]["head"]) == (service.journal.id, 6)
    assert status["followers"]["series"] == 5
    assert (status["books"]["stored"], status["books"]["pending"]) == (1, 1)
    assert status["balanced"]
    assert "they balance" in call("journal", "status").stdout


def test_status_works_without_a_service(service: Service) -> None:
    """A stopped service is told as stopped."""
    service.stop()
    assert not read("journal", "status")["running"]
    assert "not running" in call("journal", "status").stdout


def test_show_names_a_message_and_hides_what_it_says(service: Service) -> None:
    """A position leads to topic and time; texts in the payload stay hidden, also in JSON."""
    shown = read("journal", "show", "5")
    assert (shown["position"], shown["topic"], shown["source"]) == (5, "nobody/knows", "")
    assert shown["received_at"] == rfc3339(NOON)
    assert shown["bytes"] == len(SECRET)
    for secret in ("Sun", "13912345678"):
        assert secret not in call("journal", "show", "5").stdout
    assert read("journal", "show", "6")["payload"] == "‹6 bytes, not JSON› x 99.9"


@pytest.mark.parametrize("position", [7, 100_000])
def test_a_position_that_is_not_held_is_a_sentence(service: Service, position: int) -> None:
    """Whoever asks for a message that is gone, or never came, is told where to look."""
    with pytest.raises(Failure, match="is not held"):
        call("journal", "show", str(position))


def test_verify_exits_by_what_it_found(service: Service, tmp_path: Path) -> None:
    """Right books exit 0; a letter that vanished exits 1 and is named."""
    assert call("journal", "verify").exit_code == 0
    with closing(sqlite3.connect(tmp_path / "data" / "dead_letters.db")) as connection:
        connection.execute("DELETE FROM letter WHERE position = 3")
        connection.commit()
    found = call("journal", "verify")
    assert found.exit_code == 1
    assert "2 dead letters are open and the counters say 3" in found.stdout


def test_a_missing_journal_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing was taken in yet, the commands say so."""
    monkeypatch.setenv("GATEHOUSE_DATA_DIR", str(tmp_path / "empty"))
    with pytest.raises(Failure, match="no Gatehouse has taken anything in"):
        call("journal", "status")


def test_letters_are_listed_by_topic_and_reason(service: Service) -> None:
    """Equal letters are one line with a count and a span."""
    (group,) = read("dead-letters", "list")
    assert (group["topic"], group["reason"]) == ("nobody/knows", "missing_field")
    assert (group["count"], group["first_at"]) == (3, "2020-02-14T04:00:00Z")


def test_a_topic_cannot_write_to_the_terminal(service: Service) -> None:
    """A topic of control characters, or of any length, is one short printable line."""
    hostile = "a/\x1b]0;gone\x07/\u202egnp" + "x" * 60_000
    batch = service.journal.append([Message(hostile, b"garbage", NOON)])
    service.consumer.handle(
        Batch(6, [Message("nobody/knows", b"i", NOON), *batch.messages]),
        [decode(6, Message("nobody/knows", b"i", NOON)), decode(batch.base, batch.messages[0])],
    )
    line = next(line for line in call("dead-letters", "list").stdout.splitlines() if "a/" in line)
    assert line.isprintable()
    assert len(line) < 250


def test_a_letter_is_shown_without_what_it_says(service: Service) -> None:
    """The structure of a payload is shown, and nothing of whom it is about."""
    newest = read("dead-letters", "list")[0]["newest"]
    shown = read("dead-letters", "show", str(newest))
    for output in (json.dumps(shown), call("dead-letters", "show", str(newest)).stdout):
        assert "temperature" in output
        assert "Sun Li" not in output
        assert "13912345678" not in output
    with pytest.raises(Failure, match="no dead letter 99"):
        call("dead-letters", "show", "99")


def test_revealing_a_payload_needs_a_reason_and_is_recorded(service: Service) -> None:
    """Who reads what a device said is written down before it is shown."""
    engine = open_database(load())
    with pytest.raises(Failure, match="say why"):
        call("dead-letters", "show", "5", "--reveal")
    assert "Sun Li" in call("dead-letters", "show", "5", "--reveal", "--because", "a test").stdout
    with engine.connect() as connection:
        (entry,) = audit.find(connection, about="dead_letter:5")
    engine.dispose()
    assert (entry.action, entry.reason) == (audit.Action.REVEALED_LETTER, "a test")
    assert entry.account.startswith("cli:")


def test_a_payload_cannot_write_to_the_terminal(service: Service) -> None:
    """What is revealed is shown without the signs a terminal obeys."""
    hostile = b"\x1b]0;gone\x07 \xe2\x80\xae \xff"
    batch = service.journal.append([Message("t", hostile, NOON)])
    garbage = Message("t", b"garbage", NOON)
    service.consumer.handle(Batch(6, [garbage, *batch.messages]), [decode(6, garbage)] * 2)
    open_database(load()).dispose()
    shown = call("dead-letters", "show", "7", "--reveal", "--because", "a test").stdout
    assert shown.replace("\n", "").isprintable()
    assert "]0;gone" in shown


def test_replay_without_a_service_says_so(service: Service) -> None:
    """The letters stay marked, and the sentence says what brings them through."""
    service.stop()
    with pytest.raises(Failure, match=r"3 letters are marked.*`gatehouse run`"):
        call("dead-letters", "replay", "--all")


def test_replay_tells_what_came_of_it(service: Service) -> None:
    """The running service replays; what is understood now is settled, the rest has failed again."""
    stop = threading.Event()

    def idle() -> None:
        while not stop.wait(0.05):
            service.consumer.idle(NOON)

    thread = threading.Thread(target=idle)
    thread.start()
    try:
        assert read("dead-letters", "replay", "--topic", "nobody/#") == {"settled": 2, "failed": 1}
    finally:
        stop.set()
        thread.join()
    assert read("journal", "status")["books"]["dead_replayed"] == 2
    assert read("journal", "verify")["problems"] == []


def test_a_dry_run_changes_nothing(service: Service) -> None:
    """It tells what today's profiles would make of the letters."""
    open_database(load()).dispose()
    given = read("dead-letters", "replay", "--all", "--dry-run")
    assert given == {"would stay: unknown_topic": 3}
    assert service.ledger.requested(10) == []


def test_discarding_needs_a_choice_and_a_reason(service: Service) -> None:
    """Nothing is given up by accident."""
    with pytest.raises(Failure, match="say which") as failed:
        call("dead-letters", "discard", "--because", "a test")
    assert failed.value.code == WRONG_USE
    assert call("dead-letters", "discard", "--all").exit_code == 2
    with pytest.raises(Failure, match="say why"):
        call("dead-letters", "discard", "--all", "--because", " ")
    by_id = ("dead-letters", "discard", "--id", "3", "--because", "a test")
    assert read(*by_id) == {"discarded": 1}
    assert "2 discarded" in call("dead-letters", "discard", "--all", "--because", "a test").stdout
    assert read("journal", "status")["books"]["dead_discarded"] == 3


def test_who_settles_letters_is_recorded(service: Service) -> None:
    """By command as on the console: who, what, and why, under the newest letter of them."""
    engine = open_database(load())
    service.stop()
    with pytest.raises(Failure, match="are marked"):
        call("dead-letters", "replay", "--all")
    call("dead-letters", "discard", "--all", "--because", "a test")
    call("dead-letters", "discard", "--all", "--because", "none is left")
    with engine.connect() as connection:
        discarded, replayed = audit.find(connection, about="dead_letter:5")
    engine.dispose()
    assert (replayed.action, replayed.reason) == (audit.Action.REPLAYED_LETTERS, "")
    assert (discarded.action, discarded.reason) == (audit.Action.DISCARDED_LETTERS, "a test")
    assert discarded.account == replayed.account == f"cli:{getpass.getuser()}"


def test_what_one_command_leaves_is_said(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than one command touches: it says that there may be more."""
    monkeypatch.setattr(dead_letter, "AT_ONCE", 2)
    open_database(load()).dispose()
    because = ("--all", "--because", "a test")
    said = call("dead-letters", "discard", *because).stdout
    assert said == "2 discarded; say it again for the rest\n"
    assert call("dead-letters", "discard", *because).stdout == "1 discarded\n"
