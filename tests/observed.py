"""Observations and points made directly, where a test cares for their fields alone."""

from typing import Any

from devices.observation import Electricity, Observation
from ingest.measurement import MEASUREMENT_OF
from ingest.point import Point


def observed(kind: type[Observation], **fields: Any) -> Observation:
    """Return an observation of a kind, of some device at some time."""
    return kind(device_id="d", observed_at=0, received_at=0, **fields)


def metered(power_w: float | None = None, energy_wh: float | None = None) -> Observation:
    """Return what a meter says."""
    return observed(Electricity, power_w=power_w, energy_wh=energy_wh)


def fields_of(point: Point) -> dict[str, Any]:
    """Return a point's fields by name, None where nothing is said."""
    measurement = MEASUREMENT_OF[type(point.observation)]
    names = [field.name for field in measurement.fields]
    return dict(zip(names, measurement.values(point.observation), strict=True))
