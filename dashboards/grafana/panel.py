"""Panels as Grafana's classic JSON has them.

Source: Grafana 13.2 documentation, "Dashboard JSON model"; npm @grafana/schema 13.2.3.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

SOURCE = {"type": "influxdb", "uid": "${datasource}"}
"""Every query goes to the data source that the reader has chosen."""

Json = dict[str, Any]
Steps = tuple[tuple[float | None, str], ...]
"""Colours by value: from None on the first, from each number on the next."""

PLAIN: Steps = ((None, "text"),)


class Kind(StrEnum):
    """The core panels that are used."""

    STAT = "stat"
    TIMESERIES = "timeseries"
    TABLE = "table"
    HEATMAP = "heatmap"


@dataclass(frozen=True, slots=True)
class Query:
    """One InfluxQL question; ``alias`` names its series, ``$tag_grid`` by a tag."""

    influxql: str
    alias: str = ""
    table: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel.

    Attributes:
        says: What it shows and what to do about it; its description.
        why_empty: Shown instead of a value, so that nothing is ever empty without a reason.
        unit: A Grafana unit id; ``none`` where a number has none, ``string`` for mixed columns.
        width: In 24ths of the page.
        steps: Colours; in a time series also lines.
        draw: What ``fieldConfig.defaults.custom`` adds.
        overrides: Units and colours of single columns.
        time_from: A span of its own, whatever the dashboard shows.
    """

    title: str
    says: str
    why_empty: str
    kind: Kind
    queries: tuple[Query, ...]
    unit: str
    width: int = 12
    height: int = 8
    steps: Steps = PLAIN
    draw: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    overrides: tuple[Json, ...] = ()
    transformations: tuple[Json, ...] = ()
    time_from: str | None = None

    def render(self, number: int, *, x: int, y: int) -> Json:
        """Return the panel with its number and place on the page."""
        rendered: Json = {
            "id": number,
            "type": self.kind.value,
            "title": self.title,
            "description": self.says,
            "datasource": SOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "targets": [_target(index, query) for index, query in enumerate(self.queries)],
            "fieldConfig": {
                "defaults": {
                    "unit": self.unit,
                    "noValue": self.why_empty,
                    "color": {"mode": "palette-classic" if self._many_series else "thresholds"},
                    "thresholds": {
                        "mode": "absolute",
                        "steps": [{"value": value, "color": color} for value, color in self.steps],
                    },
                    "custom": dict(self.draw),
                },
                "overrides": list(self.overrides),
            },
            "options": dict(self.options),
            "transformations": list(self.transformations),
        }
        if self.time_from:
            rendered["timeFrom"] = self.time_from
        return rendered

    @property
    def _many_series(self) -> bool:
        return self.kind is Kind.TIMESERIES


def stat(calculation: str = "lastNotNull", *, fields: str = "") -> Json:
    """Return a stat's options: one number a series, reduced by a calculation."""
    return {
        "reduceOptions": {"calcs": [calculation], "fields": fields, "values": False},
        "colorMode": "value",
        "graphMode": "none",
        "textMode": "auto",
        "justifyMode": "auto",
        "orientation": "auto",
    }


def lines(*, points: bool = False, bars: bool = False, stacked: bool = False) -> Json:
    """Return how a time series is drawn; gaps stay gaps."""
    style = "bars" if bars else "points" if points else "line"
    return {
        "drawStyle": style,
        "lineWidth": 1,
        "fillOpacity": 60 if bars else 10 if stacked else 0,
        "pointSize": 5,
        "showPoints": "always" if points else "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "off"},
    }


LEGEND: Json = {
    "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
    "tooltip": {"mode": "multi", "sort": "desc"},
}


def sorted_by(column: str, *, descending: bool) -> Json:
    """Return a table's options: sorted by a column."""
    return {"showHeader": True, "sortBy": [{"displayName": column, "desc": descending}]}


def column(name: str, **properties: Any) -> Json:
    """Return an override of one column: its unit, title, steps."""
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": key, "value": value} for key, value in properties.items()],
    }


def _target(index: int, query: Query) -> Json:
    return {
        "refId": chr(ord("A") + index),
        "datasource": SOURCE,
        "query": query.influxql,
        "rawQuery": True,
        "resultFormat": "table" if query.table else "time_series",
        "alias": query.alias,
    }
