"""What is known of numbered devices, in the ledger: committed with the cursor, so counted once."""

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

import msgspec

from ingest.ledger_file import connect
from ingest.numbering import Cause, Numbering

Counter = tuple[str, str]
"""A device's id and the channel of its counter, "" where it has one."""

_SAVE = "INSERT OR REPLACE INTO numbering VALUES (?, ?, ?, ?, ?, ?, ?)"
_LOAD = "SELECT state FROM numbering WHERE device = ? AND channel = ?"
_TOTALS = """SELECT count(*), coalesce(sum(by_device), 0), coalesce(sum(by_broker), 0),
    coalesce(sum(by_us), 0), coalesce(sum(restarts), 0) FROM numbering"""


class Missing(msgspec.Struct, frozen=True):
    """Numbers that never came.

    Attributes:
        counters: How many counters of devices are followed.
        by_cause: How many numbers are missing, by who lost them; every cause is in it.
        restarts: How often a device began to count anew.
    """

    counters: int
    by_cause: dict[Cause, int]
    restarts: int

    @property
    def total(self) -> int:
        """How many numbers are missing."""
        return sum(self.by_cause.values())


def load(connection: sqlite3.Connection, counters: Iterable[Counter]) -> dict[Counter, Numbering]:
    """Return what is known of some counters; those nothing is known of are left out."""
    found = {}
    for counter in counters:
        row = connection.execute(_LOAD, counter).fetchone()
        if row is not None:
            found[counter] = msgspec.msgpack.decode(row[0], type=Numbering)
    return found


def save(connection: sqlite3.Connection, known: Mapping[Counter, Numbering]) -> None:
    """Write what is known of some counters, inside a transaction."""
    rows = [
        (
            *counter,
            *(one.missing.get(cause, 0) for cause in Cause),
            one.restarts,
            msgspec.msgpack.encode(one),
        )
        for counter, one in known.items()
    ]
    connection.executemany(_SAVE, rows)


def read_missing(ledger: Path, device: str | None = None) -> Missing:
    """Return what is missing of all devices, or of one, read beside the running service.

    Raises:
        LedgerRefused: There is no ledger yet, or a newer Gatehouse wrote it.
        sqlite3.Error: It cannot be read now.
    """
    with closing(connect(ledger, read_only=True)) as connection:
        query = "SELECT 1 FROM sqlite_master WHERE name = 'numbering'"
        if connection.execute(query).fetchone() is None:  # Of before numbers were followed.
            return Missing(0, dict.fromkeys(Cause, 0), 0)
        if device is None:
            row = connection.execute(_TOTALS).fetchone()
        else:
            row = connection.execute(f"{_TOTALS} WHERE device = ?", (device,)).fetchone()
    return Missing(row[0], dict(zip(Cause, row[1:4], strict=True)), row[4])
