"""InfluxDB as the series store.

``write`` returns when the server has acknowledged every point with 204, so a point is as durable
as the server makes it; a crash between that and the cursor's commit writes the points again, which
changes nothing. A refused batch (400, 413, 422) is halved until the poison points are alone: what
became of their neighbours differs between versions, and writing them again is harmless. Everything
else (no answer, 401, 403, 404, 429, 5xx, an answer no InfluxDB gives) is about the server, not the
points: StoreHeld, and nothing is dropped.

``influxdb-client`` is the transport only: its batching loses points on exit and on long outages.
"""

import secrets
import time
from collections.abc import Iterator, Sequence

from ingest import influxql
from ingest.influxdb_address import Address
from ingest.influxdb_connection import Connection
from ingest.line_protocol import encode_lines
from ingest.measurement import measurement_named
from ingest.point import NANOSECONDS, Point
from ingest.reading import Bucket, Function, Reading, check_aggregate, check_limit
from ingest.refusal import Rejected, StoreHeld

LINES_A_REQUEST = 5_000
SCANNED_AT_ONCE = 10_000
CANARY = "gatehouse_canary"
_CANARY_SECONDS = 5.0


class InfluxStore:
    """One database or bucket of an InfluxDB 1.x, 2.x or 3 Core."""

    def __init__(self, address: Address) -> None:
        self._connection = Connection(address)

    def write(self, points: Sequence[Point]) -> Sequence[Rejected]:
        """Store all points except those it returns; see SeriesStore."""
        rejected: list[Rejected] = []
        for start in range(0, len(points), LINES_A_REQUEST):
            lines = encode_lines(points[start : start + LINES_A_REQUEST])
            rejected += self._deliver(lines, start)
        return rejected

    def check(self) -> None:
        """Write a canary and read it back; see SeriesStore."""
        value = secrets.randbelow(1 << 62)
        words = self._connection.send(f"{CANARY} value={value}i")
        if words:
            raise StoreHeld(f"{self._connection.name} refuses a plain point: {words}")
        question = influxql.recent(CANARY, value)
        deadline = time.monotonic() + _CANARY_SECONDS
        while not self._connection.ask(question):
            if time.monotonic() > deadline:
                raise StoreHeld(
                    f"{self._connection.name} took a point and does not give it back; check the "
                    "retention policy in GATEHOUSE_SERIES_URL and the server's clock"
                )
            time.sleep(0.1)

    def last(
        self,
        measurement: str,
        *,
        device: str | None = None,
        site: str | None = None,
        grid: str | None = None,
        limit: int = 1_000,
    ) -> list[Reading]:
        """Return the newest reading of each device and channel; see SeriesReader."""
        measurement_named(measurement)
        question = influxql.last(measurement, {"device": device, "site": site, "grid": grid})
        found = influxql.readings(measurement, self._connection.ask(question))
        found.sort(key=lambda reading: (reading.device, reading.channel))
        return found[: check_limit(limit)]

    def range(
        self,
        measurement: str,
        device: str | None = None,
        *,
        since: int,
        until: int,
        site: str | None = None,
        grid: str | None = None,
        limit: int = 10_000,
    ) -> list[Reading]:
        """Return readings, oldest first; see SeriesReader."""
        measurement_named(measurement)
        question = influxql.between(
            measurement,
            {"device": device, "site": site, "grid": grid},
            since=since * NANOSECONDS,
            until=until * NANOSECONDS,
            limit=check_limit(limit),
        )
        return influxql.readings(measurement, self._connection.ask(question))[::-1]

    def scan(
        self,
        measurement: str,
        *,
        since: int,
        until: int,
        device: str | None = None,
        site: str | None = None,
        grid: str | None = None,
    ) -> Iterator[Reading]:
        """Yield every reading of a span, in the order of time; see SeriesReader."""
        measurement_named(measurement)
        filters = {"device": device, "site": site, "grid": grid}
        begin, end, limit = since * NANOSECONDS, until * NANOSECONDS, SCANNED_AT_ONCE
        while True:
            question = influxql.page(measurement, filters, since=begin, until=end, limit=limit)
            found = influxql.readings(measurement, self._connection.ask(question))
            if len(found) < limit:
                yield from found
                return
            last = found[-1].time
            if found[0].time == last:  # More points share a nanosecond than a page holds.
                limit *= 2
                continue
            yield from (reading for reading in found if reading.time < last)
            begin = last

    def aggregate(  # noqa: PLR0913 - the parts of one question
        self,
        measurement: str,
        field: str,
        function: Function,
        *,
        window: int,
        since: int,
        until: int,
        device: str | None = None,
        channel: str | None = None,
        site: str | None = None,
        grid: str | None = None,
    ) -> list[Bucket]:
        """Return one value a window, oldest first; see SeriesReader."""
        check_aggregate(measurement, field, function, window=window, since=since, until=until)
        question = influxql.windows(
            measurement,
            field,
            function,
            window=window,
            since=since,
            until=until,
            filters={"device": device, "channel": channel, "site": site, "grid": grid},
        )
        return influxql.buckets(self._connection.ask(question))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _deliver(self, lines: list[str], start: int) -> list[Rejected]:
        """Send lines, halving what is refused until the refused lines are alone."""
        rejected: list[Rejected] = []
        waiting = [(start, lines)]
        while waiting:
            first, part = waiting.pop()
            words = self._connection.send("\n".join(part))
            if not words:
                continue
            if len(part) == 1:
                rejected.append(Rejected(first, words))
                continue
            half = len(part) // 2
            waiting += [(first + half, part[half:]), (first, part[:half])]
        return rejected
