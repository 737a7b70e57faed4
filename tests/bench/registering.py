"""What a city's registry costs whoever looks things up: 100,000 households in SQLite.

The snapshot is measured in a process of its own, in which nothing else takes memory or time:
``python -m tests.bench.registering DATABASE`` prints the results as JSON.
"""

import json
import subprocess
import sys
import time
import timeit
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import Connection, Table, insert, update

from devices import tables
from devices.registry import Registry
from devices.registry_store import RegistryCache, bump, load
from gatehouse.database import create, migrate
from tests.bench.results import Results
from tests.service import without_settings

HOUSEHOLDS = 100_000
RESIDENTS_A_HOUSEHOLD = 3
_A_BUILDING, _A_GRID, _A_SITE = 24, 96, 1_248
_SINCE, _NOW = 1_575_129_600_000, 1_581_674_400_000
_CHUNK = 20_000
_ASKED = 200
_CHANGES = 5
_PATIENCE_S = 600


def measure(folder: Path) -> Results:
    """Return what loading, keeping, asking and changing such a registry comes to."""
    folder.mkdir(parents=True)
    database = folder / "state.db"
    _fill(database)
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.registering", str(database)],
        check=True,
        capture_output=True,
        env=without_settings(),
        timeout=_PATIENCE_S,
        text=True,
    )
    results: Results = json.loads(done.stdout.splitlines()[-1])
    return results


def _measure_here(database: Path) -> Results:
    engine = create(f"sqlite:///{database}")
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
    before, began = _resident_mib(), time.perf_counter()
    registry = load(engine)
    took = time.perf_counter() - began
    results: Results = {
        "registry_load_s": round(took, 1),
        "registry_mib_100k_households": round(_resident_mib() - before),
        "registry_lookup_us": round(_lookup_us(registry), 2),
    }
    del registry
    cache = RegistryCache(engine)
    seen = [_change_seen_s(engine, cache, number) for number in range(_CHANGES)]
    engine.dispose()
    return results | {"registry_change_seen_s": round(max(seen), 2)}


def _lookup_us(registry: Registry) -> float:
    """Return the cost of the dearest of the lookups made for every message, the call included."""
    random = Random(1)
    devices = random.sample(sorted(registry.devices), _ASKED)
    people = random.sample(sorted(registry.subjects), _ASKED)
    subjects = [registry.subjects[person] for person in people]
    asked = (
        (registry.place, devices),
        (registry.household_of, subjects),
        (registry.resident_class, subjects),
    )
    return max(_least_us(ask, keys) for ask, keys in asked)


def _least_us(ask: Any, keys: list[str]) -> float:
    """Return the cost of the quickest of some runs: others can only make it slower."""

    def run() -> None:
        for key in keys:
            ask(key, _NOW)

    runs = timeit.repeat(run, number=20, repeat=20, timer=time.thread_time)
    return min(runs) / 20 / len(keys) * 1e6


def _change_seen_s(engine: Any, cache: RegistryCache, number: int) -> float:
    """Return how long after its commit a change of a household and a device is in the snapshot."""
    home, states = f"h{number}", tables.household_state
    with engine.begin() as connection:
        _change(connection, states, states.c.household == home, state="away")
        _change(connection, tables.device, tables.device.c.id == f"m{number}", profile="p2")
        bump(connection, [(states.name, home), (tables.device.name, f"m{number}")])
    began = time.perf_counter()
    while cache.current().household_state(home, _NOW) != "away":
        if time.perf_counter() - began > _PATIENCE_S:
            raise TimeoutError(home)
        time.sleep(0.001)
    return time.perf_counter() - began


def _change(connection: Connection, table: Table, where: Any, **values: str) -> None:
    connection.execute(update(table).where(where).values(values))


def _resident_mib() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def _fill(database: Path) -> None:
    engine = create(f"sqlite:///{database}")
    migrate(engine)
    random = Random(1)
    homes = range(HOUSEHOLDS)
    houses = range(0, HOUSEHOLDS, _A_BUILDING)
    grids = range(0, HOUSEHOLDS, _A_GRID)
    sites = range(0, HOUSEHOLDS, _A_SITE)
    people = [f"{random.getrandbits(64):016x}" for _ in range(HOUSEHOLDS * RESIDENTS_A_HOUSEHOLD)]
    lives = {"since": _SINCE, "until": None}
    with engine.begin() as connection:
        _put(connection, tables.site, ({"id": _site(n), "name": "S", "zone": "UTC"} for n in sites))
        _put(
            connection,
            tables.grid,
            ({"id": f"g{n // _A_GRID}", "site": _site(n), "name": "G"} for n in grids),
        )
        _put(
            connection,
            tables.building,
            (
                {"id": _building(n), "site": _site(n), "grid": f"g{n // _A_GRID}", "name": "B"}
                for n in houses
            ),
        )
        _put(
            connection,
            tables.household,
            ({"id": f"h{n}", "building": _building(n), "flat": str(n)} for n in homes),
        )
        _put(
            connection,
            tables.household_state,
            ({"household": f"h{n}", "state": "occupied", **lives} for n in homes),
        )
        _put(
            connection,
            tables.resident,
            (
                {"subject": who, "external_id": f"r{n}", "name": "N", "phone": ""}
                for n, who in enumerate(people)
            ),
        )
        _put(
            connection,
            tables.residence,
            (
                {"subject": who, "household": f"h{n // RESIDENTS_A_HOUSEHOLD}", **lives}
                for n, who in enumerate(people)
            ),
        )
        _put(
            connection,
            tables.resident_class,
            ({"subject": who, "class": "lone_elderly", **lives} for who in people[::20]),
        )
        for kind in ("m", "t"):
            _put(connection, tables.device, ({"id": f"{kind}{n}", "profile": kind} for n in homes))
            _put(
                connection,
                tables.device_binding,
                (
                    {
                        "device": f"{kind}{n}",
                        "site": _site(n),
                        "place": "household",
                        "household": f"h{n}",
                        **lives,
                    }
                    for n in homes
                ),
            )
        bump(connection)
    engine.dispose()


def _site(household: int) -> str:
    return f"s{household // _A_SITE}"


def _building(household: int) -> str:
    return f"b{household // _A_BUILDING}"


def _put(connection: Connection, table: Table, rows: Iterable[dict[str, Any]]) -> None:
    waiting: list[dict[str, Any]] = []
    for row in rows:
        waiting.append(row)
        if len(waiting) == _CHUNK:
            connection.execute(insert(table), waiting)
            waiting = []
    if waiting:
        connection.execute(insert(table), waiting)


if __name__ == "__main__":
    print(json.dumps(_measure_here(Path(sys.argv[1]))))
