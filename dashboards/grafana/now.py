"""*Now*: what staff look at all day, whether anybody is ill and everything reports."""

# ruff: noqa: S608 - every part of a query is written here or in condition.py.

from alerts.thresholds import Thresholds
from dashboards.grafana.condition import BODY, PLACE, PLACES, fever_level
from dashboards.grafana.dashboard import Dashboard
from dashboards.grafana.panel import (
    LEGEND,
    PLAIN,
    Kind,
    Panel,
    Query,
    Steps,
    column,
    lines,
    sorted_by,
    stat,
)

_NOTHING_ARRIVES = "see 'Points per minute' below: if it is empty too, nothing arrives"
_LAST = (
    ("Thermometers", "temperature", "celsius", f"{BODY} AND "),
    ("Rooms", "temperature", "celsius", "\"body_site\" = 'ambient' AND "),
    ("Meters", "electricity", "power_w", ""),
    ("Gates", "crossing", "direction", ""),
    ("Status only", "device_status", "online", ""),
)


def now(thresholds: Thresholds) -> Dashboard:
    """Return the dashboard, with the thresholds that the rules use."""
    return Dashboard(
        uid="gatehouse-now",
        title="Gatehouse: now",
        says="Fever-level readings, devices and the intake, as of this minute",
        since="24h",
        refresh="30s",
        variables=PLACES,
        rows=(
            (
                "People",
                (
                    _fevers(thresholds),
                    _strangers(),
                    _newest_fever(thresholds),
                    _fever_table(thresholds),
                ),
            ),
            ("Devices", (_reporting(), _weak_batteries(thresholds), _last_heard())),
            ("Intake", (_newest(), _rate())),
        ),
    )


def temperature_steps(thresholds: Thresholds) -> Steps:
    """Return the colours of a temperature, at the numbers the rules compare with."""
    fever = thresholds.fever
    return (
        (None, "green"),
        (fever.infrared_celsius, "yellow"),
        (fever.contact_celsius, "orange"),
        (fever.high_celsius, "red"),
        (fever.critical_celsius, "dark-red"),
    )


def _fevers(thresholds: Thresholds) -> Panel:
    return Panel(
        title="Fever-level readings, 24 h",
        says="Body temperatures of the last 24 hours that ask for a second reading, each body "
        "site by its own threshold. Whether a person was told stands in the console.",
        why_empty="none",
        kind=Kind.STAT,
        unit="none",
        width=6,
        height=5,
        steps=((None, "green"), (1, "orange")),
        time_from="24h",
        options=stat(),
        queries=(
            Query(
                'SELECT count("celsius") AS "readings" FROM "temperature" '
                f"WHERE {fever_level(thresholds.fever)} AND {PLACE} AND $timeFilter",
                "readings",
            ),
        ),
    )


def _newest_fever(thresholds: Thresholds) -> Panel:
    return Panel(
        title="Newest fever-level reading",
        says="The latest body temperature that asks for a second reading.",
        why_empty="none in this time range",
        kind=Kind.STAT,
        unit="celsius",
        width=12,
        height=5,
        steps=temperature_steps(thresholds),
        options=stat(),
        queries=(
            Query(
                'SELECT last("celsius") AS "newest" FROM "temperature" '
                f"WHERE {fever_level(thresholds.fever)} AND {PLACE} AND $timeFilter",
                "newest",
            ),
        ),
    )


def _strangers() -> Panel:
    return Panel(
        title="Unknown faces, 24 h",
        says="Crossings and attempts of the last 24 hours by a face that nobody enrolled. "
        "Three tries in ten minutes page the guard.",
        why_empty="none",
        kind=Kind.STAT,
        unit="none",
        width=6,
        height=5,
        steps=((None, "green"), (1, "yellow")),
        time_from="24h",
        options=stat(),
        queries=(
            Query(
                'SELECT count("stranger") AS "faces" FROM "crossing" '
                f'WHERE "stranger" = true AND {PLACE} AND $timeFilter',
                "faces",
            ),
        ),
    )


def _fever_table(thresholds: Thresholds) -> Panel:
    return Panel(
        title="Fever-level readings",
        says="The newest fifty. No names here: who it was stands in the console's incident.",
        why_empty=f"no fever-level reading in this time range; {_NOTHING_ARRIVES}",
        kind=Kind.TABLE,
        unit="string",
        width=24,
        steps=PLAIN,
        options=sorted_by("Time", descending=True),
        overrides=(
            column(
                "celsius",
                unit="celsius",
                decimals=1,
                **{"custom.cellOptions": {"type": "color-text"}},
                thresholds={
                    "mode": "absolute",
                    "steps": [
                        {"value": value, "color": color}
                        for value, color in temperature_steps(thresholds)
                    ],
                },
            ),
        ),
        queries=(
            Query(
                'SELECT "celsius", "body_site", "adjusted_to", "device", "site", "grid" '
                f'FROM "temperature" WHERE {fever_level(thresholds.fever)} AND {PLACE} '
                "AND $timeFilter ORDER BY time DESC LIMIT 50",
                table=True,
            ),
        ),
    )


def _reporting() -> Panel:
    return Panel(
        title="Devices that reported in the last hour",
        says="How many devices of each kind have said something in the last hour. A number that "
        "falls means a gateway, a broker or the power: see 'Last heard'.",
        why_empty=f"no device; {_NOTHING_ARRIVES}",
        kind=Kind.STAT,
        unit="none",
        width=12,
        time_from="1h",
        options=stat(),
        queries=tuple(
            Query(
                f'SELECT count("seen") AS "devices" FROM (SELECT last("{field}") AS "seen" '
                f'FROM "{measurement}" WHERE {condition}{PLACE} AND $timeFilter GROUP BY "device")'
                " WHERE $timeFilter",
                name,
            )
            for name, measurement, field, condition in _LAST
        ),
    )


def _weak_batteries(thresholds: Thresholds) -> Panel:
    low = thresholds.device.battery_low_percent
    return Panel(
        title="Batteries to change",
        says=f"Devices whose last word on their battery is {low:g} % or less.",
        why_empty="every battery is good, or none reports",
        kind=Kind.TABLE,
        unit="string",
        width=12,
        options=sorted_by("battery", descending=False),
        overrides=(column("battery", unit="percent"),),
        queries=(
            Query(
                'SELECT "battery", "device", "site", "grid" FROM (SELECT last("battery") AS '
                f'"battery" FROM "device_status" WHERE {PLACE} AND $timeFilter '
                'GROUP BY "device", "site", "grid") '
                f'WHERE "battery" <= {low:g} AND $timeFilter',
                table=True,
            ),
        ),
    )


def _last_heard() -> Panel:
    return Panel(
        title="Last heard",
        says="Every device of this time range by its last word, longest silence first. A device "
        "that is missing has said nothing in this time range.",
        why_empty=f"no device; {_NOTHING_ARRIVES}",
        kind=Kind.TABLE,
        unit="string",
        width=24,
        height=10,
        options=sorted_by("Time", descending=False),
        overrides=(
            column("Time", unit="dateTimeFromNow"),
            column("Thermometers", unit="celsius"),
            column("Rooms", unit="celsius"),
            column("Meters", unit="watt"),
        ),
        transformations=({"id": "merge", "options": {}},),
        queries=tuple(
            Query(
                f'SELECT last("{field}") AS "{name}" FROM "{measurement}" '
                f'WHERE {condition}{PLACE} AND $timeFilter GROUP BY "device", "site", "grid"',
                table=True,
            )
            for name, measurement, field, condition in _LAST
        ),
    )


def _newest() -> Panel:
    return Panel(
        title="Newest point",
        says="How long ago the newest observation of each kind was made. Minutes are normal for "
        "meters, hours at night for thermometers.",
        why_empty="no point in this time range",
        kind=Kind.STAT,
        unit="dateTimeFromNow",
        width=8,
        options=stat(fields="/^Time$/"),
        queries=tuple(
            Query(
                f'SELECT last("{field}") AS "{name}" FROM "{measurement}" '
                f"WHERE {condition}{PLACE} AND $timeFilter",
                name,
                table=True,
            )
            for name, measurement, field, condition in _LAST
        ),
    )


def _rate() -> Panel:
    return Panel(
        title="Points per minute",
        says="What is stored, by kind, at the time it was observed. A line that stops everywhere "
        "at once means the intake or the store: see the console's ingest page.",
        why_empty="nothing is stored in this time range: see the console's ingest page",
        kind=Kind.TIMESERIES,
        unit="cpm",
        width=16,
        draw=lines(),
        options=LEGEND,
        queries=tuple(
            Query(
                f'SELECT count("{field}") AS "points" FROM "{measurement}" '
                f"WHERE {condition}{PLACE} AND $timeFilter GROUP BY time(1m) fill(0)",
                name,
            )
            for name, measurement, field, condition in _LAST
        ),
    )
