"""Write the registry as the folder of CSV files that the import takes, histories included.

Each begins with a byte order mark: a Chinese Excel takes a file without one for GB 18030.
"""

import csv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from devices.cell_text import guard
from devices.clock import rfc3339
from devices.csv_rows import FILES, WEEKDAYS
from devices.registry_draft import Rows, read_rows
from devices.registry_record import as_of
from devices.registry_words import Language, column_title, value_title

Record = Mapping[str, Any]


def export_folder(
    connection: Connection,
    folder: Path,
    *,
    at: int | None = None,
    language: Language = Language.ENGLISH,
) -> int:
    """Write every file, private to the user: they hold names, phones, plates, channel addresses.

    Args:
        connection: On the state database.
        folder: Made if it is not there.
        at: As of :func:`export_records`.
        language: Of titles and closed words; the files' names stay English.

    Returns:
        How many rows were written.
    """
    records = export_records(connection, at=at)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return sum(_write_file(folder / name, records[name], language) for name in FILES)


def export_records(connection: Connection, *, at: int | None = None) -> dict[str, Iterator[Record]]:
    """Return the rows of every file, in an order that stays the same.

    Args:
        connection: On the state database.
        at: Only what was so at a time, in milliseconds UTC; None for everything that ever was.
    """
    rows = read_rows(connection)
    if at is not None:
        rows = as_of(rows, at)
    return {
        "sites.csv": _sorted(rows["site"]),
        "gates.csv": _sorted(rows["gate"]),
        "grids.csv": _sorted(rows["grid"]),
        "buildings.csv": _sorted(rows["building"]),
        "workers.csv": _sorted(rows["worker"]),
        "channels.csv": _sorted(rows["worker_channel"]),
        "rota.csv": _duties(rows["rota"]),
        "households.csv": _with_facts(rows["household"], rows["household_state"]),
        "residents.csv": _residents(rows),
        "trips.csv": _trips(rows),
        "vehicles.csv": _told(rows["vehicle"]),
        "devices.csv": _with_facts(rows["device"], rows["device_binding"]),
    }


def _write_file(path: Path, records: Iterator[Record], language: Language) -> int:
    """Write one file of the folder; keys that are no columns are left out, missing ones blank."""
    written = 0
    with open_file(path, language) as writer:
        for record in records:
            writer.writerow({key: _cell(key, value, language) for key, value in record.items()})
            written += 1
    return written


@contextmanager
def open_file(path: Path, language: Language = Language.ENGLISH) -> Iterator["csv.DictWriter[str]"]:
    """Begin one file of the folder, private to the user, and give what writes its rows."""
    columns = [field.alias or name for name, field in FILES[path.name].model_fields.items()]
    path.touch(mode=0o600)
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writerow({name: column_title(path.name, name, language) for name in columns})
        yield writer


def _cell(column: str, value: object, language: Language) -> object:
    return guard(value_title(column, value, language)) if isinstance(value, str) else value


def _sorted(rows: Rows) -> Iterator[Record]:
    return (row for _, row in sorted(rows.items()))


def _duties(rows: Rows) -> Iterator[Record]:
    for row in _sorted(rows):
        days = " ".join(WEEKDAYS[int(day)] for day in row["weekdays"].split(","))
        times = {side: f"{row[side] // 60:02}:{row[side] % 60:02}" for side in ("begins", "ends")}
        yield {**row, **times, "weekdays": days}


def _with_facts(things: Rows, facts: Rows) -> Iterator[Record]:
    """Yield a record for each fact of each thing, oldest first; one for a thing without any."""
    of_key = _by_key(facts)
    for key, thing in sorted(things.items()):
        for fact in of_key.get(key[0], [{}]):
            yield {**thing, **fact}


def _residents(rows: dict[str, Rows]) -> Iterator[Record]:
    """Yield a record for each residence; classes beside them, and after them where more."""
    homes, classes = _by_key(rows["residence"]), _by_key(rows["resident_class"])
    for key, person in sorted(rows["resident"].items(), key=lambda item: item[1]["external_id"]):
        subject = key[0]
        facts = zip_longest(homes.get(subject, []), classes.get(subject, []))
        last: Record = {}
        for home, kind in facts:
            last = home or last
            yield {**person, "id": person["external_id"], **last, **_class_columns(kind or {})}


def _trips(rows: dict[str, Rows]) -> Iterator[Record]:
    for trip in _told(rows["trip"]):
        yield {**trip, "resident": rows["resident"][(trip["subject"],)]["external_id"]}


def _told(facts: Rows) -> Iterator[Record]:
    return (fact for of_one in _by_key(facts).values() for fact in of_one)


def _class_columns(kind: Record) -> Record:
    return {
        "class": kind.get("class"),
        "class_since": kind.get("since"),
        "class_until": kind.get("until"),
    }


def _by_key(facts: Rows) -> dict[str, list[Record]]:
    """Return facts by what they are about, oldest first, their times as text."""
    of_key: dict[str, list[Record]] = {}
    for (key, since), fact in sorted(facts.items()):
        until = fact["until"]
        times = {"since": rfc3339(since), "until": None if until is None else rfc3339(until)}
        of_key.setdefault(key, []).append({**fact, **times})
    return of_key
