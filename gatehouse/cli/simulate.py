"""``gatehouse simulate``: a community that is not there, published to a broker."""

import asyncio
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from devices.clock import DAY, HOUR, ScaledClock, wall_now
from devices.simulator.community import LEAST_HOUSEHOLDS, build_community
from devices.simulator.community_csv import write_city
from devices.simulator.scenario import EVENING, HOUSEHOLDS, SEED
from devices.simulator.simulation import simulate as live
from gatehouse.failure import WRONG_USE, Failure

MOST_HOUSEHOLDS = 100_000


def register(parent: typer.Typer) -> None:
    """Add the command to the command line."""
    parent.command("simulate")(simulate)


def simulate(
    url: Annotated[str, typer.Option(help="The broker: mqtt://[user:password@]host[:port].")],
    households: Annotated[
        int, typer.Option(min=LEAST_HOUSEHOLDS, max=MOST_HOUSEHOLDS, help="How many.")
    ] = HOUSEHOLDS,
    seed: Annotated[int, typer.Option(help="The same number gives the same community.")] = SEED,
    speed: Annotated[
        float, typer.Option(min=0.01, max=10_000, help="Its seconds in one second.")
    ] = 1.0,
    clock: Annotated[
        Path | None,
        typer.Option(
            help="The service's GATEHOUSE_CLOCK_FILE; without it, it lives in the present."
        ),
    ] = None,
    history: Annotated[
        bool, typer.Option(help="With --clock: publish the two weeks before, as far as missing.")
    ] = True,
    registry: Annotated[
        Path | None, typer.Option(help="Only write the community's CSV files into this folder.")
    ] = None,
) -> None:
    """Publish what a simulated community's devices say, until stopped."""
    evening = EVENING if clock else _evening_of(wall_now())
    community = build_community(seed=seed, households=households, evening=evening)
    if registry is not None:
        write_city(registry, [community])
        typer.echo(f"written: gatehouse registry import {registry}")
        return
    with tempfile.TemporaryDirectory() as folder:
        shared = ScaledClock(clock or Path(folder) / "clock.json")
        if clock is None:
            shared.set(wall_now(), speed=speed)
        elif not clock.exists():
            shared.set(community.begins, speed=0)
        try:
            asyncio.run(
                live(
                    url=url,
                    clock=shared,
                    community=community,
                    speed=speed,
                    history=history and clock is not None,
                    progress=_show,
                )
            )
        except ValueError as error:
            raise Failure(str(error), code=WRONG_USE) from error


def _evening_of(now: int) -> int:
    """Return 18:00 local of the present day of the simulated site."""
    return EVENING + ((now - (EVENING - 18 * HOUR)) // DAY) * DAY


def _show(done: int, total: int) -> None:
    if done * 20 // total != (done - 1) * 20 // total:
        typer.echo(f"history {done * 100 // total} %")
