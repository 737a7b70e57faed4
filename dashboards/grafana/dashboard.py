"""Dashboards: panels in rows, variables, and the classic JSON that holds them."""

import json
from dataclasses import dataclass

from dashboards.grafana.panel import SOURCE, Json, Panel

SCHEMA_VERSION = 42
_COLUMNS = 24


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice at the head of a dashboard: a query for its values, or a text to type."""

    name: str
    label: str
    says: str
    influxql: str = ""
    default: str = ""

    def render(self) -> Json:
        """Return the variable; one with a query offers its values, several, or all."""
        named = {"name": self.name, "label": self.label, "description": self.says, "hide": 0}
        if not self.influxql:
            value = {"text": self.default, "value": self.default}
            return {**named, "type": "textbox", "query": self.default, "current": value}
        return {
            **named,
            "type": "query",
            "datasource": SOURCE,
            "query": self.influxql,
            "refresh": 2,  # Whenever the time range changes.
            "sort": 1,
            "multi": True,
            "includeAll": True,
            "allValue": ".*",
            "current": {"text": ["All"], "value": ["$__all"]},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """One dashboard; ``rows`` are titles with the panels below them, set from left to right."""

    uid: str
    title: str
    says: str
    rows: tuple[tuple[str, tuple[Panel, ...]], ...]
    variables: tuple[Variable, ...]
    since: str
    refresh: str

    @property
    def file_name(self) -> str:
        """The name of its generated file."""
        return f"{self.uid}.json"

    def render(self) -> Json:
        """Return the dashboard as Grafana stores it."""
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.says,
            "tags": ["gatehouse"],
            "schemaVersion": SCHEMA_VERSION,
            "version": 1,
            "editable": True,
            "graphTooltip": 1,
            "timezone": "browser",
            "refresh": self.refresh,
            "time": {"from": f"now-{self.since}", "to": "now"},
            "timepicker": {},
            "annotations": {"list": []},
            "links": [
                {
                    "type": "dashboards",
                    "title": "Gatehouse",
                    "tags": ["gatehouse"],
                    "asDropdown": False,
                    "includeVars": True,
                    "keepTime": True,
                }
            ],
            "templating": {"list": [_source(), *(each.render() for each in self.variables)]},
            "panels": self._panels(),
        }

    def text(self) -> str:
        """Return the generated file's content."""
        return json.dumps(self.render(), indent=2, ensure_ascii=False) + "\n"

    def _panels(self) -> list[Json]:
        rendered: list[Json] = []
        y = 0
        for title, panels in self.rows:
            place = {"x": 0, "y": y, "w": _COLUMNS, "h": 1}
            number = len(rendered) + 1
            rendered.append(
                {"id": number, "type": "row", "title": title, "collapsed": False}
                | {"gridPos": place, "panels": []}
            )
            y += 1
            x = height = 0
            for panel in panels:
                if x + panel.width > _COLUMNS:
                    x, y, height = 0, y + height, 0
                rendered.append(panel.render(len(rendered) + 1, x=x, y=y))
                x += panel.width
                height = max(height, panel.height)
            y += height
        return rendered


def _source() -> Json:
    return {
        "name": "datasource",
        "label": "Data source",
        "description": "The InfluxDB that Gatehouse writes to, asked in InfluxQL",
        "type": "datasource",
        "query": "influxdb",
        "hide": 0,
        "current": {},
    }
