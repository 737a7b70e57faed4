"""The command line: one module per group of commands, imported when one of its commands is run."""

import atexit
import gc
import logging
import sqlite3
import sys
from importlib import import_module

import typer
from sqlalchemy.exc import DBAPIError

from devices.csv_import import ImportRefused
from devices.profile import ProfileError
from gatehouse.broker import BrokerError
from gatehouse.broker_access import BrokerAccessError
from gatehouse.cli.examples import show_examples
from gatehouse.database import DatabaseError, explain
from gatehouse.failure import FAILED, WRONG_USE, Failure
from gatehouse.log import start_logging
from gatehouse.settings import SettingsError
from ingest.journal import JournalError

MODULES = {
    "demo": "demo",
    "run": "run",
    "check": "service",
    "doctor": "service",
    "migrate": "migrate",
    "console": "console",
    "decode": "decode",
    "profiles": "profiles",
    "devices": "devices",
    "credentials": "credentials",
    "registry": "registry",
    "journal": "journal",
    "dead-letters": "dead_letters",
    "series": "series",
    "incidents": "incidents",
    "readings": "readings",
    "oncall": "incidents",
    "channels": "incidents",
    "rules": "rules",
    "simulate": "simulate",
    "dashboards": "dashboards",
    "accounts": "accounts",
}
"""The module of each command or group, in the order of ``gatehouse --help``."""


def make_app(only: str | None = None) -> typer.Typer:
    """Return the command line with all its commands, or with those of one module, which is quicker.

    Args:
        only: A command or group; of no meaning where there is none of this name.
    """
    app = typer.Typer(
        name="gatehouse",
        help="Takes in thermometers, gates and meters over MQTT; tells a person what matters.",
        callback=lambda: None,  # Else one command alone would be all there is.
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    modules = [MODULES[only]] if only in MODULES else dict.fromkeys(MODULES.values())
    for module in modules:
        import_module(f"{__name__}.{module}").register(app)
    show_examples(app)
    return app


def main() -> None:
    """Run a command: exit 0 when done, 1 when failed, 2 when used wrongly."""
    atexit.register(gc.freeze)  # Else Python's last look for cycles keeps Ctrl-C waiting 0.5 s.
    start_logging(logging.WARNING, is_service=False)
    try:
        make_app(next(iter(sys.argv[1:]), None))()
    except Failure as failure:
        _end(str(failure), failure.code)
    except (SettingsError, ProfileError) as error:
        _end(str(error), WRONG_USE)
    except (DatabaseError, BrokerError, BrokerAccessError, JournalError, ImportRefused) as error:
        _end(str(error), FAILED)
    except DBAPIError as error:
        _end(f"the state database refused: {explain(error)}", FAILED)
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
