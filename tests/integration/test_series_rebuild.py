"""``gatehouse series rebuild``: from a profile that was wrong to series that are right."""

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert, text

import devices.tables
from devices.clock import DAY, HOUR, MINUTE, ManualClock
from devices.decoder import Decoder
from devices.observation import BodySite, Temperature
from devices.outcome import Outcome
from devices.profile import load_profiles
from devices.registry_store import load
from gatehouse.database import newest_revision
from ingest import rebuild
from ingest.decode_stage import decode_all
from ingest.journal import Journal
from ingest.ledger import Ledger
from ingest.measurement import MEASUREMENTS
from ingest.message import Message
from ingest.point import NANOSECONDS, Point, make_series
from ingest.reading import END_OF_TIME, Reading
from ingest.refusal import Rejected, StoreHeld
from ingest.retention import Retention
from ingest.rollup import Span
from ingest.series import SeriesReader, open_store
from ingest.series_consumer import SeriesConsumer
from ingest.series_upkeep import SeriesUpkeep
from ingest.sqlite_series import SqliteStore
from tests.command import Run
from tests.console import NOW
from tests.servers import InfluxDB
from tests.state import open_state

PROFILE = """
vendor = "Home"
model = "made"
source = "ourselves"

[[message]]
topic = "home/{{device}}"

[[message.observation]]
kind = "temperature"
celsius = "{celsius}"
body_site = "ambient"
{more}
[[example]]
says = "a room"
topic = "home/den"
payload = '{{"inside":21.0,"outside":3.0,"battery":50}}'
gives = [{gives}]
"""
WRONG = PROFILE.format(
    celsius="outside",
    more='\n[[message.observation]]\nkind = "device_status"\nbattery = "battery"\n',
    gives='{ kind = "temperature", celsius = 3.0, body_site = "ambient" },'
    ' { kind = "device_status", battery = 50.0 }',
)
RIGHT = PROFILE.format(
    celsius="inside",
    more="",
    gives='{ kind = "temperature", celsius = 21.0, body_site = "ambient" }',
)
"""Outside was taken for inside, and a battery was seen where there is none."""


class House:
    """A data folder whose service wrote with a wrong profile.

    Everything is real but the broker: journal, ledger, consumer, embedded store.
    """

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.data.mkdir()
        self._profiles = folder / "profiles"
        self._profiles.mkdir()
        (folder / "gatehouse.toml").write_text(f'profiles_dir = "{self._profiles}"\n')
        self.environment = {
            "GATEHOUSE_DATA_DIR": str(self.data),
            "GATEHOUSE_CONFIG": str(folder / "gatehouse.toml"),
        }
        self.describe(WRONG)
        self.database = open_state(self.data)
        with self.database.begin() as connection:
            connection.execute(text("CREATE TABLE alembic_version (version_num TEXT)"))
            connection.execute(text(f"INSERT INTO alembic_version VALUES ('{newest_revision()}')"))
            rows = [{"id": "den", "profile": "home"}]
            connection.execute(insert(devices.tables.device), rows)

    def describe(self, profile: str) -> None:
        """Write the profile; what runs has read it already."""
        (self._profiles / "home.toml").write_text(profile)

    @contextmanager
    def service(self, *, file_bytes: int = 256 * 1024**2) -> Iterator[Callable[..., None]]:
        """Run what takes in; gives what makes it handle messages with the profile as it is now."""
        decoder = Decoder(load_profiles(self._profiles), default_zone=ZoneInfo("UTC"))
        registry = load(self.database)
        journal = Journal.open(self.data / "journal", min_free_bytes=0, file_bytes=file_bytes)
        ledger = Ledger.open(self.data / "ledger.db")
        store = SqliteStore(self.data / "series.db")

        def decode(_: Sequence[int], messages: Sequence[Message]) -> list[Outcome]:
            return decode_all(messages, decoder, registry)

        consumer = SeriesConsumer(
            journal_id=journal.id,
            ledger=ledger,
            store=store,
            decode=decode,
            registry=lambda: registry,
            clock=ManualClock(NOW),
        )

        def handle(*messages: Message) -> None:
            batch = journal.append(messages)
            consumer.handle(batch, decode([], batch.messages))

        try:
            yield handle
        finally:
            for part in (ledger, store, journal):
                part.close()

    def store(self, name: str = "series.db") -> SqliteStore:
        """Open a store of the folder to read it."""
        return SqliteStore(self.data / name, read_only=True)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def said(number: int, *, at: int | None = None) -> Message:
    """Return what the den says: inside is 20 and its number's tenths, outside its number."""
    body = {"inside": 20 + number / 10, "outside": float(number), "battery": 50}
    when = NOW + number * MINUTE if at is None else at
    return Message("home/den", json.dumps(body).encode(), when)


def celsius(store: SeriesReader) -> list[float]:
    """Return every temperature, oldest first."""
    found = sorted(store.scan("temperature", since=0, until=END_OF_TIME), key=lambda one: one.time)
    return [float(one.fields["celsius"]) for one in found]


def everything(store: SeriesReader) -> list[Reading]:
    return sorted(
        (one for name in MEASUREMENTS for one in store.scan(name, since=0, until=END_OF_TIME)),
        key=repr,
    )


def observed_before(house: House, *at: int, device: str = "den") -> None:
    """Store temperatures of -1 degrees of times that no journal holds."""
    store = SqliteStore(house.data / "series.db")
    series = make_series("temperature", device=device)
    for when in at:
        cold = Temperature(
            device_id=device,
            observed_at=when,
            received_at=when,
            celsius=-1.0,
            body_site=BodySite.AMBIENT,
        )
        store.write([Point(series, cold, when * NANOSECONDS)])
    store.close()


def test_the_embedded_store_is_built_anew(house: House, run: Run) -> None:
    """Beside the service nothing changes; once it is stopped, what the journal holds is right.

    What was observed before the journal begins stays, and the service goes on where it was.
    """
    observed_before(house, NOW - DAY)
    observed_before(house, NOW - MINUTE, device="attic")
    with house.service() as handle:
        handle(*map(said, range(10)))
        house.describe(RIGHT)
        first = run("series", "rebuild", environment=house.environment)
        assert first.code == 0, first.err
        assert "built up to position 10; a service runs" in first.out
        with closing(house.store()) as old:
            assert celsius(old) == [-1.0, -1.0, *map(float, range(10))]
        handle(*map(said, range(10, 20)))
    second = run("series", "rebuild", environment=house.environment)
    assert second.code == 0, second.err
    assert second.out.startswith("positions  11 to 20: 10 messages\npoints     10 temperature\n")
    right = [-1.0, -1.0, *(20 + number / 10 for number in range(20))]
    # The first five minutes may hold what came before the journal's first message: they stay.
    with closing(house.store()) as store:
        assert celsius(store) == right
        newest = [(one.device, one.at) for one in store.last("temperature")]
        assert newest == [("attic", NOW - MINUTE), ("den", NOW + 19 * MINUTE)]
        stale = list(store.scan("device_status", since=0, until=END_OF_TIME))
        assert all(one.at < NOW + 5 * MINUTE for one in stale)
    with closing(house.store("series-before-rebuild.db")) as old:
        assert len(celsius(old)) == 22
    with house.service() as handle:
        handle(said(20))
    with closing(house.store()) as store:
        assert celsius(store) == [*right, 22.0]
    assert not list(house.data.glob("rebuil*.[dj]*"))


def test_a_rebuild_without_a_change_changes_nothing(house: House, run: Run) -> None:
    """Whatever was written, late or twice, comes out with the same identity and values."""
    messages = [*map(said, range(30)), *map(said, range(5)), said(40, at=NOW - HOUR)]
    with house.service() as handle:
        for one in messages:
            handle(one)
    with closing(house.store()) as store:
        before = everything(store)
    assert run("series", "rebuild", environment=house.environment).code == 0
    with closing(house.store()) as store:
        assert everything(store) == before
        assert len(before) == 2 * len(messages)


def test_rollups_follow_and_old_ones_stay(house: House, run: Run) -> None:
    """Hours of rebuilt points are computed again; one whose points are gone keeps its numbers.

    So is the hour in which the journal begins, where points that were wrong are no more.
    """
    gone = NOW // DAY * DAY - 20 * DAY
    observed_before(house, gone, gone + MINUTE)

    def keep(now: int) -> None:
        keeper = SeriesUpkeep(house.data / "series.db", Retention(raw_days=14), offset=0)
        keeper.step(now)
        while keeper.is_busy:
            keeper.step(now)
        keeper.close()

    def hours() -> list[tuple[int, float, int]]:
        with closing(house.store()) as store:
            found = store.rolled_up("room_temperature", Span.HOURLY, since=0, until=NOW + DAY)
        return [
            (one.at, float(one.fields["max_celsius"]), int(one.fields["count"])) for one in found
        ]

    first, second = NOW // HOUR * HOUR, NOW // HOUR * HOUR + HOUR
    with house.service() as handle:
        handle(*(Message("home/den", b'{"outside":4}', NOW + at * MINUTE) for at in (0, 10)))
        handle(*(said(number, at=second + number * MINUTE) for number in range(3)))
    house.describe(RIGHT)
    keep(NOW + 3 * HOUR)
    assert hours() == [(gone, -1.0, 2), (first, 4.0, 2), (second, 2.0, 3)]
    assert run("series", "rebuild", environment=house.environment).code == 0
    keep(NOW + 4 * HOUR)
    assert hours() == [(gone, -1.0, 2), (first, 4.0, 1), (second, 20.2, 3)]


def test_another_store_gets_what_the_journal_holds(
    house: House, run: Run, influxdb_server: InfluxDB
) -> None:
    """An InfluxDB beside the running service, and a second time what came since."""
    url = influxdb_server.database("mended")
    with house.service() as handle:
        handle(*map(said, range(10)))
        house.describe(RIGHT)
        first = run("series", "rebuild", "--to", url, environment=house.environment)
        assert first.code == 0, first.err
        assert "observed before 2020-02-14T12:10:00Z is in the other store only" in first.out
        handle(*map(said, range(10, 12)))
        second = run("series", "rebuild", "--to", url, environment=house.environment)
        assert second.out.startswith("positions  11 to 12: 2 messages\n"), second.err
    with closing(open_store(url, token=None, data_dir=house.data)) as store:
        assert celsius(store) == [20 + number / 10 for number in range(12)]
        assert list(store.scan("device_status", since=0, until=END_OF_TIME)) == []
    with closing(house.store()) as old:
        assert celsius(old) == [float(number) for number in range(12)]


def test_a_dry_run_says_what_would_be_and_writes_nothing(house: House, run: Run) -> None:
    """Counts by measurement, and by reason for what gives no point."""
    with house.service() as handle:
        handle(*map(said, range(3)), Message("home/den", b"{}", NOW), Message("x/y", b"", NOW))
    house.describe(RIGHT)
    before = {path: path.read_bytes() for path in house.data.glob("*.db")}
    done = run("series", "rebuild", "--dry-run", environment=house.environment)
    assert done.out.splitlines() == [
        "positions  1 to 5: 5 messages",
        "points     3 temperature",
        "ignored    none",
        "dead       1 missing_field, 1 unknown_topic",
        "nothing was written",
    ]
    told = run("series", "rebuild", "--dry-run", "--json", environment=house.environment)
    assert json.loads(told.out)["dead"] == {"missing_field": 1, "unknown_topic": 1}
    assert {path: path.read_bytes() for path in house.data.glob("*.db")} == before


@pytest.mark.parametrize("bound", [("MESSAGES_AT_ONCE", 2), ("BYTES_AT_ONCE", 150)])
def test_what_is_cut_off_goes_on(
    house: House, run: Run, monkeypatch: pytest.MonkeyPatch, bound: tuple[str, int]
) -> None:
    """A store that gives out in the middle costs what was not written yet, and nothing else."""
    monkeypatch.setattr(rebuild, *bound)
    with house.service() as handle:
        for number in range(10):
            handle(said(number))
    house.describe(RIGHT)
    write = SqliteStore.write
    written = 0

    def give_out(self: SqliteStore, points: Sequence[Point]) -> Sequence[Rejected]:
        nonlocal written
        written += len(points)
        if written > 6:
            raise StoreHeld("the disk is full")
        return write(self, points)

    monkeypatch.setattr(SqliteStore, "write", give_out)
    done = run("series", "rebuild", environment=house.environment)
    assert done.code == 1
    assert "the disk is full; then run the same again" in done.err
    monkeypatch.setattr(SqliteStore, "write", write)
    with closing(house.store()) as store:
        assert celsius(store) == [float(number) for number in range(10)]
    done = run("series", "rebuild", environment=house.environment)
    assert done.out.startswith("positions  7 to 10: 4 messages\n")
    with closing(house.store()) as store:
        assert celsius(store) == [20 + number / 10 for number in range(10)]


@pytest.mark.parametrize("damaged", [4, 10], ids=["in the middle", "at the end"])
def test_points_of_lost_positions_stay(house: House, run: Run, damaged: int) -> None:
    """Where the journal cannot give a message back, what was stored of it is not given up."""
    with house.service() as handle:
        for number in range(1, 11):
            handle(said(number * 6))
    [file] = (house.data / "journal").glob("*.journal")
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE batch SET checksum = 0 WHERE base = ?", (damaged,))
    house.describe(RIGHT)
    done = run("series", "rebuild", environment=house.environment)
    assert done.out.startswith("positions  1 to ")
    assert "1 of them lost: 9 messages" in done.out
    values = [20 + number * 6 / 10 for number in range(1, 11)]
    values[damaged - 1] = damaged * 6.0
    with closing(house.store()) as store:
        assert celsius(store) == values


def test_what_the_journal_no_longer_holds_stays(house: House, run: Run) -> None:
    """Positions that were trimmed are not covered; what was observed in their time is kept."""
    with house.service(file_bytes=4_096) as handle:
        for number in range(1, 16):
            handle(said(number * 5))
    oldest = min((house.data / "journal").glob("*.journal"))
    base = int(sorted((house.data / "journal").glob("*.journal"))[1].stem)
    oldest.unlink()
    house.describe(RIGHT)
    done = run("series", "rebuild", environment=house.environment)
    assert done.out.startswith(f"positions  {base} to 15: {16 - base} messages\n")
    with closing(house.store()) as store:
        assert celsius(store) == [
            *(number * 5.0 for number in range(1, base)),
            *(20 + number * 5 / 10 for number in range(base, 16)),
        ]


def test_what_cannot_be_rebuilt_is_told_in_one_line(house: House, run: Run, tmp_path: Path) -> None:
    """Nothing to rebuild from, a wrong store, a file in the way: each says what to do."""
    done = run("series", "rebuild", environment=house.environment)
    assert (done.code, done.out) == (1, "")
    assert "no Gatehouse has stored anything yet" in done.err
    with house.service() as handle:
        handle(said(1))
    away = house.environment | {"GATEHOUSE_SERIES_URL": "influxdb1://127.0.0.1:1/gone"}
    done = run("series", "rebuild", environment=away)
    assert (done.code, "name a fresh database with --to" in done.err) == (2, True)
    gone = run("series", "rebuild", "--to", "influxdb1://127.0.0.1:1/gone", environment=away)
    assert (gone.code, "does not answer" in gone.err) == (1, True)
    wrong = run("series", "rebuild", "--to", "mysql://x/y", environment=house.environment)
    assert (wrong.code, "--to: mysql:// is no series store" in wrong.err) == (2, True)
    (house.data / "series-before-rebuild.db").touch()
    done = run("series", "rebuild", environment=house.environment)
    assert (done.code, "move it away, or delete it" in done.err) == (1, True)
    assert done.err.count("\n") == 1


def test_a_file_that_somebody_reads_is_left_in_its_place(house: House, run: Run) -> None:
    """A reader that goes on with the old file would see neither the old nor the new."""
    with house.service() as handle:
        handle(said(1))
    house.describe(RIGHT)
    reader = sqlite3.connect(house.data / "series.db")
    reader.execute("SELECT * FROM temperature").fetchall()
    done = run("series", "rebuild", environment=house.environment)
    assert (done.code, "end what reads it" in done.err) == (1, True)
    reader.close()
    done = run("series", "rebuild", environment=house.environment)
    assert done.code == 0, done.err
    with closing(house.store()) as store:
        assert celsius(store) == [20.1]
