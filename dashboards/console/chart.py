"""From readings to the shapes of a line chart. Pure; the template draws them as SVG."""

import math
from collections.abc import Mapping, Sequence

import msgspec

from devices.clock import HOUR

WIDTH, HEIGHT = 440, 260
LEFT, RIGHT, TOP, BOTTOM = 46, 22, 12, 30
DOTS = 60
_STEPS = (1, 2, 5, 10)
_GAPS = (1, 2, 3, 6, 12, 24, 48, 72, 240)


class Tick(msgspec.Struct, frozen=True):
    """A labelled place on an axis; ``value`` is a number, or a time in milliseconds UTC."""

    at: float
    value: float


class Trace(msgspec.Struct, frozen=True):
    """One channel's line, and its single points where there are few."""

    name: str
    path: str
    dots: tuple[tuple[float, float], ...]


class Line(msgspec.Struct, frozen=True):
    """A threshold across the chart."""

    y: float
    name: str
    value: float


class Chart(msgspec.Struct, frozen=True):
    """Everything a template needs to draw it, in the units of its view box."""

    traces: tuple[Trace, ...]
    values: tuple[Tick, ...]
    times: tuple[Tick, ...]
    lines: tuple[Line, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT


def draw(
    channels: Mapping[str, Sequence[tuple[int, float]]],
    *,
    since: int,
    until: int,
    thresholds: Sequence[tuple[str, float]] = (),
) -> Chart:
    """Lay out a chart.

    Args:
        channels: By name, (milliseconds UTC, value), oldest first; at least one point in all.
        since: The left edge; milliseconds UTC.
        until: The right edge.
        thresholds: (name, value) to be drawn across where they lie near the data.
    """
    measured = [value for points in channels.values() for _, value in points]
    low, high, step = _range(measured, [value for _, value in thresholds])

    def x(at: float) -> float:
        return round(LEFT + (at - since) / (until - since) * (WIDTH - LEFT - RIGHT), 1)

    def y(value: float) -> float:
        return round(TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)

    def trace(name: str, points: Sequence[tuple[int, float]]) -> Trace:
        dots = tuple((x(at), y(value)) for at, value in points)
        path = " ".join(f"{'L' if index else 'M'}{a},{b}" for index, (a, b) in enumerate(dots))
        return Trace(name, path, dots if len(measured) <= DOTS else ())

    marks = range(round((high - low) / step) + 1)
    return Chart(
        traces=tuple(trace(name, points) for name, points in channels.items()),
        values=tuple(Tick(y(low + n * step), round(low + n * step, 6)) for n in marks),
        times=tuple(Tick(x(at), at) for at in _hours(since, until)),
        lines=tuple(Line(y(at), name, at) for name, at in thresholds if low <= at <= high),
    )


def _range(values: Sequence[float], thresholds: Sequence[float]) -> tuple[float, float, float]:
    """Return (from, to, step) of the value axis: round numbers with room for near thresholds."""
    low, high = min(values), max(values)
    margin = max(high - low, 1.0)
    near = [one for one in thresholds if low - margin <= one <= high + margin]
    low, high = min([low, *near]), max([high, *near])
    rough = max(high - low, 0.4) / 5
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(n * magnitude for n in _STEPS if n * magnitude >= rough * 0.999)
    return math.floor(low / step) * step, (math.floor(high / step) + 1) * step, step


def _hours(since: int, until: int) -> list[int]:
    """Return at most four full hours to label: a date and a time are wide, and a phone is not."""
    hours = (until - since) / HOUR
    gap = next((gap for gap in _GAPS if hours / gap <= 3), _GAPS[-1]) * HOUR
    first = math.ceil(since / gap) * gap
    return list(range(first, until + 1, gap))
