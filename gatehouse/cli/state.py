"""The state database as commands change it."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from sqlalchemy import Connection, Engine

from devices.registry_lock import changing
from gatehouse.database import open_database
from gatehouse.failure import Failure
from gatehouse.settings import load


@contextmanager
def changing_state(refusal: type[Exception]) -> Iterator[Connection]:
    """Open a transaction on the state database.

    Args:
        refusal: What is raised inside for what cannot be done; its words end the command.
    """
    engine = open_database(load())
    try:
        with engine.begin() as connection:
            yield connection
    except refusal as error:
        raise Failure(str(error)) from error
    finally:
        engine.dispose()


@contextmanager
def changing_registry(engine: Engine, *, dry_run: bool = False) -> Iterator[Connection]:
    """Open a transaction that changes the registry, alone; in a dry run it changes nothing.

    Args:
        engine: Of the state database.
        dry_run: Roll back what was done.
    """
    with changing(engine, _say_who_waits) as (connection, _):
        if not dry_run:
            yield connection
            return
        with connection.begin_nested() as rehearsal:
            yield connection
            rehearsal.rollback()


def _say_who_waits() -> None:
    typer.echo("waiting: somebody else is changing the registry", err=True)
