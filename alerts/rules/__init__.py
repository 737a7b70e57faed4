"""The rules: one thing to notice each, pure."""

from typing import Any

from alerts.rule import Rule
from alerts.rules.fever import Fever

RULES: tuple[Rule[Any], ...] = (Fever(),)
"""Every rule the engine applies."""
