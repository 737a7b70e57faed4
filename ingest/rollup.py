"""Rollups: what stays of the raw points when they are gone, the same numbers in every store.

A row of a rollup says what the points of one series in one window came to, and is made from these
points alone, so a window may be computed again at any time: a late point changes its own hour and
day and nothing else. Hours are hours of UTC; days begin at midnight of the settings' zone without
its summer time, as that is the only day that InfluxDB 1.x, 2.x and SQLite can all count.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

import msgspec

from devices.clock import DAY, HOUR, SECOND
from devices.observation import BodySite, Direction
from ingest.measurement import FieldKind

LATE_DAYS = 10
"""Windows this old are computed again once a day: no device time older than 7 days is believed, and
the journal holds what a dead store missed for 3 days."""
SOON_HOURS = 3
"""Hours this old are computed again every hour."""


class Span(StrEnum):
    """How long the windows of a rollup are."""

    HOURLY = "hourly"
    DAILY = "daily"

    @property
    def length(self) -> int:
        """Milliseconds."""
        return HOUR if self is Span.HOURLY else DAY

    @property
    def policy(self) -> str:
        """What InfluxDB's retention policy of these rows is called."""
        return f"gatehouse_{self.value}"


class Summary(StrEnum):
    """How the values of a window become one; InfluxQL, Flux and SQL all know these."""

    MIN = "min"
    MEAN = "mean"
    MAX = "max"
    COUNT = "count"
    LAST = "last"


class RollupField(msgspec.Struct, frozen=True):
    """One field of a rollup: ``summary`` of the measurement's field ``of``."""

    name: str
    summary: Summary
    of: str
    says: str

    @property
    def kind(self) -> FieldKind:
        """Its type."""
        return FieldKind.INTEGER if self.summary is Summary.COUNT else FieldKind.FLOAT


class Rollup(msgspec.Struct, frozen=True):
    """One measurement of rows a window.

    Attributes:
        measurement: Of the raw points.
        where: A text field and the values that count; None: all points do.
    """

    name: str
    measurement: str
    fields: tuple[RollupField, ...]
    where: tuple[str, tuple[str, ...]] | None = None


def _temperature(name: str, *body_sites: BodySite) -> Rollup:
    fields = (
        RollupField("min_celsius", Summary.MIN, "celsius", "the lowest of the window"),
        RollupField("mean_celsius", Summary.MEAN, "celsius", "the mean of the window"),
        RollupField("max_celsius", Summary.MAX, "celsius", "the highest of the window"),
        RollupField("count", Summary.COUNT, "celsius", "how many readings"),
    )
    return Rollup(name, "temperature", fields, ("body_site", tuple(s.value for s in body_sites)))


def _crossings(name: str, *directions: Direction) -> Rollup:
    says = "how many, admitted, refused or unknown"
    fields = (RollupField("count", Summary.COUNT, "outcome", says),)
    where = ("direction", tuple(each.value for each in directions)) if directions else None
    return Rollup(name, "crossing", fields, where)


ROLLUPS: tuple[Rollup, ...] = (
    _temperature(
        "contact_temperature",
        BodySite.AXILLARY,
        BodySite.ORAL,
        BodySite.TYMPANIC,
        BodySite.RECTAL,
    ),
    _temperature("infrared_temperature", BodySite.FOREHEAD, BodySite.WRIST, BodySite.UNKNOWN),
    _temperature("room_temperature", BodySite.AMBIENT),
    Rollup(
        "consumption",
        "electricity",
        (
            RollupField("mean_power_w", Summary.MEAN, "power_w", "mean power"),
            RollupField("max_power_w", Summary.MAX, "power_w", "highest power"),
            RollupField(
                "energy_wh",
                Summary.LAST,
                "energy_wh",
                "the meter's counter at the window's end; used is what it rose by",
            ),
        ),
    ),
    _crossings("crossings"),
    _crossings("entries", Direction.IN),
    _crossings("exits", Direction.OUT),
)
"""Names that no measurement of raw points has."""


def rollup_named(name: str) -> Rollup:
    """Return a rollup by name.

    Raises:
        ValueError: There is none of that name.
    """
    for rollup in ROLLUPS:
        if rollup.name == name:
            return rollup
    raise ValueError(f"no rollup {name!r}; there are {', '.join(each.name for each in ROLLUPS)}")


def day_offset(zone: ZoneInfo, at: int) -> int:
    """Return when a day begins, in milliseconds after (or before) midnight UTC.

    Args:
        zone: Whose standard time counts; its summer time is left out.
        at: Milliseconds UTC, as zones have changed their minds over the years.
    """
    local = datetime.fromtimestamp(at / SECOND, zone)
    ahead = (local.utcoffset() or timedelta()) - (local.dst() or timedelta())
    return -round(ahead.total_seconds()) * SECOND


def window_of(at: int, span: Span, offset: int) -> int:
    """Return the beginning of the window that a moment is in; both milliseconds UTC."""
    shift = offset if span is Span.DAILY else 0
    return (at - shift) // span.length * span.length + shift
