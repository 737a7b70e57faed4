"""When messages may have been lost between a device and us: spans of arrival, by source. Pure.

Told from what the sources say of themselves once a second. Only so much is kept as may still be
asked for; what was before a restart is one span, from the last message that arrived until each
source had delivered what was kept.
"""

from collections.abc import Iterable, Sequence

import msgspec

from devices.clock import SECOND
from ingest.message import POSTS
from ingest.numbering import Cause
from ingest.source_status import SourceStatus

KEPT = 500
REPORTED_AFTER = 15 * SECOND
"""A broker tells its counts from time to time (mosquitto each 10 s, sys_interval in
mosquitto.conf(5)): what it dropped, it dropped at most so long before."""
_OPEN = 1 << 62


class Trouble(msgspec.Struct, frozen=True):
    """A span in which what a source should have brought may have been lost.

    Attributes:
        source: Its name; "" for all.
        cause: Who lost it.
        since, until: Milliseconds UTC.
    """

    source: str
    cause: Cause
    since: int
    until: int = _OPEN


class Troubles:
    """All that is known. One thread tells it, another may ask.

    Args:
        since: Arrival of the last message of the run before; milliseconds UTC, None where there
            was none.
    """

    def __init__(self, since: int | None = None) -> None:
        self.spans: tuple[Trouble, ...] = ()
        """Replaced whole with each change, newest last."""
        self._since = since
        self._seen: dict[str, SourceStatus] = {}
        self._at = 0

    def observe(self, sources: Sequence[SourceStatus], now: int) -> None:
        """Note how the sources are; milliseconds UTC."""
        for status in sources:
            before = self._seen.get(status.name)
            since = self._at or self._since or now
            is_well = status.connected and not status.draining
            if before is None or not is_well or _was_away(before, status):
                self._begin(status.name, since)
            if is_well:
                self._end(status.name, now)
            if before and _has_dropped(before, status):
                self.add(Trouble(status.name, Cause.BROKER, since - REPORTED_AFTER, now))
            self._seen[status.name] = status
        self._at = now

    def add(self, trouble: Trouble) -> None:
        """Note a span."""
        self.spans = (*self.spans, trouble)[-KEPT:]

    def cause(self, source: str, since: int, until: int) -> Cause:
        """Return who lost what a source should have brought between two arrivals."""
        return cause_in(self.spans, source, since, until)

    def _begin(self, source: str, since: int) -> None:
        if not any(one.source == source and one.until == _OPEN for one in self.spans):
            cause = Cause.US if source == POSTS else Cause.BROKER
            self.add(Trouble(source, cause, since))

    def _end(self, source: str, now: int) -> None:
        if any(one.source == source and one.until == _OPEN for one in self.spans):
            self.spans = tuple(
                msgspec.structs.replace(one, until=now)
                if one.source == source and one.until == _OPEN
                else one
                for one in self.spans
            )


def cause_in(spans: Iterable[Trouble], source: str, since: int, until: int) -> Cause:
    """Return who lost what a source should have brought between two arrivals, by these spans."""
    causes = {
        one.cause
        for one in spans
        if one.source in {"", source} and one.since <= until and since <= one.until
    }
    return next((cause for cause in (Cause.US, Cause.BROKER) if cause in causes), Cause.DEVICE)


def _was_away(before: SourceStatus, now: SourceStatus) -> bool:
    return (before.reconnects, before.sessions_lost) != (now.reconnects, now.sessions_lost)


def _has_dropped(before: SourceStatus, now: SourceStatus) -> bool:
    if before.dropped_at_broker is None or now.dropped_at_broker is None:
        return False
    return now.dropped_at_broker > before.dropped_at_broker
