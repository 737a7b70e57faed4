"""``gatehouse demo``: everything embedded."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from devices.simulator.city import make_city
from devices.simulator.community import LEAST_HOUSEHOLDS
from devices.simulator.scenario import DEFAULT, ScenarioError, load_scenario
from gatehouse.demo import DemoOptions, run_demo
from gatehouse.failure import WRONG_USE, Failure


def register(parent: typer.Typer) -> None:
    """Add the command to the command line."""
    parent.command("demo")(demo)


def demo(
    data_dir: Annotated[
        Path, typer.Option(help="Everything is kept here; begun anew without --keep.")
    ] = Path("demo-data"),
    scenario: Annotated[
        str,
        typer.Option(help="What happens: one of gatehouse simulate --scenarios, or a .toml file."),
    ] = DEFAULT,
    speed: Annotated[
        float, typer.Option(min=1, max=3600, help="Community seconds in a real second.")
    ] = 300,
    households: Annotated[
        int | None,
        typer.Option(
            min=LEAST_HOUSEHOLDS, max=2000, help="How many live there, if not the scenario's."
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Another seed than the scenario's is another community.")
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Of the console; a free one if it is taken.")
    ] = 8080,
    keep: Annotated[
        bool, typer.Option("--keep", help="Go on where the last demo stopped.")
    ] = False,
) -> None:
    """Live through a fever evening: broker, store, console and a community, all embedded.

    To go on with --keep, name the same scenario, households and seed again.

    Examples:
      gatehouse demo

      gatehouse demo --scenario isolated_at_gate --speed 120

      gatehouse demo --keep
    """
    try:
        city = make_city(load_scenario(scenario), seed=seed, households=households)
    except (ScenarioError, ValueError) as error:
        raise Failure(str(error), code=WRONG_USE) from error
    options = DemoOptions(data_dir=data_dir, city=city, speed=speed, port=port, keep=keep)
    asyncio.run(run_demo(options))
    print(f"Kept in {data_dir}: journal, series, incidents and the community's clock.")
    again = "--keep" if scenario == DEFAULT else f'"--keep --scenario {scenario}"'
    print(f"Go on from here: make demo ARGS={again}")
