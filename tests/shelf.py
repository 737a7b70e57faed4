"""A series store of the tests' own: keeps points, refuses or holds as it is told."""

from collections.abc import Callable, Sequence

from devices.observation import Temperature
from devices.outcome import DeadLetter, DeadLetterReason, Ignored, IgnoredReason, Outcome
from ingest.decode_stage import Decode
from ingest.message import Message
from ingest.point import Point
from ingest.refusal import Rejected, StoreHeld, StoreLies


class Shelf:
    """Stands in for a store where a test must decide what the store says."""

    def __init__(self) -> None:
        self.points: dict[tuple[str, int], Point] = {}
        self.held = ""
        self.lies = False
        self.refuses: Callable[[Point], bool] = lambda _: False

    def write(self, points: Sequence[Point]) -> Sequence[Rejected]:
        """Keep what is not refused."""
        if self.held:
            raise StoreHeld(self.held)
        if self.lies:
            return []
        rejected = []
        for index, point in enumerate(points):
            if self.refuses(point):
                rejected.append(Rejected(index, "field type conflict"))
            else:
                self.points[point.series.key, point.time] = point
        return rejected

    def check(self) -> None:
        """Tell of itself when it lies."""
        if self.lies:
            raise StoreLies("it does not keep what it takes")

    def close(self) -> None:
        """Nothing to close."""


def each(decode: Callable[[int, Message], Outcome]) -> Decode:
    """Return what decodes messages one by one."""
    return lambda positions, messages: list(map(decode, positions, messages))


def decode(position: int, message: Message) -> Outcome:
    """Read payloads of the tests' own: ``t 36.5 37.0`` temperatures, ``i`` nothing, else dead."""
    kind, *values = message.payload.decode().split()
    if kind == "i":
        return Ignored(IgnoredReason.LOG_LINE)
    if kind != "t":
        return DeadLetter(DeadLetterReason.MISSING_FIELD, "temperature")
    return tuple(
        Temperature(
            device_id=message.topic,
            observed_at=message.received_at,
            received_at=message.received_at,
            event_id=f"{position}/{index}",
            celsius=float(value),
        )
        for index, value in enumerate(values)
    )
