"""The table of what devices say of the time: each row is decoded and judged as it says."""

import json
from itertools import takewhile
from zoneinfo import ZoneInfo

import msgspec
import pytest

from alerts.rules.clock import ClockOff
from devices.clock import HOUR, MINUTE, parse_rfc3339, rfc3339
from devices.device_time import Arrival, judge_time
from devices.observation import DeviceStatus, TimeSource
from devices.outcome import DecodeError
from tests.docs.documents import read
from tests.judging import Bench

BERLIN = ZoneInfo("Europe/Berlin")
HEADER = "| case | says | arrives | taken as | `time_source` | watch |"


def rows() -> list[list[str]]:
    lines = read("devices/README.md").partition(f"{HEADER}\n")[2].splitlines()
    cells = [line.strip("|").split("|") for line in takewhile(lambda one: one[:1] == "|", lines)]
    return [[cell.strip(" `") for cell in row] for row in cells[1:]]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_a_time_is_taken_as_the_table_says(row: list[str]) -> None:
    """What is said, when it arrives, what that is taken as, and whether the clock is off."""
    _, says, arrives, taken, source, watch = row
    arrival = Arrival(
        parse_rfc3339(arrives.partition("`")[0]),
        TimeSource.BACKLOG if arrives.endswith("kept") else TimeSource.ARRIVAL,
        None,
        BERLIN,
    )
    said = None if says == "–" else json.loads(says)
    if source == "–":
        with pytest.raises(DecodeError) as dead:
            judge_time(said, arrival, "sun")
        assert (dead.value.reason, watch) == (taken, "no")
        return
    at, judged, refused = judge_time(said, arrival, "sun")
    assert (rfc3339(at), judged) == (taken, source)
    assert watched(at, arrival.received_at, judged, refused) == watch


def watched(at: int, received_at: int, source: TimeSource, refused: int | None) -> str:
    """When the rule says that a clock is off which goes on as in one message."""
    bench = Bench(ClockOff())
    first = DeviceStatus(
        device_id="sun",
        observed_at=at,
        received_at=received_at,
        time_source=source,
        said_at=refused,
    )
    for minute in range(0, 120, 10):
        later = minute * MINUTE
        found = bench.feed(
            msgspec.structs.replace(
                first,
                observed_at=at + later,
                received_at=received_at + later,
                said_at=None if refused is None else refused + later,
            )
        )
        if found:
            return "at once" if minute == 0 else "after an hour" if later == HOUR else "late"
    return "no"


def test_the_table_is_found() -> None:
    """Its header is where these tests look for it."""
    assert len(rows()) >= 20
