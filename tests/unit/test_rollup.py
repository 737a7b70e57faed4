"""Where windows begin, and that what is written for each store says the same."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from devices.clock import DAY, HOUR, MINUTE, parse_rfc3339, rfc3339
from ingest.measurement import MEASUREMENTS
from ingest.retention import SHORTEST_RAW_DAYS
from ingest.rollup import LATE_DAYS, ROLLUPS, Span, Summary, day_offset, rollup_named, window_of
from ingest.rollup_flux import LATE_TASK, SOON_TASK, tasks
from ingest.rollup_influxql import continuous_queries


@pytest.mark.parametrize(
    ("zone", "offset"),
    [
        ("UTC", 0),
        ("Asia/Shanghai", -8 * HOUR),
        ("Asia/Kolkata", -(5 * HOUR + 30 * MINUTE)),
        ("America/New_York", 5 * HOUR),
        ("Europe/Berlin", -HOUR),
    ],
)
@pytest.mark.parametrize("month", [1, 7])
def test_a_day_begins_alike_in_summer_and_winter(zone: str, offset: int, month: int) -> None:
    """Midnight of the zone's standard time, whatever the clocks there show."""
    at = round(datetime(2026, month, 15, tzinfo=UTC).timestamp()) * 1_000
    assert day_offset(ZoneInfo(zone), at) == offset


@pytest.mark.parametrize(
    ("at", "span", "begins"),
    [
        ("2026-03-01T15:59:59Z", Span.DAILY, "2026-02-28T16:00:00Z"),
        ("2026-03-01T16:00:00Z", Span.DAILY, "2026-03-01T16:00:00Z"),
        ("2026-03-01T15:59:59Z", Span.HOURLY, "2026-03-01T15:00:00Z"),
    ],
)
def test_a_moment_is_in_the_window_that_has_begun(at: str, span: Span, begins: str) -> None:
    """In China a day begins at 16:00 of the UTC day before."""
    assert rfc3339(window_of(parse_rfc3339(at), span, -8 * HOUR)) == begins


def test_rollups_are_of_what_there_is() -> None:
    """Each is of a field of a measurement, under a name that no measurement has."""
    for rollup in ROLLUPS:
        assert rollup.name not in MEASUREMENTS
        assert rollup_named(rollup.name) is rollup
        for field in rollup.fields:
            MEASUREMENTS[rollup.measurement].field(field.of)
        if rollup.where:
            MEASUREMENTS[rollup.measurement].field(rollup.where[0])
    with pytest.raises(ValueError, match="there are contact_temperature"):
        rollup_named("weather")


def test_raw_points_outlive_the_windows_that_are_computed_again() -> None:
    """Or a late point would leave a window with itself alone."""
    assert SHORTEST_RAW_DAYS > LATE_DAYS + 1


def test_every_rollup_is_in_every_language() -> None:
    """InfluxQL and Flux ask for the same summaries of the same fields, into the same names."""
    queries = continuous_queries("iot", "autogen", -8 * HOUR)
    late = tasks("iot", "home", -8 * HOUR)[LATE_TASK]
    soon = tasks("iot", "home", -8 * HOUR)[SOON_TASK]
    for rollup in ROLLUPS:
        for field in rollup.fields:
            said = f'{field.summary.value}("{field.of}") AS "{field.name}"'
            assert said in queries[f"gatehouse_{rollup.name}_daily"]
            for span in Span:
                assert f'yield(name: "{rollup.name}_{span}_{field.name}")' in late
            assert f'yield(name: "{rollup.name}_hourly_{field.name}")' in soon
            assert f"{rollup.name}_daily_" not in soon
            assert f"fn: {field.summary.value}, createEmpty: false" in late
        for word in rollup.where[1] if rollup.where else ():
            assert f"'{word}'" in queries[f"gatehouse_{rollup.name}_daily"]
            assert f'"{word}"' in late
    assert {summary.value for summary in Summary} >= {"last", "count"}


FLUX = """from(bucket: "iot")
    |> range(start: {start}, stop: {stop})
    |> filter(fn: (r) => r._measurement == "electricity" and r._field == "energy_wh")
    |> aggregateWindow(every: 1d, offset: -8h, fn: last, createEmpty: false, timeSrc: "_start")
    |> set(key: "_measurement", value: "consumption")
    |> set(key: "_field", value: "energy_wh")
    |> to(bucket: "iot/gatehouse_daily", org: "the \\"home\\"")
    |> yield(name: "consumption_daily_energy_wh")"""


def test_a_task_reads_whole_days_and_keeps_when_they_began() -> None:
    """The script as the documentation of Flux has it; half a day would overwrite a whole one."""
    edge = "date.add(d: -8h, to: date.truncate(t: date.sub(d: -8h, from: {}), unit: 1d))"
    start, stop = edge.format("date.sub(d: 10d, from: now())"), edge.format("now()")
    text = tasks("iot", 'the "home"', -8 * HOUR)[LATE_TASK]
    assert FLUX.format(start=start, stop=stop) in text
    assert text.startswith(
        f'import "date"\n\noption task = {{name: "{LATE_TASK}", every: 1d, offset: 2m}}\n'
    )
    assert LATE_DAYS * DAY == 10 * DAY
