"""``gatehouse simulate``: a city that is not there, published to a broker or written to files."""

import asyncio
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from devices.clock import DAY, HOUR, ScaledClock, parse_rfc3339, rfc3339, wall_now
from devices.simulator.city import City, make_city
from devices.simulator.community import LEAST_HOUSEHOLDS
from devices.simulator.community_csv import write_city
from devices.simulator.scenario import (
    DEFAULT,
    EVENING,
    Scenario,
    ScenarioError,
    built_in_scenarios,
    load_scenario,
)
from devices.simulator.truth import write_truth
from gatehouse.cli.simulate_record import Report, record
from gatehouse.failure import WRONG_USE, Failure
from gatehouse.signals import until_stopped
from gatehouse.simulation_job import Job, run

MOST_HOUSEHOLDS = 100_000
MOST_PROCESSES = 64

Stretch = tuple[int, int]


def register(parent: typer.Typer) -> None:
    """Add the command to the command line."""
    parent.command("simulate")(simulate)


def simulate(  # noqa: PLR0913, PLR0917 - one argument an option
    url: Annotated[
        str | None, typer.Option(help="The broker: mqtt://[user:password@]host[:port].")
    ] = None,
    scenario: Annotated[
        str, typer.Option(help="What happens: one of --scenarios, or a .toml file.")
    ] = DEFAULT,
    scenarios: Annotated[bool, typer.Option("--scenarios", help="Only list them.")] = False,
    households: Annotated[
        int | None,
        typer.Option(
            min=LEAST_HOUSEHOLDS,
            max=MOST_HOUSEHOLDS,
            help="How many, if not the scenario's. Some 1,300 are one compound.",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="The same number gives the same messages.")
    ] = None,
    days: Annotated[
        float | None, typer.Option(min=0.01, max=400, help="Wind so many days forward, and end.")
    ] = None,
    since: Annotated[
        str,
        typer.Option(
            "--from",
            help="When they begin, like 2020-02-14T00:00:00+08:00. Else where the --clock stands; "
            "without one so that they end now, and for --out and --dry-run on the scenario's day.",
        ),
    ] = "",
    until: Annotated[str, typer.Option(help="When they end, in place of --days.")] = "",
    speed: Annotated[
        float, typer.Option(min=0.01, max=10_000, help="Living on: its seconds in one second.")
    ] = 1.0,
    rate: Annotated[
        float | None, typer.Option(min=0.1, help="At most so many messages a second.")
    ] = None,
    processes: Annotated[
        int, typer.Option(min=1, max=MOST_PROCESSES, help="So many share the work.")
    ] = 1,
    clock: Annotated[
        Path | None,
        typer.Option(help="The service's GATEHOUSE_CLOCK_FILE, which is moved; else it is today."),
    ] = None,
    history: Annotated[
        bool, typer.Option(help="With --clock: publish the two weeks before, as far as missing.")
    ] = True,
    registry: Annotated[
        Path | None, typer.Option(help="Only write the city's CSV files into this folder.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Only write the messages to this file, a line of JSON each; - stdout."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count the messages, and show the first.")
    ] = False,
    truth: Annotated[
        Path | None, typer.Option(help="Write what is true of the stretch to this file, too.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The summary as JSON.")] = False,
) -> None:
    """Publish what a simulated city's devices say: as it lives, or a stretch of time at once.

    Examples:
      gatehouse simulate --registry city

      gatehouse simulate --url mqtt://127.0.0.1

      gatehouse simulate --url mqtt://127.0.0.1 --households 1315 --days 1

      gatehouse simulate --url mqtt://127.0.0.1 --households 20000 --processes 4 --rate 5000

      gatehouse simulate --scenario ms_sun --out messages.jsonl --truth truth.jsonl
    """
    if scenarios:
        _list_scenarios()
        return
    is_published = not (out or dry_run or registry)
    if is_published and url is None:
        raise Failure("name the broker, like --url mqtt://127.0.0.1", code=WRONG_USE)
    if clock is not None and not is_published:
        raise Failure("--clock moves with what is published: leave it", code=WRONG_USE)
    told, has_history = _scenario(scenario), clock is not None and history
    begin = _begin(told, clock, days, has_history=has_history, is_published=is_published)
    if not is_published and days is None and not until:
        days = told.days
    stretch = _stretch(days, since, until, otherwise=begin)
    evening = told.evening
    if clock is None and (is_published or since):
        evening = _evening_of(stretch[0] if stretch else begin)
    city = _city(told, seed, households, evening, has_history=has_history)
    if truth is not None:
        _write_truth(truth, city, stretch)
    if registry is not None:
        write_city(registry, city.communities)
        print(f"written: gatehouse registry import {registry}")
    elif url is not None and is_published:
        with _clock_of(city, clock, stretch, speed) as file:
            job = Job(url, city, file, stretch, speed, rate, processes)
            _publish(job, Report(as_json, sys.stdout))
    elif stretch is not None:
        record(city, stretch, out, as_json=as_json)


def _list_scenarios() -> None:
    for one in built_in_scenarios():
        print(f"{one.name:<18} {one.title.en}\n{'':<18} {one.title.zh}")


def _scenario(name: str) -> Scenario:
    try:
        return load_scenario(name)
    except ScenarioError as error:
        raise Failure(f"--scenario: {error}", code=WRONG_USE) from error


def _city(
    told: Scenario, seed: int | None, households: int | None, evening: int, *, has_history: bool
) -> City:
    try:
        return make_city(
            told, seed=seed, households=households, evening=evening, has_history=has_history
        )
    except ValueError as error:
        raise Failure(f"--{error}", code=WRONG_USE) from error


def _begin(
    told: Scenario,
    clock: Path | None,
    days: float | None,
    *,
    has_history: bool,
    is_published: bool,
) -> int:
    """Return when it begins if nobody says it: where the clock stands, in the present, on day 0."""
    if clock is not None and clock.exists():
        return ScaledClock(clock).now()
    if clock is None and is_published:
        return wall_now() - round((days or 0) * DAY)
    return make_city(told, has_history=has_history).begins


def _stretch(days: float | None, since: str, until: str, *, otherwise: int) -> Stretch | None:
    """Return the stretch that options ask for, None if none does."""
    if days is not None and until:
        raise Failure("--days or --until, not both", code=WRONG_USE)
    if days is None and not until:
        if since:
            raise Failure("--from begins a stretch: add --days or --until", code=WRONG_USE)
        return None
    begin = _time("--from", since) if since else otherwise
    end = _time("--until", until) if until else begin + round((days or 0) * DAY)
    if end <= begin:
        raise Failure(f"--until: it ends before it begins, at {rfc3339(begin)}", code=WRONG_USE)
    return begin, end


def _time(option: str, text: str) -> int:
    try:
        return parse_rfc3339(text)
    except ValueError as error:
        raise Failure(f"{option}: {error}", code=WRONG_USE) from error


def _evening_of(at: int) -> int:
    """Return 18:00 local of a day in the simulated city."""
    return EVENING + (at - (EVENING - 18 * HOUR)) // DAY * DAY


@contextmanager
def _clock_of(
    city: City, clock: Path | None, stretch: Stretch | None, speed: float
) -> Iterator[Path | None]:
    """Give the file of the clock that is moved or followed; None where no clock is asked for."""
    if clock is not None:
        if not clock.exists():
            ScaledClock(clock).set(stretch[0] if stretch else city.begins, speed=0)
        yield clock
    elif stretch is not None:
        yield None
    else:
        with tempfile.TemporaryDirectory() as folder:
            present = Path(folder) / "clock.json"
            ScaledClock(present).set(wall_now(), speed=speed)
            yield present


def _write_truth(path: Path, city: City, stretch: Stretch | None) -> None:
    if stretch is None:
        raise Failure("--truth is of a stretch of time: add --days or --until", code=WRONG_USE)
    write_truth(path, city.communities, *stretch)


def _publish(job: Job, report: Report) -> None:
    is_done = False

    async def work() -> None:
        nonlocal is_done
        await run(job, show=report.show)
        is_done = True

    asyncio.run(until_stopped(work()))
    report.end()
    if job.stretch is not None and not is_done:
        raise Failure("stopped before the end")
