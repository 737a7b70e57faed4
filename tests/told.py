"""A service's word of itself, all well, with what a test wants to be different."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from ingest.answer import AnswerStatus
from ingest.books import balance
from ingest.follower import FollowerStatus
from ingest.journal_room import JournalStatus
from ingest.ledger_file import Account
from ingest.pipeline import PipelineStatus
from ingest.source_status import SourceStatus
from ingest.status import ServiceStatus

NOW = 1_581_681_600_000
"""14 February 2020, 20:00 in Wuhan: the community's time, and real time."""
_JOURNAL = JournalStatus(
    id="j",
    base=1,
    head=10,
    bytes=1,
    max_bytes=100,
    unread_bytes=1,
    limit_bytes=100,
    level="",
    hours_left=71.6,
    problem="",
    files=1,
    damaged_files=0,
    damaged_rows=0,
)
_SOURCE = SourceStatus(
    name="mqtt",
    connected=True,
    protocol="5",
    session=1,
    since=NOW,
    granted={"#": 1},
    received=10,
    unguarded=0,
    acks=10,
    reconnects=0,
    problem="",
    draining=False,
)
_FOLLOWER = FollowerStatus(cursor=10, durable=10, pending=0, held="")
_PIPELINE = PipelineStatus(
    sources=[_SOURCE],
    journal=_JOURNAL,
    followers={},
    answers=AnswerStatus(0, 0, 0),
    repeats=0,
    in_flight_bytes=0,
    paused=False,
    problem="",
    frontier=NOW,
)
Changes = Mapping[str, object]
_NONE: Changes = MappingProxyType({})


def status(
    *,
    counters: Mapping[str, int] = MappingProxyType({"stored": 10}),
    sources: Mapping[str, Changes] = MappingProxyType({"mqtt": _NONE, "backup": _NONE}),
    series: Changes = _NONE,
    alerts: Changes = _NONE,
    journal: Changes = _NONE,
    pipeline: Changes = _NONE,
    position: int = 10,
    **service: object,
) -> ServiceStatus:
    """Return a service that has taken in ten messages and accounted for so many.

    Args:
        counters: Of the ledger.
        sources: By name, what is different about each.
        series: What is different about this follower; ``alerts`` the same.
        journal: What is different about it.
        pipeline: What else is different between the sockets and the followers.
        position: How many messages there were.
        service: What else is different.
    """
    change = msgspec.structs.replace
    parts = change(
        _PIPELINE,
        sources=[change(_SOURCE, name=name, **one) for name, one in sources.items()],
        journal=change(_JOURNAL, **journal),
        followers={"series": change(_FOLLOWER, **series), "alerts": change(_FOLLOWER, **alerts)},
        **pipeline,
    )
    told = ServiceStatus(
        at=NOW,
        wall_at=NOW,
        version="0",
        pipeline=parts,
        books=balance(Account("j", position, dict(counters)), head=position),
        judged={},
    )
    return change(told, **service)
