"""The log: an event a line, in words of ours, with nobody's data in it."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
import structlog

from devices.outage import Outage
from tests.docs.documents import ROOT

ROOMS = ("devices", "ingest", "alerts", "dashboards", "gatehouse")
LEVELS = {"info", "warning", "error", "critical", "debug", "exception"}
EVENT = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")
NEVER = re.compile(r"payload|body|phone|password|secret|token|flat|resident|subject|text|name$")
"""Of the keys of an event."""


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Yield every call of a module's logger, with its place."""
    for room in ROOMS:
        for file in sorted((ROOT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and isinstance(node.func.value, ast.Name)
                    and node.func.value.id == "log"
                    and node.func.attr in LEVELS
                ):
                    yield f"{file.relative_to(ROOT)}:{node.lineno}", node


CALLS = [pytest.param(call, id=place) for place, call in calls()]


@pytest.mark.parametrize("call", CALLS)
def test_every_event_has_a_name_and_no_personal_key(call: ast.Call) -> None:
    """An event is named in snake case, its level is one of three, and no key asks for a person."""
    assert isinstance(call.func, ast.Attribute)
    assert call.func.attr in {"info", "warning", "error"}
    [event] = call.args
    if isinstance(event, ast.Constant):
        assert EVENT.fullmatch(event.value)
    else:  # A part's name and what became of it.
        assert isinstance(event, ast.JoinedStr)
        assert isinstance(event.values[-1], ast.Constant)
        assert event.values[-1].value in ("_held", "_resumed", "_lost", "_back")
    assert [key.arg for key in call.keywords if key.arg and NEVER.search(key.arg)] == []


def test_what_is_away_is_told_once() -> None:
    """An outage is a line when it begins, when its reason changes, and when it is over."""
    outage = Outage("broker")
    with structlog.testing.capture_logs() as told:
        for why in ("gone", "gone", "gone", "refused", "refused"):
            outage.begin(why)
        for _ in range(3):
            outage.end()
    assert [(one["event"], one.get("why")) for one in told] == [
        ("broker_lost", "gone"),
        ("broker_lost", "refused"),
        ("broker_back", None),
    ]


SCRIPT = """
import logging, threading, warnings
from gatehouse.log import start_logging
import structlog
start_logging()
structlog.get_logger().info("batch_written", points=2)
try:
    raise ValueError("Zhang San, 13800000000")
except ValueError:
    logging.getLogger("some.library").exception("it broke\\nfor Zhang San")
logging.getLogger("some.library").info("chatter")
warnings.warn("old")
thread = threading.Thread(target=lambda: {}["Zhang San"])
thread.start()
thread.join()
def run(who): raise KeyError(who)
run("Zhang San")
"""


def test_every_line_is_json_where_nobody_looks_and_no_exception_speaks() -> None:
    """Events, what libraries warn of, and what ends the process: a line of JSON each."""
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [one["event"] for one in lines] == [
        "batch_written",
        "library_warned",
        "library_warned",
        "crashed",
        "crashed",
    ]
    assert all({"level", "timestamp"} <= one.keys() for one in lines)
    assert lines[1]["words"] == "it broke"
    assert lines[1]["error"] == "ValueError"
    assert lines[-1]["where"][0].endswith(" run")
    assert "Zhang" not in ended.stderr
    assert not ended.stdout
