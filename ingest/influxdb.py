"""InfluxDB as the series store.

``write`` returns when the server has acknowledged every point with 204, so a point is as durable
as the server makes it; a crash between that and the cursor's commit writes the points again, which
changes nothing. At most two requests are in flight. A refused body (400, 413, 422) is taken apart
until what the server will never take is alone (influxdb_refusal.py); where its words are not
surely about lines, it must accept a plain point first. Everything else (no answer, 401, 403, 404,
429, 5xx, an answer no InfluxDB gives) is about the server, not the points: StoreHeld, and nothing
is dropped.

``influxdb-client`` is the transport only: its batching loses points on exit and on long outages.
"""

import secrets
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from math import ceil

from devices.clock import wall_now
from ingest import influxql, rollup_influxql
from ingest.influxdb_address import Address
from ingest.influxdb_connection import Connection
from ingest.influxdb_refusal import Line, Refusal, sort_out
from ingest.line_protocol import encode_lines
from ingest.measurement import CANARY, measurement_named
from ingest.point import NANOSECONDS, Point
from ingest.reading import Bucket, Function, Reading, check_aggregate, check_limit
from ingest.refusal import Rejected, StoreHeld, StoreLies
from ingest.rollup import Span, rollup_named

LINES_A_REQUEST = 5_000
SCANNED_AT_ONCE = 10_000
_CANARY_SECONDS = 5.0


class InfluxStore:
    """One database or bucket of an InfluxDB 1.x, 2.x or 3 Core."""

    def __init__(self, address: Address) -> None:
        self._connection = Connection(address)
        self._rolls_up = address.version < 3

    def write(self, points: Sequence[Point]) -> Sequence[Rejected]:
        """Store all points except those it returns; see SeriesStore."""
        return _Delivery(self._connection, points).run()

    def check(self) -> None:
        """Write a canary and read it back; see SeriesStore."""
        question = influxql.recent(CANARY, _plant(self._connection))
        deadline = time.monotonic() + _CANARY_SECONDS
        while not self._connection.ask(question):
            if time.monotonic() > deadline:
                raise StoreLies(
                    f"{self._connection.name} took a point and does not give it back; check the "
                    "retention policy in GATEHOUSE_SERIES_URL, the server's clock and its log"
                )
            time.sleep(0.1)

    def refuses_age(self, age: int) -> str:
        """Write a canary of that age; see SeriesStore."""
        at = (wall_now() - age) * 1_000_000
        refusal = self._connection.send(f"{CANARY} value=0i {at}")
        return refusal.words[:500] if refusal else ""

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

    def rolled_up(
        self,
        rollup: str,
        span: Span,
        *,
        since: int,
        until: int,
        device: str | None = None,
        site: str | None = None,
        grid: str | None = None,
        limit: int = 10_000,
    ) -> list[Reading]:
        """Return what windows came to, oldest first; see SeriesReader."""
        wanted = rollup_named(rollup)
        question = rollup_influxql.rows(
            wanted,
            span,
            {"device": device, "site": site, "grid": grid},
            since=since,
            until=until,
            limit=check_limit(limit),
        )
        if not self._rolls_up:
            return []
        try:
            answer = self._connection.ask(question)
        except StoreHeld as held:
            if "retention policy not found" in str(held):  # 1.x before `gatehouse migrate`.
                return []
            raise
        return rollup_influxql.readings(wanted, answer)[::-1]

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _plant(connection: Connection) -> int:
    """Write a point that nothing is wrong with; return its value.

    Raises:
        StoreHeld: It is not accepted.
    """
    value = secrets.randbelow(1 << 62)
    refusal = connection.send(f"{CANARY} value={value}i")
    if refusal:
        raise StoreHeld(f"{connection.name} refuses a plain point: {refusal.words[:500]}")
    return value


class _Delivery:
    """One write, in equal requests that two threads take in turn, of which the caller is one."""

    def __init__(self, connection: Connection, points: Sequence[Point]) -> None:
        self._connection = connection
        self._points = points
        requests = max(1, ceil(len(points) / LINES_A_REQUEST))
        self._size = ceil(len(points) / requests) or 1
        self._starts = deque(range(0, len(points), self._size))
        self._rejected: list[Rejected] = []
        self._failure: Exception | None = None

    def run(self) -> list[Rejected]:
        """Deliver everything; return what is rejected, in order.

        Raises:
            StoreHeld: Not everything could be delivered; no request is under way any more.
        """
        if len(self._starts) > 1:  # A daemon: a server that hangs does not hold our end.
            second = threading.Thread(target=self._work, name="influxdb", daemon=True)
            second.start()
            self._work()
            second.join()
        else:
            self._work()
        if self._failure:
            raise self._failure
        return sorted(self._rejected, key=lambda one: one.index)

    def _work(self) -> None:
        """Deliver one request's points after the other, until none is left or one has failed."""
        try:
            while self._failure is None:
                self._deliver(self._starts.popleft())
        except IndexError:
            pass
        except Exception as error:  # noqa: BLE001 - the thread's outer edge; run() raises it
            self._failure = error

    def _deliver(self, start: int) -> None:
        points = self._points[start : start + self._size]
        texts = encode_lines(points)
        refusal = self._connection.send("\n".join(texts))
        if refusal:
            if not refusal.is_of_lines:
                _plant(self._connection)
            indexed = enumerate(zip(points, texts, strict=True), start)
            part = [Line(index, point.time, text) for index, (point, text) in indexed]
            self._take_apart(part, refusal)

    def _take_apart(self, part: Sequence[Line], refusal: Refusal) -> None:
        """Send again what of a refused body may be good; reject the rest."""
        waiting = [(refusal, part)]
        while waiting:
            refused, bodies = sort_out(*waiting.pop())
            self._rejected += [Rejected(line.place, words) for line, words in refused]
            for body in bodies:
                said = self._connection.send("\n".join([line.text for line in body]))
                if said:
                    waiting.append((said, body))
