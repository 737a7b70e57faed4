"""``gatehouse run``: the service."""

import asyncio
from typing import Annotated

import typer

from gatehouse.app import Service
from gatehouse.child import end_with_parent
from gatehouse.log import start_logging
from gatehouse.settings import load
from gatehouse.signals import until_stopped


def register(parent: typer.Typer) -> None:
    """Add the command to the command line."""
    parent.command("run")(run)


def run(
    with_parent: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    """Run the service: take in, judge, page, and serve the console.

    Example: GATEHOUSE_MQTT_URL=mqtt://broker:1883 gatehouse run
    """
    if with_parent:
        end_with_parent()
    start_logging()
    with Service(load()) as service:
        asyncio.run(until_stopped(service.run()))
