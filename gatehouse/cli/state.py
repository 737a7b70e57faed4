"""The state database as commands change it."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

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
