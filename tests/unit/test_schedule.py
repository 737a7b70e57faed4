"""Who is on call at an instant."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from alerts.schedule import on_call
from devices.clock import SECOND
from devices.registry import OnCall, Registry, Role

SHANGHAI = ZoneInfo("Asia/Shanghai")
FRIDAY = 4
WEEKDAYS = frozenset(range(7))


def local(day: int, hour: int, minute: int = 0) -> int:
    """Return an instant in February 2020, whose 14th is a Friday."""
    moment = datetime(2020, 2, day, hour, minute, tzinfo=SHANGHAI)
    return round(moment.timestamp() * SECOND)


def registry(*rows: OnCall) -> Registry:
    return Registry(zones={"east": SHANGHAI, "west": ZoneInfo("Europe/Berlin")}, rota=rows)


def shift(
    worker: str,
    begins: int,
    ends: int,
    *,
    role: Role = Role.GRID_WORKER,
    site: str = "east",
    grid: str | None = "g1",
    weekdays: frozenset[int] = WEEKDAYS,
) -> OnCall:
    return OnCall(worker, role, site, grid, weekdays, begins * 60, ends * 60)


@pytest.mark.parametrize(
    ("at", "present"),
    [
        pytest.param(local(14, 21, 59), False, id="a minute before"),
        pytest.param(local(14, 22), True, id="as it begins"),
        pytest.param(local(15, 3), True, id="Saturday at three, begun on Friday"),
        pytest.param(local(15, 6), False, id="as it ends"),
        pytest.param(local(15, 22), False, id="Saturday evening"),
        pytest.param(local(14, 3), False, id="Friday at three, which is Thursday's night"),
    ],
)
def test_a_night_shift_belongs_to_the_day_it_begins(at: int, present: bool) -> None:
    """Friday's shift from 22 to 6 covers Friday evening and Saturday morning, nothing else."""
    night = shift("li", 22, 6, weekdays=frozenset({FRIDAY}))
    found = on_call(registry(night), Role.GRID_WORKER, at=at, site="east", grid="g1")
    assert found == (("li",) if present else ())


def test_a_whole_day_has_no_gap() -> None:
    """From 0 to 24 covers the last minute of the day and the first of the next."""
    rows = registry(shift("li", 0, 24))
    for at in (local(14, 0), local(14, 23, 59), local(15, 0)):
        assert on_call(rows, Role.GRID_WORKER, at=at, site="east", grid="g1") == ("li",)


def test_hours_are_the_sites_own() -> None:
    """The same hours mean another instant at a site in another zone."""
    rows = registry(shift("li", 8, 16), shift("anna", 8, 16, site="west"))
    nine_in_shanghai = local(14, 9)
    assert on_call(rows, Role.GRID_WORKER, at=nine_in_shanghai, site="east", grid="g1") == ("li",)
    assert on_call(rows, Role.GRID_WORKER, at=nine_in_shanghai, site="west", grid="g1") == ()


@pytest.mark.parametrize(
    ("grid", "expected"),
    [
        pytest.param("g1", ("li", "chief"), id="a grid: its worker and the site's"),
        pytest.param("g3", ("chief",), id="a grid nobody has: the site's"),
        pytest.param(None, ("chief",), id="a gate: the site's"),
    ],
)
def test_a_grid_is_covered_by_its_own_and_by_the_site(
    grid: str | None, expected: tuple[str, ...]
) -> None:
    """Another grid's worker is never called for this one."""
    rows = registry(
        shift("li", 0, 24), shift("wu", 0, 24, grid="g2"), shift("chief", 0, 24, grid=None)
    )
    assert on_call(rows, Role.GRID_WORKER, at=local(14, 9), site="east", grid=grid) == expected


def test_a_gate_without_a_worker_of_the_site_calls_every_grids() -> None:
    """A fever at a gate must not reach nobody because every worker has a grid."""
    rows = registry(shift("li", 0, 24), shift("wu", 0, 24, grid="g2"))
    assert on_call(rows, Role.GRID_WORKER, at=local(14, 9), site="east") == ("li", "wu")


def test_another_site_is_not_called() -> None:
    """A role at one site says nothing about the other."""
    rows = registry(shift("anna", 0, 24, role=Role.SECRETARY, site="west", grid=None))
    assert on_call(rows, Role.SECRETARY, at=local(14, 9), site="east") == ()
    assert on_call(rows, Role.SECRETARY, at=local(14, 9), site=None) == ("anna",)


def test_somebody_on_two_rows_is_called_once() -> None:
    """Overlapping shifts of one person are one person."""
    rows = registry(shift("li", 0, 24), shift("li", 8, 12, grid=None))
    assert on_call(rows, Role.GRID_WORKER, at=local(14, 9), site="east", grid="g1") == ("li",)
