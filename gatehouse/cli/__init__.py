"""The command line: one module per group of commands."""

import atexit
import gc
import logging
import sqlite3
import sys

import typer

from devices.csv_import import ImportRefused
from devices.profile import ProfileError
from gatehouse.broker import BrokerError
from gatehouse.cli import (
    accounts,
    credentials,
    dashboards,
    dead_letters,
    decode,
    demo,
    devices,
    incidents,
    journal,
    profiles,
    registry,
    rules,
    service,
    simulate,
)
from gatehouse.database import DatabaseError
from gatehouse.failure import FAILED, WRONG_USE, Failure
from gatehouse.log import start_logging
from gatehouse.settings import SettingsError
from ingest.journal import JournalError

GROUPS = (
    demo,
    service,
    decode,
    profiles,
    devices,
    credentials,
    registry,
    journal,
    dead_letters,
    incidents,
    rules,
    simulate,
    dashboards,
    accounts,
)
"""In the order of ``gatehouse --help``."""

app = typer.Typer(
    name="gatehouse",
    help="Takes in thermometers, gates and meters over MQTT; tells a person what matters.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for group in GROUPS:
    group.register(app)


def main() -> None:
    """Run a command: exit 0 when done, 1 when failed, 2 when used wrongly."""
    atexit.register(gc.freeze)  # Else Python's last look for cycles keeps Ctrl-C waiting 0.5 s.
    start_logging(logging.WARNING)
    try:
        app()
    except Failure as failure:
        _end(str(failure), failure.code)
    except (SettingsError, ProfileError) as error:
        _end(str(error), WRONG_USE)
    except (DatabaseError, BrokerError, JournalError, ImportRefused) as error:
        _end(str(error), FAILED)
    except sqlite3.Error as error:
        _end(f"the data folder cannot be used ({error}): see its owner, mode and disk", FAILED)
    except OSError as error:
        _end(_told(error), FAILED)
    except (KeyboardInterrupt, typer.Abort):
        _end("stopped", FAILED)


def _told(error: OSError) -> str:
    reason = error.strerror or str(error) or type(error).__name__
    if error.filename is None:
        return f"the system refused ({reason}): see the disk, the network and its limits"
    return f"{error.filename}: {reason}: see its owner, mode and disk"


def _end(sentence: str, code: int) -> None:
    print(f"gatehouse: {sentence}", file=sys.stderr)
    sys.exit(code)
