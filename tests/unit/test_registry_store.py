"""A snapshot follows the registry: what changed is read, everything only where that is unknown."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, delete, event, func, insert, select, update

from devices import registry_reader, registry_store, tables
from devices.clock import parse_rfc3339
from devices.csv_import import import_folder
from devices.registry import HouseholdState, Registry
from devices.registry_store import RegistryCache, bump, load
from tests.servers import wait_until
from tests.snapshots import contents
from tests.state import open_state

SAMPLE = Path(tables.__file__).parent / "sample_community"
NOW = parse_rfc3339("2020-02-14T18:00:00+08:00")
AWAY = {"state": "away"}
FLAT = "h-1-201"


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setattr(registry_store, "CHECK_EVERY_S", 0.0)
    engine = open_state(tmp_path)
    import_folder(engine, SAMPLE, now=NOW)
    yield engine
    engine.dispose()


def leave(engine: Engine, *, named: bool = True) -> None:
    """Let the empty flat be registered as away, and say what changed or not."""
    states = tables.household_state
    with engine.begin() as connection:
        connection.execute(update(states).where(states.c.household == FLAT).values(AWAY))
        bump(connection, [(states.name, FLAT)] if named else None)


def change_device(engine: Engine, name: str, **values: str) -> None:
    with engine.begin() as connection:
        where = tables.device.c.id == name
        connection.execute(update(tables.device).where(where).values(**values))
        bump(connection, [("device", name)])


def seen(registry: Registry) -> HouseholdState | None:
    return registry.household_state(FLAT, NOW)


def reads(engine: Engine) -> list[str]:
    """Return the list that every statement is added to from now on."""
    statements: list[str] = []

    @event.listens_for(engine, "before_cursor_execute")
    def listen(_: Any, __: Any, statement: str, *___: Any) -> None:
        statements.append(statement)

    return statements


def test_a_named_change_is_read_alone_and_the_older_snapshot_stays(engine: Engine) -> None:
    """Whoever holds a snapshot keeps it; the next one shares with it what did not change."""
    cache = RegistryCache(engine)
    before = cache.current()
    assert cache.current() is before
    leave(engine)
    statements = reads(engine)
    after = cache.current()
    assert (seen(before), seen(after)) == (HouseholdState.EMPTY, HouseholdState.AWAY)
    assert contents(after) == contents(load(engine))
    assert after.residences is before.residences
    assert after.version == before.version + 1
    assert not [one for one in statements[:6] if "FROM resident" in one or "FROM device" in one]


def test_a_change_that_was_not_named_is_read_beside_the_snapshot_in_use(engine: Engine) -> None:
    """Nobody waits for everything to be read; who needs the newest does."""
    cache = RegistryCache(engine)
    leave(engine, named=False)
    wait_until(lambda: seen(cache.current()) is HouseholdState.AWAY, what="the new snapshot")
    assert contents(cache.current()) == contents(load(engine))
    states = tables.household_state
    with engine.begin() as connection:
        connection.execute(delete(states).where(states.c.household == FLAT))
        bump(connection)
    cache.refresh()
    assert seen(cache.current()) is None


def test_who_is_too_far_behind_reads_everything(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changes are kept up to a bound; those of one version never in part."""
    monkeypatch.setattr(registry_store, "KEPT_CHANGES", 3)
    cache = RegistryCache(engine)
    leave(engine)
    with engine.begin() as connection:
        for name in ("a", "b", "c"):
            connection.execute(insert(tables.worker).values(id=name, name=name))
            bump(connection, [("worker", name)])
    with engine.connect() as connection:
        kept = connection.execute(select(func.count()).select_from(tables.registry_change))
        assert kept.scalar() == 3
    cache.refresh()
    assert seen(cache.current()) is HouseholdState.AWAY
    with engine.begin() as connection:
        bump(connection, [("worker", str(number)) for number in range(4)])
        assert not connection.execute(select(tables.registry_change)).all()


def test_a_database_that_was_put_back_is_read_whole(engine: Engine) -> None:
    """An older version than the snapshot's is another history: nothing of it is carried over."""
    cache = RegistryCache(engine)
    leave(engine)
    cache.refresh()
    with engine.begin() as connection:
        states = tables.household_state
        connection.execute(update(states).where(states.c.household == FLAT).values(state="empty"))
        connection.execute(delete(tables.registry_change))
        connection.execute(update(tables.registry_version).values(version=1, changes_after=0))
    cache.refresh()
    assert (cache.current().version, seen(cache.current())) == (1, HouseholdState.EMPTY)


def test_a_household_that_lies_elsewhere_takes_its_devices_with_it(engine: Engine) -> None:
    """A building given to another worker's grid changes where its devices stand."""
    cache = RegistryCache(engine)
    with engine.begin() as connection:
        connection.execute(
            update(tables.building).where(tables.building.c.id == "b1").values(grid="lakeside-2")
        )
        bump(connection, [("building", "b1")])
    place = cache.current().place("a0:e6:f8:50:72:53", NOW)
    assert place is not None
    assert place.grid == "lakeside-2"
    assert contents(cache.current()) == contents(load(engine))


def test_two_snapshots_say_which_devices_changed(engine: Engine) -> None:
    """However the later one was read: those that are, stand or have a gateway otherwise."""
    gateway, behind, *_ = sorted(load(engine).devices)
    change_device(engine, behind, gateway=gateway)
    cache = RegistryCache(engine)
    first = cache.current()
    assert sorted(first.changed_devices(Registry())) == sorted(first.devices)
    leave(engine)
    moved = cache.current()
    assert (moved.version, moved.changed_devices(first)) == (first.version + 1, [])
    change_device(engine, gateway, profile="sparkplug_b")
    assert sorted(cache.current().changed_devices(first)) == [gateway, behind]
    with engine.begin() as connection:
        connection.execute(
            update(tables.building).where(tables.building.c.id == "b1").values(grid="lakeside-2")
        )
        bump(connection)
    last = cache.current()
    cache.refresh()
    places = {name: last.place(name, NOW) for name in last.devices}
    there = {name for name, place in places.items() if place and place.building == "b1"}
    changed = cache.current().changed_devices(last)
    assert 0 < len(there) < len(places)
    assert set(changed) == there | ({behind} if gateway in there else set())


def test_pages_lose_and_double_nothing(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """All facts of one key come in one page, however short pages are."""
    whole = contents(load(engine))
    for rows in (1, 2, 3):
        monkeypatch.setattr(registry_reader, "PAGE_ROWS", rows)
        assert contents(load(engine)) == whole
