"""Who held a device when: random moves in any order against a model of one cell an hour.

The snapshot that follows every change is the one that is loaded whole, and so is that of another
registry into which what was exported is imported.
"""

import functools
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.pool import StaticPool

from devices import standing, tables
from devices.clock import HOUR, rfc3339
from devices.csv_export import export_folder
from devices.csv_import import import_folder
from devices.csv_rows import DeviceRow
from devices.enrolment import EnrolmentRefused, enrol
from devices.registry import PlaceKind, Registry, ResidentClass
from devices.registry_store import RegistryCache, load
from tests.registry_folder import Flat, write_registry
from tests.snapshots import contents

BEGIN = 1_581_674_400_000
HOURS = range(24)
FLATS = ("h1", "h2", "h3")
DEVICES = ("a", "b", "c", "d", "e")
RESIDENT = "r-h1"
HOUR_OF = st.sampled_from(HOURS)


def at(hour: int) -> int:
    return BEGIN + hour * HOUR


class Held:
    """The model: of a thing in each hour what is so, and the number of the fact that says it."""

    def __init__(self) -> None:
        self.cells: dict[str, list[tuple[str, int] | None]] = {}
        self._facts = 0

    def says(self, key: str, hour: int) -> str | None:
        cell = self.cells[key][hour] if key in self.cells else None
        return None if cell is None else cell[0]

    def has_stood_before(self, key: str, hour: int) -> bool:
        return any(cell is not None for cell in self.cells.get(key, [])[:hour])

    def is_anywhere_from(self, key: str, hour: int) -> bool:
        return any(cell is not None for cell in self.cells.get(key, [])[hour:])

    def put(self, key: str, what: str | None, hour: int) -> None:
        """From an hour on it is so, whatever was known of later."""
        cell = None if what is None else self._fact(what)
        self._row(key)[hour:] = [cell for _ in HOURS[hour:]]

    def move(self, key: str, what: str, hour: int) -> None:
        """It is so until something else begins; said of a beginning, that is corrected."""
        row = self._row(key)
        present, corrects = row[hour], _begins(row, hour)
        if present is not None and present[0] == what and not corrects:
            return
        begin = (later for later in HOURS[hour + 1 :] if _begins(row, later))
        end = (later for later in HOURS[hour:] if row[later] != present)
        until = next(end, len(HOURS)) if corrects else next(begin, next(end, len(HOURS)))
        row[hour:until] = [self._fact(what)] * (until - hour)

    def tell(self, key: str, what: str, hour: int, until: int) -> None:
        """It is so until a time; what went on longer goes on, what is corrected does not."""
        row = self._row(key)
        present, begin = row[hour], hour
        if present is not None and (present[0] == what or _begins(row, hour)):
            begin = row.index(present)
            row[:] = [None if cell == present else cell for cell in row]
        elif present is not None:
            rest = self._fact(present[0])
            row[until:] = [rest if cell == present else cell for cell in row[until:]]
        row[begin:until] = [self._fact(what)] * (until - begin)

    def _row(self, key: str) -> list[tuple[str, int] | None]:
        return self.cells.setdefault(key, [None for _ in HOURS])

    def _fact(self, what: str) -> tuple[str, int]:
        self._facts += 1
        return what, self._facts


def _begins(row: list[tuple[str, int] | None], hour: int) -> bool:
    return row[hour] is not None and (hour == 0 or row[hour - 1] != row[hour])


class WhoHeldIt(RuleBasedStateMachine):
    """Devices enrolled, moved, replaced, renamed and retired, and a resident's class told."""

    def __init__(self) -> None:
        super().__init__()
        self.held = Held()
        self.former: dict[str, list[str]] = {}
        self.engine = empty_registry()
        with closing(self.engine.raw_connection()) as raw:
            raw.driver_connection.deserialize(settled())  # type: ignore[union-attr]
        self.cache = RegistryCache(self.engine)

    @initialize()
    def begin(self) -> None:
        for device, flat in zip(DEVICES, FLATS, strict=False):
            self.enrol(device, flat, 0)

    @rule(device=st.sampled_from(DEVICES), flat=st.sampled_from(FLATS), hour=HOUR_OF)
    def enrol(self, device: str, flat: str, hour: int) -> None:
        done = self.do(lambda connection: enrol(connection, row(device, flat), since=at(hour)))
        assert done is (device not in self.held.cells)
        if done:
            self.held.put(device, flat, hour)

    @rule(device=st.sampled_from(DEVICES), flat=st.sampled_from(FLATS), hour=HOUR_OF)
    def move(self, device: str, flat: str, hour: int) -> None:
        new = row(device, flat)
        done = self.do(lambda connection: standing.move(connection, new, since=at(hour)))
        assert done is (self.held.says(device, hour) is not None)
        if done:
            self.held.move(device, flat, hour)

    @rule(device=st.sampled_from(DEVICES), hour=HOUR_OF)
    def retire(self, device: str, hour: int) -> None:
        if not self.held.has_stood_before(device, hour):
            return
        done = self.do(lambda connection: standing.retire(connection, device, at=at(hour)))
        assert done is (self.held.says(device, hour) is not None)
        if done:
            self.held.put(device, None, hour)

    @rule(old=st.sampled_from(DEVICES), new=st.sampled_from(DEVICES), hour=HOUR_OF)
    def replace(self, old: str, new: str, hour: int) -> None:
        flat, free = self.held.says(old, hour), not self.held.is_anywhere_from(new, hour)
        if old == new or not self.held.has_stood_before(old, hour):
            return
        done = self.do(
            lambda connection: standing.replace(connection, old, new, profile="", at=at(hour))
        )
        assert done is (flat is not None and free)
        if done:
            self.held.put(old, None, hour)
            self.held.put(new, flat, hour)

    @rule(old=st.sampled_from(DEVICES), new=st.sampled_from(DEVICES), hour=HOUR_OF)
    def rename(self, old: str, new: str, hour: int) -> None:
        if not self.held.has_stood_before(old, hour):
            return
        flat, known = self.held.says(old, hour), new in self.held.cells
        done = self.do(lambda connection: standing.rename(connection, old, new, at=at(hour)))
        assert done is (flat is not None and not known)
        if done:
            self.held.put(old, None, hour)
            self.held.put(new, flat, hour)
            self.former[new] = [old]

    @rule(kind=st.sampled_from([*ResidentClass]), hour=HOUR_OF, hours=st.integers(1, 24))
    def tell_class(self, kind: ResidentClass, hour: int, hours: int) -> None:
        until = min(hour + hours, len(HOURS))
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "residents.csv").write_text(
                "id,household,name,since,class,class_since,class_until\n"
                f"{RESIDENT},h1,N,2020-01-01,{kind.value},{rfc3339(at(hour))},{rfc3339(at(until))}\n"
            )
            import_folder(self.engine, Path(folder), now=BEGIN)
        self.held.tell(RESIDENT, kind, hour, until)

    @invariant()
    def the_registry_says_what_the_model_says(self) -> None:
        self.cache.refresh()
        registry = self.cache.current()
        self.compare(registry)
        assert contents(registry) == contents(load(self.engine))

    def compare(self, registry: Registry) -> None:
        subject = registry.subject_of(RESIDENT)
        assert subject is not None
        for hour in HOURS:
            for device in DEVICES:
                place = registry.place(device, at(hour))
                found = None if place is None else place.household
                assert found == self.held.says(device, hour), (device, hour)
            kind = self.held.says(RESIDENT, hour) or ResidentClass.NONE
            assert registry.resident_class(subject, at(hour)) is kind
        for device in DEVICES:
            assert registry.former_ids(device)[:1] == self.former.get(device, [])

    def do(self, change: Callable[[Connection], object]) -> bool:
        """Return whether a change was made; one that is refused changes nothing."""
        try:
            with self.engine.begin() as connection:
                change(connection)
        except EnrolmentRefused:
            return False
        return True

    def teardown(self) -> None:
        """Export everything into an empty registry, which says the same."""
        with tempfile.TemporaryDirectory() as folder:
            with self.engine.connect() as connection:
                export_folder(connection, Path(folder))
            other = empty_registry()
            import_folder(other, Path(folder), now=BEGIN)
        self.compare(load(other))
        assert load(other).bindings.by_key == self.cache.current().bindings.by_key
        for engine in (self.engine, other):
            engine.dispose()


def row(device: str, flat: str) -> DeviceRow:
    place = {"place": PlaceKind.HOUSEHOLD, "site": "s", "household": flat}
    return DeviceRow.model_validate({"id": device, "profile": "p", **place})


def empty_registry() -> Engine:
    """Return an empty registry in memory, which any thread may use."""
    arguments: dict[str, Any] = {"check_same_thread": False}
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args=arguments)
    tables.metadata.create_all(engine)
    return engine


@functools.cache
def settled() -> bytes:
    """Return a registry of three flats as SQLite serializes it."""
    engine = empty_registry()
    with tempfile.TemporaryDirectory() as folder:
        registry = write_registry(
            Path(folder), [Flat(flat, ((f"meter-{flat}", "p"),)) for flat in FLATS]
        )
        import_folder(engine, registry, now=BEGIN)
    with closing(engine.raw_connection()) as raw:
        content: bytes = raw.driver_connection.serialize()  # type: ignore[union-attr]
    engine.dispose()
    return content


def test_a_stay_that_ends_as_it_begins_is_not_forgotten(tmp_path: Path) -> None:
    """A device retired at once can be exported and imported, and stand in for another later.

    The model above knows no stay shorter than its cells.
    """
    engine = empty_registry()
    import_folder(engine, write_registry(tmp_path / "in", [Flat("h1", (("old", "p"),))]), now=BEGIN)
    with engine.begin() as connection:
        enrol(connection, row("a", "h1"), since=at(1))
        standing.retire(connection, "a", at=at(1))
        export_folder(connection, tmp_path / "out")
    other = empty_registry()
    import_folder(other, tmp_path / "out", now=BEGIN)
    assert load(other).devices["a"]
    assert load(other).place("a", at(1) + 1) is None
    with other.begin() as connection:
        standing.replace(connection, "old", "a", profile="", at=at(2))
    held = load(other).place("a", at(2))
    assert held is not None
    assert held.household == "h1"
    for used in (engine, other):
        used.dispose()


TestWhoHeldIt = WhoHeldIt.TestCase
TestWhoHeldIt.settings = settings(
    max_examples=12,
    stateful_step_count=10,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
