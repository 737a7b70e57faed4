"""A flood of garbage: counted to the last message, and bounded on disk."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from devices.clock import MINUTE, ManualClock
from devices.decoder import Decoder
from devices.profile import built_in, load_profiles
from devices.registry import Device, Registry
from ingest import dead_letter
from ingest.books import Books, balance
from ingest.dead_letter import Selection
from ingest.decode_stage import decode_all
from ingest.follower import GATHERED
from ingest.journal_room import MIB
from ingest.ledger import Ledger
from ingest.ledger_file import LETTERS, account_of
from ingest.message import Batch, Message
from ingest.series import open_store
from ingest.series_consumer import SeriesConsumer
from tests.bench.load import DEVICES, Published, device_of, garbage, messages
from tests.desk import Desk
from tests.messages import NOON

FLOOD, MILLION = 100_000, 1_000_000
AT_ONCE = 2_000
BOUND, LETTERS_BOUND = 4 * MIB, 512 * MIB
WAL = 6 * MIB
"""What SQLite's log takes beside: a thousand pages, and the batch that passes them."""


ROUND = 50_000
NOISE = 1.15
"""What garbage may cost more on a machine that is not quiet."""


@pytest.mark.parametrize("flood", [FLOOD, pytest.param(MILLION, marks=pytest.mark.soak)])
def test_a_flood_fills_neither_the_disk_nor_the_list(tmp_path: Path, flood: int) -> None:
    """So many messages of one broken device, and a few of others, over some hours."""
    desk = Desk(tmp_path, max_bytes=BOUND)
    desk.handle(b"i", b"quiet one", b"quiet two")
    for _ in range(flood // AT_ONCE):
        desk.clock.advance(3 * MINUTE)
        desk.flood(b"x" * 400, AT_ONCE)
        assert size_on_disk(tmp_path) <= BOUND * 1.1 + WAL
    assert [letter.position for letter in dead_letter.letters(desk.path, Selection(topic="d1"))]
    assert [letter.position for letter in dead_letter.letters(desk.path, Selection(topic="d2"))]
    books = desk.books
    assert books.balanced
    assert books.dead == {"missing_field": flood + 2}
    assert books.dead_open + books.expired == flood + 2
    assert 4_000 < books.dead_open < flood / 4
    told = dead_letter.groups(desk.path, Selection(topic="flood"))
    assert {group.state for group in told} == {"open", "expired"}
    desk.close()


@pytest.mark.soak
@pytest.mark.timeout(1_800)
def test_a_million_garbage_messages_cost_no_more_than_good_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """CPU from the payload to the books, of a flood within a minute beside as many good ones.

    Of it only what is kept of a minute takes room, a fourth of the bound at most.
    """
    registry = Registry(
        devices={name: Device(name, profile) for name, profile in map(device_of, range(DEVICES))}
    )
    decoder = Decoder(load_profiles(built_in()), default_zone=ZoneInfo("Asia/Shanghai"))
    good, bad = (Mill(tmp_path / name, decoder, registry) for name in ("good", "bad"))
    for number in range(MILLION // ROUND):
        good.grind(list(messages(ROUND, NOON / 1_000 + number)))
        bad.grind(list(garbage(ROUND, NOON / 1_000 + number)))
    kept = size_on_disk(tmp_path / "bad")
    with capsys.disabled():
        sys.stdout.write(
            f"\n{MILLION:,} garbage messages: {bad.cpu_us:.1f} µs of CPU each, beside "
            f"{good.cpu_us:.1f} µs of good ones, and {kept / MIB:.0f} MiB on disk\n"
        )
    assert good.books.stored == MILLION
    assert sum(bad.books.dead.values()) == MILLION
    assert bad.books.balanced
    assert bad.cpu_us <= good.cpu_us * NOISE
    assert kept <= LETTERS_BOUND / 4 + WAL


class Mill:
    """Decoder, series follower's consumer, ledger and embedded store; counts its CPU."""

    def __init__(self, folder: Path, decoder: Decoder, registry: Registry) -> None:
        self._decoder, self._registry = decoder, registry
        self._path = folder / "ledger.db"
        self._consumer = SeriesConsumer(
            journal_id="j",
            ledger=Ledger.open(self._path, max_bytes=LETTERS_BOUND),
            store=open_store(None, token=None, data_dir=folder),
            decode=lambda _, arrived: decode_all(arrived, decoder, registry),
            registry=lambda: registry,
            clock=ManualClock(NOON),
        )
        self._spent = 0.0
        self._head = 0

    def grind(self, published: Sequence[Published]) -> None:
        """Handle messages that arrive in one minute, in batches as the service gathers them."""
        arrived = [Message(topic, payload, NOON) for topic, payload in published]
        began = time.process_time()
        for start in range(0, len(arrived), GATHERED):
            batch = Batch(self._head + 1, arrived[start : start + GATHERED])
            outcomes = decode_all(batch.messages, self._decoder, self._registry)
            self._consumer.handle(batch, outcomes)
            self._head = batch.last
        self._spent += time.process_time() - began

    @property
    def cpu_us(self) -> float:
        """Microseconds of CPU a message."""
        return self._spent / self._head * 1e6

    @property
    def books(self) -> Books:
        """As anybody may read them."""
        return balance(account_of(self._path), head=self._head)


def size_on_disk(folder: Path) -> int:
    """Return the bytes of the dead letters' file and its log."""
    return sum(path.stat().st_size for path in folder.glob(f"{LETTERS}*"))
