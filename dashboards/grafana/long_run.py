"""*Long run*: months and years by local day, from the rollups that outlive the raw points."""

# ruff: noqa: S608 - every part of a query is written here or in condition.py.

from alerts.thresholds import Thresholds
from dashboards.grafana.condition import PLACE, PLACES, ZONE
from dashboards.grafana.dashboard import Dashboard
from dashboards.grafana.now import temperature_steps
from dashboards.grafana.panel import LEGEND, Kind, Panel, Query, lines
from ingest.rollup import Span

_WHERE = f"WHERE {PLACE} AND $timeFilter"
_WHY_EMPTY = "no day of this time range is rolled up: run `gatehouse migrate`, and see tomorrow"


def long_run(thresholds: Thresholds) -> Dashboard:
    """Return the dashboard, with the thresholds that the rules use."""
    return Dashboard(
        uid="gatehouse-long-run",
        title="Gatehouse: long run",
        says="Body temperatures, energy and gates by day, also of days whose single readings are "
        "no longer kept",
        since="1y",
        refresh="1h",
        variables=(*PLACES, ZONE),
        rows=(
            ("Temperature", (_highest(thresholds), _measured())),
            ("Occupancy", (_energy(), _crossings())),
        ),
    )


def _daily(rollup: str) -> str:
    return f'FROM "{Span.DAILY.policy}"."{rollup}" {_WHERE}'


def _by_day(*tags: str) -> str:
    return f"GROUP BY {', '.join(('time(1d)', *tags))} fill(none) tz('$zone')"


def _highest(thresholds: Thresholds) -> Panel:
    return Panel(
        title="Highest body temperature a day",
        says="By instrument, without rooms. The lines are where the rules begin to ask: infrared, "
        "contact, high, critical.",
        why_empty=_WHY_EMPTY,
        kind=Kind.TIMESERIES,
        unit="celsius",
        steps=temperature_steps(thresholds),
        draw=lines(points=True) | {"thresholdsStyle": {"mode": "dashed"}, "axisSoftMin": 35},
        options=LEGEND,
        queries=tuple(
            Query(
                f'SELECT max("max_celsius") AS "highest" {_daily(f"{name}_temperature")} '
                f"{_by_day()}",
                name,
            )
            for name in ("contact", "infrared")
        ),
    )


def _measured() -> Panel:
    return Panel(
        title="Body temperatures taken a day",
        says="How many, by instrument; a fall is a round that was not made.",
        why_empty=_WHY_EMPTY,
        kind=Kind.TIMESERIES,
        unit="none",
        draw=lines(bars=True, stacked=True),
        options=LEGEND,
        queries=tuple(
            Query(
                f'SELECT sum("count") AS "readings" {_daily(f"{name}_temperature")} {_by_day()}',
                name,
            )
            for name in ("contact", "infrared")
        ),
    )


def _energy() -> Panel:
    return Panel(
        title="Energy used a day, by grid",
        says="What the cumulative counters of a grid's meters rose by from one day's end to the "
        "next. A day in which a meter was reset is left out.",
        why_empty=_WHY_EMPTY,
        kind=Kind.TIMESERIES,
        unit="watth",
        draw=lines(bars=True, stacked=True),
        options=LEGEND,
        queries=(
            Query(
                'SELECT sum("used") AS "used" FROM ('
                f'SELECT non_negative_difference("energy_wh") AS "used" {_daily("consumption")} '
                'GROUP BY "device", "channel", "grid") '
                f"WHERE $timeFilter {_by_day('grid')}",
                "$tag_grid",
            ),
        ),
    )


def _crossings() -> Panel:
    return Panel(
        title="Comings and goings a day",
        says="Crossings at the gates of the chosen places, by direction.",
        why_empty=_WHY_EMPTY,
        kind=Kind.TIMESERIES,
        unit="none",
        draw=lines(),
        options=LEGEND,
        queries=tuple(
            Query(f'SELECT sum("count") AS "crossings" {_daily(rollup)} {_by_day()}', alias)
            for rollup, alias in (("entries", "in"), ("exits", "out"))
        ),
    )
