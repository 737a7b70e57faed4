"""*Temperature and occupancy*: the round of the last days, by grid."""

# ruff: noqa: S608 - every part of a query is written here or in condition.py.

from alerts.thresholds import OccupancyThresholds, Thresholds
from dashboards.grafana.condition import BODY, PLACE, PLACES, ZONE, fever_level
from dashboards.grafana.dashboard import Dashboard, Variable
from dashboards.grafana.now import temperature_steps
from dashboards.grafana.panel import LEGEND, PLAIN, Kind, Panel, Query, lines

_BODY = f'FROM "temperature" WHERE {BODY} AND {PLACE} AND $timeFilter'
_HOMES = f'FROM "electricity" WHERE {PLACE} AND $timeFilter'


def temperature_and_occupancy(thresholds: Thresholds) -> Dashboard:
    """Return the dashboard, with the thresholds that the rules use."""
    return Dashboard(
        uid="gatehouse-temperature",
        title="Gatehouse: temperature and occupancy",
        says="Body temperatures, measuring rounds, electricity, light and gates by grid",
        since="7d",
        refresh="5m",
        variables=(*PLACES, ZONE, _active_watts(thresholds.occupancy)),
        rows=(
            (
                "Temperature",
                (_highest(thresholds), _fevers_a_day(thresholds), _measured(), _spread()),
            ),
            ("Occupancy", (_power(), _energy(), _active_homes(), _lit_windows(), _crossings())),
        ),
    )


def _active_watts(occupancy: OccupancyThresholds) -> Variable:
    base = occupancy.base_default_w
    active = max(base * occupancy.active_factor, base + occupancy.active_margin_w)
    return Variable(
        "active_w",
        "Active above",
        "Watts above which a half-hour shows somebody at home; the rules use each home's own base",
        default=f"{active:g}",
    )


def _highest(thresholds: Thresholds) -> Panel:
    return Panel(
        title="Highest body temperature",
        says="The highest reading of each grid and interval, without rooms. The lines are where "
        "the rules begin to ask: infrared, contact, high, critical.",
        why_empty="nobody was measured in this time range",
        kind=Kind.TIMESERIES,
        unit="celsius",
        width=24,
        height=9,
        steps=temperature_steps(thresholds),
        draw=lines(points=True) | {"thresholdsStyle": {"mode": "dashed"}, "axisSoftMin": 35},
        options=LEGEND,
        queries=(
            Query(
                f'SELECT max("celsius") AS "highest" {_BODY} '
                'GROUP BY time($__interval), "grid" fill(none)',
                "$tag_grid",
            ),
        ),
    )


def _fevers_a_day(thresholds: Thresholds) -> Panel:
    return Panel(
        title="Fever-level readings a day",
        says="Readings that ask for a second one, by grid and local day.",
        why_empty="no fever-level reading in this time range",
        kind=Kind.TIMESERIES,
        unit="none",
        draw=lines(bars=True, stacked=True),
        options=LEGEND,
        queries=(
            Query(
                'SELECT count("celsius") AS "readings" FROM "temperature" '
                f"WHERE {fever_level(thresholds.fever)} AND {PLACE} AND $timeFilter "
                "GROUP BY time(1d), \"grid\" fill(none) tz('$zone')",
                "$tag_grid",
            ),
        ),
    )


def _measured() -> Panel:
    return Panel(
        title="Body temperatures a day",
        says="How many were taken, by grid and local day; twice the residents is everybody. Who "
        "was left out stands on the worker's round list in the console.",
        why_empty="nobody was measured in this time range",
        kind=Kind.TIMESERIES,
        unit="none",
        draw=lines(bars=True, stacked=True),
        options=LEGEND,
        queries=(
            Query(
                f'SELECT count("celsius") AS "readings" {_BODY} '
                "GROUP BY time(1d), \"grid\" fill(none) tz('$zone')",
                "$tag_grid",
            ),
        ),
    )


def _spread() -> Panel:
    return Panel(
        title="How body temperatures are spread",
        says="Darker is more readings. A band that moves as a whole is weather or an instrument, "
        "not an illness. The newest 20,000 readings.",
        why_empty="nobody was measured in this time range",
        kind=Kind.HEATMAP,
        unit="celsius",
        width=24,
        steps=PLAIN,
        options={
            "calculate": True,
            "calculation": {
                "xBuckets": {"mode": "size", "value": "2h"},
                "yBuckets": {"mode": "size", "value": "0.2"},
            },
            "color": {"mode": "scheme", "scheme": "Oranges", "steps": 32},
            "yAxis": {"unit": "celsius", "axisPlacement": "left"},
            "cellGap": 1,
            "legend": {"show": True},
            "tooltip": {"mode": "single", "yHistogram": False},
        },
        queries=(Query(f'SELECT "celsius" {_BODY} ORDER BY time DESC LIMIT 20000', "celsius"),),
    )


def _power() -> Panel:
    return Panel(
        title="Electricity by grid",
        says="The sum over a grid's meters of their mean power in each interval. Zero with fresh "
        "points is nobody at home; a gap is meters that say nothing, which proves nothing.",
        why_empty="no meter has said its power in this time range",
        kind=Kind.TIMESERIES,
        unit="watt",
        draw=lines(stacked=True),
        options=LEGEND,
        queries=(
            Query(
                'SELECT sum("power") AS "power" FROM (SELECT mean("power_w") AS "power" '
                f'{_HOMES} GROUP BY time($__interval), "device", "channel", "grid" fill(none)) '
                'WHERE $timeFilter GROUP BY time($__interval), "grid" fill(none)',
                "$tag_grid",
            ),
        ),
    )


def _energy() -> Panel:
    return Panel(
        title="Energy used a day",
        says="What the cumulative counters of a grid's meters rose by, by local day; also meters "
        "that are read once a day. Where a counter fell, the meter was reset: that is left out.",
        why_empty="no meter has said its counter in this time range",
        kind=Kind.TIMESERIES,
        unit="watth",
        draw=lines(bars=True, stacked=True),
        options=LEGEND,
        queries=(
            Query(
                'SELECT sum("used") AS "used" FROM ('
                f'SELECT non_negative_difference("energy_wh") AS "used" {_HOMES} '
                'GROUP BY "device", "channel", "grid") '
                "WHERE $timeFilter GROUP BY time(1d), \"grid\" fill(none) tz('$zone')",
                "$tag_grid",
            ),
        ),
    )


def _active_homes() -> Panel:
    return Panel(
        title="Active homes",
        says="Meters whose mean power in a half-hour is above the number at the head of the page. "
        "A rough count to see the day's rhythm; the rules judge each home by its own base load.",
        why_empty="no meter was above the number at the head of the page",
        kind=Kind.TIMESERIES,
        unit="none",
        draw=lines(),
        options=LEGEND,
        queries=(
            Query(
                'SELECT count("power") AS "homes" FROM (SELECT mean("power_w") AS "power" '
                f'{_HOMES} GROUP BY time(30m), "device", "channel", "grid" fill(none)) '
                'WHERE "power" > $active_w AND $timeFilter '
                'GROUP BY time(30m), "grid" fill(none)',
                "$tag_grid",
            ),
        ),
    )


def _lit_windows() -> Panel:
    return Panel(
        title="Lit windows seen",
        says="What workers saw on their evening round, an hour at a time.",
        why_empty="nobody has noted a lit window in this time range",
        kind=Kind.TIMESERIES,
        unit="none",
        draw=lines(bars=True, stacked=True),
        options=LEGEND,
        queries=(
            Query(
                'SELECT count("lit") AS "windows" FROM "lit_window" '
                f'WHERE "lit" = true AND {PLACE} AND $timeFilter '
                'GROUP BY time(1h), "grid" fill(none)',
                "$tag_grid",
            ),
        ),
    )


def _crossings() -> Panel:
    return Panel(
        title="Comings and goings",
        says="Crossings an hour at the gates of the chosen places, by direction.",
        why_empty="no gate has reported in this time range",
        kind=Kind.TIMESERIES,
        unit="none",
        width=24,
        draw=lines(),
        options=LEGEND,
        queries=tuple(
            Query(
                'SELECT count("outcome") AS "crossings" FROM "crossing" '
                f"WHERE \"direction\" = '{direction}' AND {PLACE} AND $timeFilter "
                "GROUP BY time(1h) fill(none)",
                direction,
            )
            for direction in ("in", "out", "unknown")
        ),
    )
