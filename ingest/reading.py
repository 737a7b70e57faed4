"""What is read back from a series store."""

from enum import StrEnum

import msgspec

from ingest.measurement import FieldKind, measurement_named
from ingest.point import NANOSECONDS

Value = float | int | bool | str

MAX_READINGS = 50_000
"""Rows one call returns at most, whatever limit it names."""
END_OF_TIME = (1 << 63) // NANOSECONDS - 1
"""Milliseconds UTC beyond every time a store can hold: in the year 2262."""


class Reading(msgspec.Struct, frozen=True, gc=False):
    """One stored point.

    Attributes:
        at: Milliseconds UTC.
        fields: Those that say something.
        digits: Nanoseconds beyond ``at``, 0 to 999,999; they tell events of a millisecond apart.
    """

    at: int
    device: str
    channel: str
    site: str
    grid: str
    fields: dict[str, Value]
    digits: int = 0

    @property
    def time(self) -> int:
        """Nanoseconds UTC."""
        return self.at * NANOSECONDS + self.digits


class Bucket(msgspec.Struct, frozen=True, gc=False):
    """One window of an aggregate; ``at`` is its beginning, in milliseconds UTC."""

    at: int
    value: float


class Function(StrEnum):
    """How the values of a window become one."""

    MEAN = "mean"
    MAX = "max"
    MIN = "min"
    COUNT = "count"
    SUM = "sum"


def check_limit(limit: int) -> int:
    """Return the number of rows to read.

    Raises:
        ValueError: Not between 1 and MAX_READINGS.
    """
    if not 1 <= limit <= MAX_READINGS:
        raise ValueError(f"the limit must be 1 to {MAX_READINGS}, not {limit}")
    return limit


def check_aggregate(
    measurement: str, field: str, function: Function, *, window: int, since: int, until: int
) -> None:
    """Refuse an aggregate that makes no sense or would return too much.

    Raises:
        ValueError: Which part of the question is wrong.
    """
    kind = measurement_named(measurement).field(field).kind
    if function is not Function.COUNT and kind not in (FieldKind.FLOAT, FieldKind.INTEGER):
        raise ValueError(f"{measurement}.{field} is no number; only its count can be asked")
    if window < 1 or (until - since) // window >= MAX_READINGS:
        raise ValueError(f"the window must be at least 1 ms and give at most {MAX_READINGS} values")
