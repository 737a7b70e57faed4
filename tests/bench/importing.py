"""How long an office's whole register takes to import: from CSV, from a workbook, and once more."""

import csv
import time
from collections.abc import Iterator
from pathlib import Path

from devices.csv_import import MODELS, import_folder
from devices.csv_rows import FILES
from devices.registry_words import Language
from devices.registry_workbook import write_workbook
from gatehouse.database import create, migrate
from tests.bench.results import Results

HOUSEHOLDS = 35_000
RESIDENTS = 100_000
DEVICES = 60_000
_FLATS_A_BUILDING = 100
_BUILDINGS_A_GRID = 4
_NOW = 1_581_674_400_000
"""2020-02-14 18:00 in Wuhan; milliseconds UTC."""
_SINCE = "2019-12-01"

Record = dict[str, object]


def measure(folder: Path) -> Results:
    """Return seconds for each way, each into an empty database but the one once more."""
    folder.mkdir(parents=True)
    (folder / "files").mkdir()
    for name in FILES:
        _write(folder / "files" / name, list(MODELS[name].model_fields), _records()[name])
    workbook = folder / "files.xlsx"
    write_workbook(workbook, FILES, _records(), language=Language.CHINESE)
    new = _import(folder / "csv.db", folder / "files")
    return {
        "import_100k_residents_s": new,
        "import_100k_residents_again_s": _import(folder / "csv.db", folder / "files"),
        "import_100k_residents_xlsx_s": _import(folder / "xlsx.db", workbook),
    }


def _import(database: Path, files: Path) -> float:
    engine = create(f"sqlite:///{database}")
    migrate(engine)
    began = time.perf_counter()
    import_folder(engine, files, now=_NOW)
    took = time.perf_counter() - began
    engine.dispose()
    return round(took, 1)


def _write(path: Path, fields: list[str], records: Iterator[Record]) -> None:
    columns = ["class" if field == "resident_class" else field for field in fields]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(records)


def _records() -> dict[str, Iterator[Record]]:
    made = {
        "sites.csv": iter([{"id": "s", "name": "大华小区", "zone": "Asia/Shanghai"}]),
        "grids.csv": _grids(),
        "buildings.csv": _buildings(),
        "households.csv": _households(),
        "residents.csv": _residents(),
        "devices.csv": _devices(),
    }
    return {name: made.get(name, iter(())) for name in FILES}


def _grids() -> Iterator[Record]:
    for number in range(HOUSEHOLDS // _FLATS_A_BUILDING // _BUILDINGS_A_GRID + 1):
        yield {"id": f"g{number}", "site": "s", "name": f"第{number}网格"}


def _buildings() -> Iterator[Record]:
    for number in range(HOUSEHOLDS // _FLATS_A_BUILDING):
        grid = f"g{number // _BUILDINGS_A_GRID}"
        yield {"id": f"b{number}", "grid": grid, "name": f"{number}号楼"}


def _households() -> Iterator[Record]:
    for number in range(HOUSEHOLDS):
        building, flat = divmod(number, _FLATS_A_BUILDING)
        where = {"building": f"b{building}", "flat": f"{flat // 4 + 1}0{flat % 4 + 1}"}
        state = "empty" if number % 10 == 0 else "occupied"
        yield {"id": f"h{number}", **where, "state": state, "since": _SINCE}


def _residents() -> Iterator[Record]:
    for number in range(RESIDENTS):
        home = {"household": f"h{number % HOUSEHOLDS}", "since": _SINCE}
        who = {"name": f"住户{number}", "phone": f"{13_800_000_000 + number}"}
        kind = {"class": "home_isolation", "class_since": "2020-02-01"} if number % 20 == 0 else {}
        yield {"id": f"r{number}", **home, **who, **kind}


def _devices() -> Iterator[Record]:
    for number in range(DEVICES):
        place = {"place": "household", "site": "s", "household": f"h{number % HOUSEHOLDS}"}
        yield {"id": f"d{number}", "profile": "gatehouse", **place, "since": _SINCE}
