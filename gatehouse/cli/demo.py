"""``gatehouse demo``: everything embedded."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from devices.simulator.community import LEAST_HOUSEHOLDS
from devices.simulator.scenario import HOUSEHOLDS, SEED
from gatehouse.demo import DemoOptions, run_demo


def register(parent: typer.Typer) -> None:
    """Add the command to the command line."""
    parent.command("demo")(demo)


def demo(
    data_dir: Annotated[
        Path, typer.Option(help="Everything is kept here; begun anew without --keep.")
    ] = Path("demo-data"),
    speed: Annotated[
        float, typer.Option(min=1, max=3600, help="Community seconds in a real second.")
    ] = 300,
    households: Annotated[
        int, typer.Option(min=LEAST_HOUSEHOLDS, max=2000, help="How many live there.")
    ] = HOUSEHOLDS,
    seed: Annotated[int, typer.Option(help="Another seed is another community.")] = SEED,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Of the console; a free one if it is taken.")
    ] = 8080,
    keep: Annotated[
        bool, typer.Option("--keep", help="Go on where the last demo stopped.")
    ] = False,
) -> None:
    """Live through a fever evening: broker, store, console and a community, all embedded.

    Examples:
      gatehouse demo

      gatehouse demo --speed 60

      gatehouse demo --keep
    """
    options = DemoOptions(
        data_dir=data_dir, speed=speed, households=households, seed=seed, port=port, keep=keep
    )
    asyncio.run(run_demo(options))
    print(f"Kept in {data_dir}: journal, series, incidents and the community's clock.")
    print("Go on from here: make demo ARGS=--keep")
