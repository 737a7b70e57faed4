"""Putting the rows of the CSV files into the registry's rows, each reference checked.

A column that a table does not have leaves what is known alone; a blank cell of one that it has is
what it says.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel
from sqlalchemy import Column, Table

from devices.clock import SECOND
from devices.csv_rows import (
    BuildingRow,
    ChannelRow,
    DeviceRow,
    GateRow,
    GridRow,
    HouseholdRow,
    Moment,
    ResidentRow,
    RotaRow,
    SiteRow,
    TripRow,
    VehicleRow,
    WorkerRow,
)
from devices.csv_sheet import Problem, Sheet
from devices.fact_history import Fact, Value, state
from devices.registry_draft import Rows
from devices.tables import HISTORIES, rota


class Merge:
    """The registry as it would be, growing row by row, and what is wrong with the rows."""

    def __init__(
        self, before: Mapping[str, Rows], *, now: int, new_subject: Callable[[], str]
    ) -> None:
        self.problems: list[Problem] = []
        self._rows = {table: dict(rows) for table, rows in before.items()}
        self._facts = {table.name: _facts(before[table.name], table) for table in HISTORIES}
        self._now = now
        self._new_subject = new_subject
        self._subjects = {row["external_id"]: key[0] for key, row in before["resident"].items()}
        self._old_rota = {_duty(row): key[0] for key, row in before["rota"].items()}
        self._next_duty = max(self._old_rota.values(), default=0) + 1
        self._said: dict[tuple[object, ...], tuple[int, object]] = {}
        self._named_devices: list[tuple[int, str, str]] = []
        self._file, self._line = "", 0
        self._unsaid: list[str] = []
        self._takes: dict[type[BaseModel], Callable[[Any], None]] = {
            SiteRow: self._take_site,
            GridRow: self._take_grid,
            BuildingRow: self._take_building,
            GateRow: self._take_gate,
            WorkerRow: self._take_worker,
            ChannelRow: self._take_channel,
            RotaRow: self._take_duty,
            HouseholdRow: self._take_household,
            ResidentRow: self._take_resident,
            TripRow: self._take_trip,
            VehicleRow: self._take_vehicle,
            DeviceRow: self._take_device,
        }

    @property
    def rows(self) -> Mapping[str, Rows]:
        """The registry with what was taken so far; histories as they were before."""
        return self._rows

    def finish(self) -> dict[str, Rows]:
        """Check what could only be checked at the end, and return the registry's rows."""
        for line, column, device in self._named_devices:
            if (device,) not in self._rows["device"]:
                self.problems.append(_unknown("devices.csv", line, column, "device", device))
        self._check_flats()
        self._said.clear()
        for table in HISTORIES:
            self._rows[table.name] = _rows(
                self._facts.pop(table.name), table, self._rows[table.name]
            )
        return self._rows

    def _check_flats(self) -> None:
        """Note every line that makes a second household of one flat; only the end tells."""
        homes: dict[tuple[str, str], str] = {}
        for (number,), row in self._rows["household"].items():
            first = homes.setdefault((row["building"], row["flat"]), number)
            said = [self._said.get(("household", one)) for one in (number, first)]
            lines = [one[0] for one in said if one is not None]
            if first != number and lines:
                problem = f"households {first!r} and {number!r} are one flat"
                self.problems.append(Problem("households.csv", max(lines), "flat", problem))

    def take(self, sheet: Sheet[BaseModel]) -> None:
        """Put one file's rows in; rows of later files may refer to them."""
        self._file = sheet.name
        if sheet.name == "rota.csv":
            self._rows["rota"] = {}
        if sheet.rows:  # All rows of a table have the same columns.
            first = sheet.rows[0][1]
            self._unsaid = [
                name for name in type(first).model_fields if name not in first.model_fields_set
            ]
        for line, row in sheet.rows:
            self._line = line
            self._takes[type(row)](row)

    def _take_site(self, row: SiteRow) -> None:
        self._put("site", (row.id,), row.model_dump())

    def _take_worker(self, row: WorkerRow) -> None:
        self._put("worker", (row.id,), row.model_dump())

    def _take_grid(self, row: GridRow) -> None:
        if self._knows("site", "site", row.site):
            self._put("grid", (row.id,), row.model_dump())

    def _take_gate(self, row: GateRow) -> None:
        if self._knows("site", "site", row.site):
            self._put("gate", (row.site, row.id), row.model_dump() | {"kind": row.kind.value})

    def _take_building(self, row: BuildingRow) -> None:
        if self._knows("grid", "grid", row.grid):
            where = self._rows["grid"][(row.grid,)]["site"]
            self._put("building", (row.id,), {**row.model_dump(), "site": where})

    def _take_channel(self, row: ChannelRow) -> None:
        if not self._knows("worker", "worker", row.worker):
            return
        if ("channels of", row.worker) not in self._said:
            self._said["channels of", row.worker] = (self._line, None)
            channels = self._rows["worker_channel"]
            for key in [key for key in channels if key[0] == row.worker]:
                del channels[key]
        self._put("worker_channel", (row.worker, row.rank), row.model_dump())

    def _take_duty(self, row: RotaRow) -> None:
        known = self._knows("worker", "worker", row.worker)
        known = self._knows("site", "site", row.site) and known
        if row.grid is not None:
            known = self._knows("grid", "grid", row.grid) and known
        if not known:
            return
        weekdays = ",".join(map(str, sorted(row.weekdays)))
        duty = row.model_dump() | {"role": row.role.value, "weekdays": weekdays}
        number = self._old_rota.pop(_duty(duty), None)
        if number is None:
            number, self._next_duty = self._next_duty, self._next_duty + 1
        self._rows["rota"][(number,)] = {"id": number, **duty}

    def _take_household(self, row: HouseholdRow) -> None:
        if not self._knows("building", "building", row.building):
            return
        home = {"id": row.id, "building": row.building, "flat": row.flat}
        self._put("household", (row.id,), home)
        zone = self._zone_of(row.building)
        self._state(
            "household_state", row.id, {"state": row.state.value}, row.since, row.until, zone
        )

    def _take_resident(self, row: ResidentRow) -> None:
        if not self._knows("household", "household", row.household):
            return
        if row.id not in self._subjects:
            self._subjects[row.id] = self._new_subject()
        subject = self._subjects[row.id]
        person = {"external_id": row.id, "name": row.name, "phone": row.phone}
        self._put("resident", (subject,), {"subject": subject, **person})
        zone = self._zone_of(self._rows["household"][(row.household,)]["building"])
        home = {"household": row.household}
        self._state("residence", subject, home, row.since, row.until, zone)
        if row.resident_class is not None:
            kind = {"class": row.resident_class.value}
            begins = row.since if row.class_since is None else row.class_since
            self._state("resident_class", subject, kind, begins, row.class_until, zone)

    def _take_trip(self, row: TripRow) -> None:
        subject = self._subjects.get(row.resident)
        if subject is None:
            unknown = _unknown(self._file, self._line, "resident", "resident", row.resident)
            self.problems.append(unknown)
            return
        home = max(self._facts["residence"][subject].items())[1].value["household"]
        zone = self._zone_of(self._rows["household"][(home,)]["building"])
        self._state("trip", subject, {"reason": row.reason}, row.since, row.until, zone)

    def _take_vehicle(self, row: VehicleRow) -> None:
        if self._knows("household", "household", row.household):
            zone = self._zone_of(self._rows["household"][(row.household,)]["building"])
            home = {"household": row.household}
            self._state("vehicle", row.plate, home, row.since, row.until, zone)

    def _take_device(self, row: DeviceRow) -> None:
        known = self._knows("site", "site", row.site)
        if row.household is not None:
            known = self._knows("household", "household", row.household) and known
        if row.gate is not None:
            known = self._knows("gate", "gate", row.site, row.gate) and known
        if row.worker is not None:
            known = self._knows("worker", "worker", row.worker) and known
        if not known:
            return
        device = row.model_dump(include={"id", "profile", "gateway", "renamed_from"})
        self._put("device", (row.id,), device)
        zone = ZoneInfo(self._rows["site"][(row.site,)]["zone"])
        place = {
            "site": row.site,
            "place": row.place.value,
            "household": row.household,
            "gate": row.gate,
            "worker": row.worker,
        }
        self._state("device_binding", row.id, place, row.since, row.until, zone)
        for column in ("gateway", "renamed_from"):
            if device[column] is not None:
                self._named_devices.append((self._line, column, device[column]))

    def _knows(self, column: str, table: str, *key: str) -> bool:
        """Return whether a row refers to something there is; note the problem if not."""
        known = key in self._rows[table]
        if not known:
            self.problems.append(_unknown(self._file, self._line, column, table, *key))
        return known

    def _put(self, table: str, key: tuple[object, ...], values: dict[str, Any]) -> None:
        """Put a row in; two lines of the files may not say different things of it."""
        known = self._rows[table].get(key)
        if known is not None:
            values |= {name: known[name] for name in self._unsaid if name in values}
        if self._is_contradicted((table, *key), values):
            return
        self._rows[table][key] = known if known == values else values

    def _state(
        self, table: str, key: str, value: Value, since: Moment, until: Moment, zone: ZoneInfo
    ) -> None:
        """Add a fact to a history; two lines may not say different things of one beginning."""
        begins = _milliseconds(since, zone)
        if self._is_contradicted((table, key, begins), value):
            return
        history = self._facts[table].get(key, {})
        try:
            self._facts[table][key] = state(
                history, value, since=begins, until=_milliseconds(until, zone), now=self._now
            )
        except ValueError as error:
            self.problems.append(Problem(self._file, self._line, "until", str(error)))

    def _is_contradicted(self, what: tuple[object, ...], value: object) -> bool:
        line, said = self._said.setdefault(what, (self._line, value))
        if said == value:
            return False
        self.problems.append(Problem(self._file, self._line, "", f"contradicts line {line}"))
        return True

    def _zone_of(self, building: str) -> ZoneInfo:
        site = self._rows["building"][(building,)]["site"]
        return ZoneInfo(self._rows["site"][(site,)]["zone"])


def _unknown(file: str, line: int, column: str, table: str, *key: str) -> Problem:
    """Name what there is not; the last part of a key is its own, those before say where."""
    where = "".join(f" at {part!r}" for part in key[:-1])
    return Problem(file, line, column, f"there is no {table} {key[-1]!r}{where}")


def _duty(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[column.name] for column in rota.columns if column is not rota.c.id)


def _milliseconds(moment: Moment, zone: ZoneInfo) -> int | None:
    """Return a time in milliseconds UTC; a date is its midnight in the zone."""
    return _at(moment, zone) if isinstance(moment, date) else moment


@lru_cache(maxsize=4096)
def _at(moment: date, zone: ZoneInfo) -> int:
    local = moment if isinstance(moment, datetime) else datetime.combine(moment, time())
    return int(local.replace(tzinfo=zone).timestamp()) * SECOND


def _facts(rows: Rows, table: Table) -> dict[str, dict[int, Fact]]:
    """Return a history table's facts by key and beginning."""
    facts: dict[str, dict[int, Fact]] = {}
    names = [column.name for column in _value_columns(table)]
    for (key, since), row in rows.items():
        value = {name: row[name] for name in names}
        facts.setdefault(key, {})[since] = Fact(row["until"], value)
    return facts


def _rows(facts: Mapping[str, Mapping[int, Fact]], table: Table, before: Rows) -> Rows:
    """Return a history table's rows; those that stay as they were are the same objects."""
    name = next(iter(table.primary_key)).name
    rows: Rows = {}
    for key, history in facts.items():
        for since, fact in history.items():
            row = {name: key, "since": since, "until": fact.until, **fact.value}
            known = before.get((key, since))
            rows[(key, since)] = known if known == row and known is not None else row
    return rows


def _value_columns(table: Table) -> list[Column[Any]]:
    return [column for column in table.columns if not column.primary_key and column.name != "until"]
