"""A registry as the CSV files an office would write, for tests of the whole service."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ALWAYS = {"weekdays": "mon-sun", "begins": "00:00", "ends": "24:00"}
ROLES = ("guard", "grid_worker", "secretary", "street_command", "operator")


@dataclass(frozen=True, slots=True)
class Flat:
    """A household with one resident and the devices bound to it, as (id, profile)."""

    id: str
    devices: tuple[tuple[str, str], ...]


def write_registry(folder: Path, flats: Sequence[Flat], *, channel: str = "demo://phone") -> Path:
    """Write one site, gate, grid and building with these flats, and a worker always on call."""
    folder.mkdir(parents=True, exist_ok=True)
    site = {"id": "s", "name": "S", "community": "C", "zone": "Asia/Shanghai"}
    _write(folder / "sites.csv", [site])
    gate = {"id": "north", "site": "s", "name": "North", "kind": "gate", "rank": "1"}
    _write(folder / "gates.csv", [gate])
    _write(folder / "grids.csv", [{"id": "g", "site": "s", "name": "G"}])
    _write(folder / "buildings.csv", [{"id": "b", "grid": "g", "name": "B"}])
    _write(folder / "workers.csv", [{"id": "w", "name": "W"}])
    _write(folder / "channels.csv", [{"worker": "w", "rank": "1", "url": channel}])
    on_call = [{"worker": "w", "role": role, "site": "s", "grid": "", **ALWAYS} for role in ROLES]
    _write(folder / "rota.csv", on_call)
    _write(folder / "households.csv", [_household(flat) for flat in flats])
    _write(folder / "residents.csv", [_resident(flat) for flat in flats])
    devices = [_device(flat, *device) for flat in flats for device in flat.devices]
    _write(folder / "devices.csv", devices)
    return folder


def _household(flat: Flat) -> dict[str, str]:
    return _since({"id": flat.id, "building": "b", "flat": flat.id, "state": "occupied"})


def _resident(flat: Flat) -> dict[str, str]:
    person = {"id": f"r-{flat.id}", "household": flat.id, "name": "N", "phone": ""}
    return _since(person) | {"class": "", "class_since": "", "class_until": ""}


def _device(flat: Flat, name: str, profile: str) -> dict[str, str]:
    place = {"place": "household", "site": "s", "household": flat.id, "gate": "", "worker": ""}
    return _since({"id": name, "profile": profile, **place, "gateway": ""})


def _since(row: dict[str, str]) -> dict[str, str]:
    return row | {"since": "2020-01-01", "until": ""}


def _write(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
