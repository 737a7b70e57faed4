"""Thresholds: a site inherits what it leaves out, and nothing unknown is accepted."""

import pytest
from pydantic import ValidationError

from alerts.thresholds import Thresholds


def test_site_inherits_what_it_leaves_out() -> None:
    """A site's own number holds there; the community's holds for everything it does not name."""
    thresholds = Thresholds.model_validate(
        {
            "fever": {"high_celsius": 38.2, "contact_celsius": 37.4},
            "sites": {"north": {"fever": {"contact_celsius": 37.2}}},
        }
    )
    north = thresholds.at("north").fever
    assert (north.contact_celsius, north.high_celsius) == (37.2, 38.2)
    assert thresholds.at("south").fever.contact_celsius == 37.4
    assert thresholds.at(None).fever.contact_celsius == 37.4
    assert thresholds.at("north").strangers == thresholds.strangers


@pytest.mark.parametrize(
    "wrong",
    [
        {"fever": {"contact_celcius": 37.2}},
        {"fewer": {}},
        {"sites": {"north": {"fever": {"contact": 37.2}}}},
        {"strangers": {"tries": 0}},
        {"fever": {"contact_celsius": "warm"}},
    ],
)
def test_unknown_and_impossible_numbers_are_refused(wrong: dict[str, object]) -> None:
    """A misspelt threshold is never silently the default."""
    with pytest.raises(ValidationError):
        Thresholds.model_validate(wrong)


def test_defaults_are_those_of_the_specification() -> None:
    """The numbers that decide who is paged are exactly these."""
    fever, empty, strangers = (Thresholds().fever, Thresholds().occupancy, Thresholds().strangers)
    assert (fever.contact_celsius, fever.infrared_celsius) == (37.3, 37.0)
    assert (fever.high_celsius, fever.critical_celsius, fever.low_celsius) == (38.0, 39.0, 35.0)
    assert (fever.plausible_from_celsius, fever.plausible_to_celsius) == (34.0, 42.5)
    assert (fever.recheck_from_minutes, fever.recheck_to_minutes) == (5, 30)
    assert (fever.infrared_wait_minutes, fever.join_seconds) == (15, 90)
    assert (fever.ambient_from_celsius, fever.ambient_to_celsius) == (16, 35)
    assert (fever.late_hours, fever.late_hours_at_gate, empty.late_hours) == (12, 2, 72)
    assert (fever.baseline_readings, fever.baseline_days, fever.baseline_z) == (10, 7, 3)
    assert (fever.baseline_floor_celsius, fever.baseline_rise_celsius) == (0.2, 0.8)
    assert (empty.base_days, empty.base_needs_days, empty.base_default_w) == (14, 3, 60)
    assert (empty.active_factor, empty.active_margin_w, empty.active_half_hours) == (2, 50, 4)
    assert (empty.active_days, empty.within_days, empty.daily_margin_kwh) == (2, 3, 1)
    assert (strangers.tries, strangers.within_minutes) == (3, 10)
