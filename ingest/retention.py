"""How long the time series are kept, and a step of bringing a store to that.

One number holds for all raw points, as InfluxDB has one retention for a database or bucket.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from devices.clock import DAY
from ingest.rollup import LATE_DAYS, Span

SHORTEST_RAW_DAYS = 14
"""The base load of a flat is taken over 14 days, which a trial of the rules reads from the raw
points; late ones are rolled up for 10 days, and Grafana's pages begin with 7."""
_LONGEST_DAYS = 100 * 366


class Retention(BaseModel):
    """Days that the time series are kept.

    Attributes:
        raw_days: Every single reading.
        hourly_days: What each hour came to.
        daily_days: What each day came to.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    raw_days: int = Field(default=45, le=_LONGEST_DAYS)
    hourly_days: int = Field(default=400, le=_LONGEST_DAYS)
    daily_days: int = Field(default=1_100, le=_LONGEST_DAYS)

    @field_validator("raw_days")
    @classmethod
    def _long_enough(cls, days: int) -> int:
        if days < SHORTEST_RAW_DAYS:
            raise ValueError(
                f"must be {SHORTEST_RAW_DAYS} or more, not {days}: trying rules reads 14 days, "
                f"dashboards 7, and late readings change the rollups of {LATE_DAYS}"
            )
        return days

    @model_validator(mode="after")
    def _grow(self) -> Self:
        if not self.raw_days <= self.hourly_days <= self.daily_days:
            raise ValueError(
                "raw_days, hourly_days and daily_days must grow in this order: "
                f"{self.raw_days}, {self.hourly_days} and {self.daily_days} do not"
            )
        return self

    def kept(self, span: Span | None) -> int:
        """Return how long rows of a span, or raw points, are kept; milliseconds."""
        days = {None: self.raw_days, Span.HOURLY: self.hourly_days, Span.DAILY: self.daily_days}
        return days[span] * DAY


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to change in a store.

    Attributes:
        says: In a sentence without a capital or a full stop, like "make the bucket b".
        act: Does it; raises StoreHeld.
        deletes: Whether stored data would be gone.
    """

    says: str
    act: Callable[[], object]
    deletes: bool = False


class SeriesSchema(Protocol):
    """What a kind of store needs done to keep and roll up as the settings say."""

    def plan(self, since: int | None = None) -> list[Step]:
        """Return what differs from the settings, in the order in which to change it.

        Args:
            since: Roll up what is there since then, milliseconds UTC; None: only if nothing is yet.

        Raises:
            StoreHeld: The store cannot be asked.
        """
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


def for_days(milliseconds: int) -> str:
    """Return how long, as people say it; 0 is for ever."""
    return f"{milliseconds / DAY:g} days" if milliseconds else "for ever"
