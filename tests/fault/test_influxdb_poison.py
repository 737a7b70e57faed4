"""Points that a real InfluxDB will never take: only they are given up, and soon found."""

import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from devices.clock import DAY
from ingest.point import NANOSECONDS, Point, make_series
from ingest.series import SeriesStore, open_store
from tests.observed import metered
from tests.recorded_server import RecordedServer
from tests.servers import InfluxDB

SERIES = [make_series("electricity", device=f"m{number}", site="east") for number in range(50)]
WEEK = 7 * DAY * NANOSECONDS
T0 = 1_581_292_800_000_000_000
"""A Monday, with which a shard of the real server begins."""
NAN = metered(power_w=float("nan"))
WITH_ENERGY = metered(power_w=1.0, energy_wh=2.0)


def good(count: int, *, start: int = T0) -> list[Point]:
    return [
        Point(SERIES[number % 50], metered(power_w=number / 7), start + number)
        for number in range(count)
    ]


def replaced(batch: list[Point], rows: Iterable[int], observation: object, at: int) -> None:
    for row in rows:
        batch[row] = Point(batch[row].series, observation, at + row)  # type: ignore[arg-type]


class Store:
    """A store on a database of its own, over a server that counts what passes."""

    def __init__(self, opened: SeriesStore, passing: RecordedServer, server: InfluxDB) -> None:
        self.write = opened.write
        self.passing = passing
        self._server = server
        self.database = ""

    @property
    def stored(self) -> int:
        """How many points have a power."""
        found = self._server.query("SELECT count(power_w) FROM electricity", database=self.database)
        return int(found[0]["values"][0][1]) if found else 0

    def claim(self, at: int) -> None:
        """Let somebody else write a field of ours as text, into the shard of a moment."""
        foreign = f'electricity,device=other energy_wh="much" {at}'.encode()
        url = f"{self._server.url}/write?db={self.database}"
        urllib.request.urlopen(url, foreign, timeout=10).close()


@pytest.fixture
def store(
    tmp_path: Path, influxdb_server: InfluxDB, request: pytest.FixtureRequest
) -> Iterator[Store]:
    name = f"t{abs(hash(request.node.nodeid))}"
    policy = " WITH DURATION 1000w SHARD DURATION 7d" if "retention" in request.node.name else ""
    influxdb_server.query(f'CREATE DATABASE "{name}"{policy}')
    with RecordedServer(lambda _: None, behind=influxdb_server.port) as passing:
        opened = open_store(
            f"influxdb1://127.0.0.1:{passing.port}/{name}", token=None, data_dir=tmp_path
        )
        made = Store(opened, passing, influxdb_server)
        made.database = name
        yield made
        opened.close()


@pytest.mark.parametrize("kind", ["unparsable", "conflict", "retention"])
def test_poison_among_many_costs_few_requests(store: Store, kind: str) -> None:
    """A thousand among a hundred thousand: three requests for each that would have sufficed."""
    find_poison(store, kind, count=100_000, poison=1_000)


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["unparsable", "conflict", "retention"])
def test_poison_among_a_million_costs_few_requests(store: Store, kind: str) -> None:
    """A hundred thousand among a million: the same."""
    find_poison(store, kind, count=1_000_000, poison=100_000)


def find_poison(store: Store, kind: str, *, count: int, poison: int) -> None:
    batch, rows = good(count), range(0, count, count // poison)
    if kind == "unparsable":
        replaced(batch, rows, NAN, T0)
    elif kind == "conflict":
        store.claim(T0)
        replaced(batch, rows, WITH_ENERGY, T0)
    else:
        replaced(batch, rows, metered(power_w=1.0), 0)
    rejected = store.write(batch)
    assert [one.index for one in rejected] == list(rows)
    assert store.stored == count - poison
    assert len(store.passing.requests) <= 3 * count // 5_000


@pytest.mark.parametrize(
    ("count", "poison", "requests"),
    [(20_000, 10_000, 5), pytest.param(1_000_000, 100_000, 30, marks=pytest.mark.soak)],
)
def test_poison_first_in_a_new_shard_takes_the_shard_and_nothing_else(
    store: Store, count: int, poison: int, requests: int
) -> None:
    """Who writes first into a week decides the types there: the other week is stored whole.

    Where the words do not tell the weeks apart a body is halved by time: two requests a halving.
    """
    store.claim(T0 + WEEK)
    batch, rows = good(count), range(1, count, count // poison)
    replaced(batch, range(count), WITH_ENERGY, T0)
    replaced(batch, rows, WITH_ENERGY, T0 + WEEK)
    rejected = store.write(batch)
    assert [one.index for one in rejected] == list(rows)
    assert {one.words.partition(":")[0] for one in rejected} == {"field type conflict"}
    assert store.stored == count - poison
    assert len(store.passing.requests) <= requests * count // 5_000


def test_thousands_of_named_lines_are_read_from_one_answer(store: Store) -> None:
    """Words of hundreds of kilobytes name every line: one request a body is enough."""
    batch = good(10_000)
    replaced(batch, range(0, 10_000, 2), NAN, T0)
    rejected = store.write(batch)
    assert [one.index for one in rejected] == list(range(0, 10_000, 2))
    assert {one.words for one in rejected} == {"unable to parse: invalid number"}
    assert store.stored == 5_000
    assert len(store.passing.requests) == 2


def test_all_kinds_of_poison_at_once_are_told_apart(store: Store) -> None:
    """Each is given up with words of its own, and every good point is there."""
    store.claim(T0)
    batch = good(1_000)
    replaced(batch, range(0, 300, 3), NAN, T0)
    replaced(batch, range(300, 400), WITH_ENERGY, T0)
    long = make_series("electricity", device="m" * 70_000)
    batch[500] = Point(long, metered(power_w=1.0), T0)
    words = {one.index: one.words for one in store.write(batch)}
    assert sorted(words) == [*range(0, 300, 3), *range(300, 400), 500]
    assert words[0] == "unable to parse: invalid number"
    assert words[300].startswith("field type conflict")
    assert store.stored == 1_000 - 201
