"""What a dashboard must have before anybody sees it."""

from collections import Counter
from itertools import combinations
from typing import Any

from dashboards.grafana.panel import SOURCE, Json

_COLUMNS = 24


def faults(dashboard: Json) -> list[str]:
    """Return what is wrong with a rendered dashboard, one sentence each."""
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    found = [fault for panel in panels for fault in _panel_faults(panel)]
    for number, times in Counter(panel["id"] for panel in dashboard["panels"]).items():
        if times > 1:
            found.append(f"{times} panels have the id {number}")
    for title, times in Counter(panel["title"] for panel in panels).items():
        if times > 1:
            found.append(f"{times} panels are called {title!r}")
    for one, other in combinations(dashboard["panels"], 2):
        if _overlap(one["gridPos"], other["gridPos"]):
            found.append(f"{one['title']!r} lies over {other['title']!r}")
    return found + _variable_faults(dashboard)


def _panel_faults(panel: Json) -> list[str]:
    title, place = panel["title"], panel["gridPos"]
    defaults = panel["fieldConfig"]["defaults"]
    wanted = {
        "a title": title,
        "a description": panel["description"],
        "a unit": defaults["unit"],
        "a reason when it is empty": defaults["noValue"],
        "a query": panel["targets"],
    }
    found = [f"{title!r} has not {what}" for what, value in wanted.items() if not value]
    if place["x"] + place["w"] > _COLUMNS:
        found.append(f"{title!r} reaches over the right edge")
    for target in panel["targets"]:
        if target["datasource"] != SOURCE:
            found.append(f"{title!r} does not ask the chosen data source")
        if "$timeFilter" not in target["query"]:
            found.append(f"{title!r} asks for all time")
    return found


def _variable_faults(dashboard: Json) -> list[str]:
    names = [variable["name"] for variable in dashboard["templating"]["list"]]
    queries = [
        target["query"] for panel in dashboard["panels"] for target in panel.get("targets", ())
    ]
    unused = [
        name for name in names if name != "datasource" and not any(f"${name}" in q for q in queries)
    ]
    return [f"the variable {name} is used by no panel" for name in unused]


def _overlap(one: dict[str, Any], other: dict[str, Any]) -> bool:
    apart_across = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
    apart_down = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    return not (apart_across or apart_down)
