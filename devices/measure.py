"""What a number in an observation may be: its units, their conversion, and what is possible.

Units are SI symbols, so their letters' case counts: ``mW`` is not ``MW``.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from devices.observation import BodySite
from devices.outcome import DeadLetterReason, DecodeError
from devices.path import BLANK
from devices.source import Source

Conversion = tuple[float, float]
"""(factor, offset): value × factor + offset gives the observation's unit."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)

BODY_CELSIUS = (25.0, 45.0)
"""Living bodies and the skin of somebody who comes in from the frost; a rule judges closer."""

AMBIENT_CELSIUS = (-60.0, 80.0)
"""Rooms and the open air; leaves out the 85.0 that a DS18B20 says before its first conversion."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A number of an observation.

    Attributes:
        units: Conversions by unit; the first is the observation's own.
        low, high: What is possible, in the observation's unit, both included.
        spellings: Other words for the units, as payloads that name their unit write them.
    """

    units: Mapping[str, Conversion]
    low: float
    high: float
    spellings: Mapping[str, str] = field(default_factory=dict)


_TEMPERATURE_UNITS: dict[str, Conversion] = {
    "C": (1.0, 0.0),
    "F": (5 / 9, -160 / 9),
    "K": (1.0, -273.15),
}
_TEMPERATURE_WORDS = {
    "°C": "C",
    "℃": "C",
    "Cel": "C",
    "celsius": "C",
    "degC": "C",
    "°F": "F",
    "fahrenheit": "F",
    "degF": "F",
    "kelvin": "K",
}
CELSIUS = Measure(_TEMPERATURE_UNITS, -500.0, 500.0, _TEMPERATURE_WORDS)
"""Bounded here only against nonsense; :func:`possible_celsius` knows what it is of."""

AMBIENT = Measure(_TEMPERATURE_UNITS, *AMBIENT_CELSIUS, _TEMPERATURE_WORDS)
POWER_W = Measure(
    {"W": (1.0, 0.0), "kW": (1e3, 0.0), "MW": (1e6, 0.0), "mW": (1e-3, 0.0)}, -1e7, 1e7
)
ENERGY_WH = Measure(
    {
        "Wh": (1.0, 0.0),
        "kWh": (1e3, 0.0),
        "MWh": (1e6, 0.0),
        "mWh": (1e-3, 0.0),
        "Wmin": (1 / 60, 0.0),
        "J": (1 / 3600, 0.0),
    },
    0.0,
    1e12,
)
SHARE = Measure({"ratio": (1.0, 0.0), "percent": (0.01, 0.0)}, 0.0, 1.0)
PERCENT = Measure({"percent": (1.0, 0.0), "ratio": (100.0, 0.0)}, 0.0, 100.0)
SIGNAL = Measure({"": (1.0, 0.0)}, -1e6, 1e6)
COUNT = Measure({"": (1.0, 0.0)}, 0.0, float(2**53))


def possible_celsius(body_site: BodySite) -> tuple[float, float]:
    """Return the lowest and highest temperature that can be true of a body site."""
    return AMBIENT_CELSIUS if body_site is BodySite.AMBIENT else BODY_CELSIUS


def convert(value: float, conversion: Conversion) -> float:
    """Return a value in the observation's unit, without the dust of binary fractions."""
    factor, offset = conversion
    converted = value * factor + offset
    return converted if converted.is_integer() else round(converted, 6)


def write_convert(source: Source, value: str, conversion: Conversion) -> None:
    """Write the same for a variable that holds a number."""
    factor, offset = map(source.number, conversion)
    source.line(f"{value} = {value} * {factor} + {offset}")
    with source.inside(f"if not {value}.is_integer():"):
        source.line(f"{value} = round({value}, 6)")


def parse_number(text: str, where: str) -> float:
    """Return the number a text says.

    Raises:
        DecodeError: WRONG_TYPE, the text is not a decimal number (nor are ``nan``, ``inf``,
            Python's underscores, other scripts' digits); OUT_OF_RANGE, no double holds it.
    """
    is_plain = text.isascii() and text.replace(".", "", 1).isdecimal()
    if not is_plain and not _NUMBER.fullmatch(text.strip()):
        raise DecodeError(DeadLetterReason.WRONG_TYPE, where)
    number = float(text)
    if math.isinf(number):
        raise DecodeError(DeadLetterReason.OUT_OF_RANGE, where)
    return number


def as_number(value: object, where: str) -> float | int:
    """Return a number, or the number that a text says.

    Raises:
        DecodeError: WRONG_TYPE, it is neither; OUT_OF_RANGE.
    """
    if isinstance(value, str):
        return parse_number(value, where)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DecodeError(DeadLetterReason.WRONG_TYPE, where)
    return value


def text_number(text: str, where: str, absent: tuple[float | str, ...]) -> float | None:
    """Return the number a text says, None where it is blank or one that means there is none.

    Raises:
        DecodeError: As :func:`parse_number`.
    """
    if text.strip() in BLANK:
        return None
    number = parse_number(text, where)
    return None if number in absent else number
