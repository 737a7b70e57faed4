"""``gatehouse console``: the console's own process."""

import typer

from gatehouse.child import end_with_parent
from gatehouse.console import serve_console
from gatehouse.log import start_logging
from gatehouse.settings import load


def register(parent: typer.Typer) -> None:
    """Add the command to the command line."""
    parent.command("console", hidden=True)(console)


def console() -> None:
    """Serve the console; ``run`` starts this and keeps it."""
    end_with_parent()
    start_logging()
    serve_console(load())
