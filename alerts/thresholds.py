"""Every number the rules compare with, and where it comes from.

Each may be set for the whole community and again for one site; a site inherits what it leaves out.
Temperatures are degrees Celsius and are compared after rounding half up to 0.1.
"""

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator

_SINGLE_PRECISION = 5e-5
"""Tenths of a degree that a value may be short of a half because a device counts in 32 bits."""


def tenths(celsius: float) -> int:
    """Return a temperature in tenths of a degree, rounded half up: 37.25 is 373."""
    return math.floor(celsius * 10 + 0.5 + _SINGLE_PRECISION)


class FeverTenths(NamedTuple):
    """The fever thresholds that readings are compared with, in tenths of a degree."""

    contact: int
    infrared: int
    rectal: int
    high: int
    critical: int
    low: int
    plausible_from: int
    plausible_to: int


class FeverThresholds(BaseModel):
    """When a temperature is a fever.

    Source: Wuhan command post, order of 10 February 2020 (above 37.3 reported at once, measured
    twice a day); ISO 80601-2-56 and IEC 80601-2-59 (what instruments promise); Dzien 2020
    (10.1007/s00508-020-01754-2: foreheads read cold after frost); Ley 2023 (PMC10481327) and
    Geneva 2019 (PMC6456186: normal ranges by body site); Smarr 2020 (own baseline).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    contact_celsius: float = Field(
        default=37.3,
        description="A contact reading (armpit, mouth, ear) from here on is a fever's.",
    )
    infrared_celsius: float = Field(
        default=37.0,
        description="An infrared reading (forehead, wrist) from here on asks for a recheck.",
    )
    rectal_celsius: float = Field(
        default=38.0,
        description="A rectal reading from here on is a fever's (WHO; healthy up to 37.8).",
    )
    high_celsius: float = Field(
        default=38.0, description="From here on one contact reading is enough."
    )
    critical_celsius: float = Field(default=39.0, description="From here on critical.")
    low_celsius: float = Field(default=35.0, description="Below it a reading is low, never normal.")
    plausible_from_celsius: float = Field(default=34.0, description="Below it no living body's.")
    plausible_to_celsius: float = Field(default=42.5, description="Above it no living body's.")
    recheck_from_minutes: float = Field(
        default=5, description="Two contact readings at least so far apart."
    )
    recheck_to_minutes: float = Field(
        default=30, description="Two contact readings at most so far apart."
    )
    infrared_wait_minutes: float = Field(
        default=15,
        description="A high infrared reading waits so long for a recheck, then it pages.",
    )
    ambient_from_celsius: float = Field(
        default=16, description="Infrared is inconclusive in colder air."
    )
    ambient_to_celsius: float = Field(
        default=35, description="Infrared is inconclusive in warmer air."
    )
    join_seconds: float = Field(
        default=90,
        description="Readings without a subject join on one device when at most so far apart.",
    )
    late_hours: float = Field(
        default=12, description="Older evidence opens a watch, never a ladder."
    )
    late_hours_at_gate: float = Field(
        default=2, description="The same, of readings at a checkpoint."
    )
    baseline_readings: int = Field(
        default=10, description="A person's own baseline needs so many readings."
    )
    baseline_days: float = Field(default=7, description="And they must span so many days.")
    baseline_z: float = Field(
        default=3,
        description="Robust standard deviations above the own median that are worth a watch.",
    )
    baseline_floor_celsius: float = Field(
        default=0.2, description="Least deviation assumed of anybody."
    )
    baseline_rise_celsius: float = Field(
        default=0.8, description="And at least so far above the median."
    )

    @cached_property
    def tenths(self) -> FeverTenths:
        """The thresholds of readings, in tenths of a degree."""
        return FeverTenths(
            *(tenths(getattr(self, f"{name}_celsius")) for name in FeverTenths._fields)
        )


class OccupancyThresholds(BaseModel):
    """When an electricity meter says that somebody lives in a flat that is registered empty.

    Source: Kleiminger 2013 and 2015, Becker and Kleiminger 2018 (half-hour means are as good as
    finer ones); twice the 20th percentile had 97 % specificity on ECO's labelled days; CSO Ireland
    2021 (a vacant dwelling uses about 2 kWh a day: a fridge).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    base_days: int = Field(
        default=14, ge=3, le=14, description="The base load is taken over so many days."
    )
    base_needs_days: int = Field(
        default=3, description="With fewer days known, the default stands for it."
    )
    base_default_w: float = Field(default=60, description="Base load of a flat nobody knows yet.")
    base_percentile: float = Field(
        default=20, description="Percentile of half-hour means that is the base."
    )
    active_factor: float = Field(default=2, description="Active: more than so many times the base,")
    active_margin_w: float = Field(default=50, description="and more than so far above it.")
    active_half_hours: int = Field(default=4, description="So many in a local day open a watch.")
    active_days: int = Field(default=2, description="So many such days make it an incident,")
    within_days: int = Field(default=3, description="when they lie within so many days.")
    daily_margin_kwh: float = Field(
        default=1,
        description="A meter read once a day: a day so far above the base counts instead.",
    )
    fridge_kwh: float = Field(
        default=2, description="A day below it is a fridge, whatever the base."
    )
    daily_from_hours: float = Field(
        default=20, description="A counter's difference over so long says nothing of half-hours,"
    )
    daily_to_hours: float = Field(
        default=26, description="and over more than so long nothing of a single day either."
    )
    late_hours: float = Field(
        default=72, description="Older evidence opens a watch, never a ladder."
    )


class StrangersThresholds(BaseModel):
    """When unknown faces at a gate are worth a page.

    Source: terminals' recognition interval of 1 to 10 s (ATN and Hikvision manuals); a watchman
    looks up at the third attempt, single ones are visitors and bad light.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    tries: int = Field(default=3, ge=1, le=20, description="So many tries page the guard,")
    within_minutes: float = Field(default=10, description="when they lie within so many minutes.")
    same_try_seconds: float = Field(
        default=10, description="Pictures at most so far apart are one try."
    )
    late_hours: float = Field(
        default=2, description="Older evidence opens a watch, never a ladder."
    )


class DeviceThresholds(BaseModel):
    """When a device needs somebody to look after it. Its silence is its profile's to say."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    battery_low_percent: float = Field(default=10, description="At or below it the battery is low,")
    battery_good_percent: float = Field(
        default=20, description="at or above it it has been changed."
    )
    clock_ahead_minutes: float = Field(
        default=3, ge=1, description="A device's clock that is further ahead of ours is off,"
    )
    clock_behind_minutes: float = Field(
        default=5,
        ge=1,
        description="as is one that was further behind in every message of an hour; "
        "within half of both it is right again.",
    )


class Thresholds(BaseModel):
    """All of them: for the community, and for a site that differs.

    ``sites`` maps a site's id to the same four sections with only what differs in them, as in
    ``[thresholds.sites.north.fever] contact_celsius = 37.2``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    fever: FeverThresholds = FeverThresholds()
    occupancy: OccupancyThresholds = OccupancyThresholds()
    strangers: StrangersThresholds = StrangersThresholds()
    device: DeviceThresholds = DeviceThresholds()
    sites: Mapping[str, "Thresholds"] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _inherit(cls, given: Any) -> Any:
        """Fill what a site leaves out from the community's own sections."""
        if not isinstance(given, Mapping) or not isinstance(given.get("sites"), Mapping):
            return given
        common = {name: section for name, section in given.items() if name != "sites"}
        sites = {name: _laid_over(common, site) for name, site in given["sites"].items()}
        return {**common, "sites": sites}

    def at(self, site: str | None) -> "Thresholds":
        """Return what holds at a site."""
        return self.sites.get(site, self) if site is not None else self


def _laid_over(common: Any, special: Any) -> Any:
    if not isinstance(common, Mapping) or not isinstance(special, Mapping):
        return special
    return {
        name: _laid_over(common.get(name), special[name]) if name in special else common[name]
        for name in {**common, **special}
    }
