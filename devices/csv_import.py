"""Bring a folder of CSV files into the registry: all of it, or nothing with every reason.

A row says what is so; what the registry knows and the files do not mention stays. The rota is
replaced whole where there is a ``rota.csv``, and a worker's channels where ``channels.csv`` has
any. Histories are kept: a changed state, residence, class or place closes the fact before it.
"""

import secrets
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import BaseModel
from sqlalchemy import Connection, Engine

from devices.csv_merge import Merge
from devices.csv_rows import FILES
from devices.csv_sheet import Problem, Sheet, read_sheet
from devices.registry_draft import Difference, compare, read_rows, write

SHOWN_PROBLEMS = 20


class ImportRefused(Exception):
    """The folder was not imported. Says each reason by file, line and column, up to a bound."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        lines = [str(problem) for problem in problems[:SHOWN_PROBLEMS]]
        if len(problems) > SHOWN_PROBLEMS:
            lines.append(f"and {len(problems) - SHOWN_PROBLEMS} more")
        super().__init__("\n".join(lines))
        self.problems = tuple(problems)


def random_subject() -> str:
    """Return a new random id standing for a resident."""
    return secrets.token_hex(8)


def plan(
    connection: Connection,
    folder: Path,
    *,
    now: int,
    new_subject: Callable[[], str] = random_subject,
) -> Difference:
    """Work out what importing the folder would change, touching nothing.

    Args:
        connection: On the state database.
        folder: Holds some or all of the files of :data:`devices.csv_rows.FILES`.
        now: From when changes count whose row does not say; milliseconds UTC.
        new_subject: Makes the random ids of residents seen for the first time.

    Raises:
        ImportRefused: Any row of any file is wrong.
    """
    sheets = _read_folder(folder)
    problems = [problem for sheet in sheets for problem in sheet.problems]
    if problems:
        raise ImportRefused(problems)
    before = read_rows(connection)
    merge = Merge(before, now=now, new_subject=new_subject)
    for sheet in sheets:
        merge.take(sheet)
    after = merge.finish()
    if merge.problems:
        raise ImportRefused(merge.problems)
    return compare(before, after)


def import_folder(engine: Engine, folder: Path, *, now: int) -> Difference:
    """Plan and write in one transaction; return what changed.

    Raises:
        ImportRefused: Any row of any file is wrong; nothing has changed.
    """
    with engine.begin() as connection:
        difference = plan(connection, folder, now=now)
        write(connection, difference)
    return difference


def _read_folder(folder: Path) -> list[Sheet[BaseModel]]:
    found = [(folder / name, model) for name, model in FILES.items() if (folder / name).is_file()]
    if not found:
        reason = f"holds none of {', '.join(FILES)}"
        raise ImportRefused([Problem(str(folder), 1, "", reason)])
    return [read_sheet(path, model) for path, model in found]
