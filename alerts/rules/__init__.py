"""The rules: one thing to notice each, pure."""

from typing import Any

from alerts.rule import Rule
from alerts.rules.battery import BatteryLow
from alerts.rules.clock import ClockOff
from alerts.rules.device import DeviceSilent
from alerts.rules.fever import Fever
from alerts.rules.occupancy import Occupancy
from alerts.rules.strangers import Strangers

RULES: tuple[Rule[Any], ...] = (
    Fever(),
    Occupancy(),
    Strangers(),
    DeviceSilent(),
    BatteryLow(),
    ClockOff(),
)
"""Every rule the engine applies."""
