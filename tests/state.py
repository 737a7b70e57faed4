"""A state database of one test, and the small community most tests of incidents need."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Engine

from alerts import tables as alert_tables
from alerts.finding import Action, Finding, IncidentKind
from devices import tables as device_tables
from devices.registry import OnCall, Registry, Role
from gatehouse.database import create

ALWAYS = frozenset(range(7))
ROTA = (
    ("guard", Role.GUARD, None),
    ("worker", Role.GRID_WORKER, "g1"),
    ("secretary", Role.SECRETARY, None),
    ("street", Role.STREET_COMMAND, None),
    ("operator", Role.OPERATOR, None),
)


def open_state(folder: Path) -> Engine:
    """Return the state database in a folder, made empty where there is none."""
    engine = create(f"sqlite:///{folder / 'state.db'}")
    device_tables.metadata.create_all(engine)
    alert_tables.metadata.create_all(engine)
    return engine


def make_registry(
    *,
    absent: Sequence[str] = (),
    channels: Mapping[str, tuple[str, ...]] | None = None,
) -> Registry:
    """Return a community where everybody but the absent is always on call, with a fake phone."""
    addresses = {worker: (f"phone://{worker}",) for worker, _, _ in ROTA} | dict(channels or {})
    return Registry(
        zones={"east": ZoneInfo("Asia/Shanghai")},
        rota=[
            OnCall(worker, role, "east", grid, ALWAYS, 0, 1440)
            for worker, role, grid in ROTA
            if worker not in absent
        ],
        channels=addresses,
    )


FEVER = Finding(
    action=Action.OPEN,
    rule="fever",
    key="subject:s1",
    kind=IncidentKind.FEVER,
    observed_at=0,
    position=7,
    device_id="thermometer-1",
    site="east",
    grid="g1",
    building="b12",
    subject="s1",
    evidence={"celsius": 37.9},
)


def fever(**changes: Any) -> Finding:
    """Return a finding of a minor fever, with what a test wants different."""
    return msgspec.structs.replace(FEVER, **changes)
