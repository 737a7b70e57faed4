"""Who is on call: the registry's weekly rota, read for a role, a place and an instant."""

from datetime import datetime

from devices.clock import SECOND
from devices.registry import OnCall, Registry, Role


def on_call(
    registry: Registry, role: Role, *, at: int, site: str | None = None, grid: str | None = None
) -> tuple[str, ...]:
    """Return the workers on call in a role, each once, in the rota's order.

    Rows of a grid and rows of the whole site both cover a place in that grid. For a place outside
    every grid (a gate) the rows of the whole site count; where there are none, everybody in that
    role at the site does, because a page too many is better than a fever nobody is told about.
    ``at`` is milliseconds UTC, read in the zone of each row's site; without a site all sites count.
    """
    present = [
        row
        for row in registry.rota
        if row.role is role and site in (None, row.site) and is_present(registry, row, at)
    ]
    covering = [row for row in present if row.grid is None or row.grid == grid]
    if grid is None and not covering:
        covering = present
    return tuple(dict.fromkeys(row.worker for row in covering))


def is_present(registry: Registry, row: OnCall, at: int) -> bool:
    """Return whether a row covers an instant; past midnight the shift began the day before."""
    local = datetime.fromtimestamp(at / SECOND, registry.zone(row.site))
    today, minute = local.weekday(), local.hour * 60 + local.minute
    if row.begins < row.ends:
        return today in row.weekdays and row.begins <= minute < row.ends
    began_today = today in row.weekdays and minute >= row.begins
    began_yesterday = (today - 1) % 7 in row.weekdays and minute < row.ends
    return began_today or began_yesterday
