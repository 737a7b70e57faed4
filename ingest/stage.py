"""The stages a message passes, each with the same four counts. Pure.

``received`` is what came to a stage, ``sent`` what left it for the next; ``errors`` is what went
wrong and is tried again or kept for a person, ``dropped`` what ends here for good, both by a reason
from a closed list. Source, journal, answers and polls count since the start of the service; decode,
store and rules since the journal began. The store's unit is the point, all others' the message.
"""

from collections import Counter
from collections.abc import Mapping

import msgspec

from ingest.pipeline import PipelineStatus
from ingest.status import ServiceStatus

STORE_REFUSED = "store_refused"


class Stage(msgspec.Struct, frozen=True):
    """One stage; see above."""

    name: str
    received: int
    sent: int
    errors: Mapping[str, int]
    dropped: Mapping[str, int]


def stages(status: ServiceStatus) -> list[Stage]:
    """Return the stages in the order in which a message passes them."""
    parts, books, judged = status.pipeline, status.books, status.judged
    holds = {name: one.holds for name, one in parts.followers.items()}
    refused = books.dead.get(STORE_REFUSED, 0)
    dead = {reason: count for reason, count in books.dead.items() if reason != STORE_REFUSED}
    lost = {"lost": books.lost} if books.lost else {}
    left_out = {name: count for name, count in judged.items() if name != "judged"}
    return [
        _source(parts),
        Stage(
            "journal",
            parts.received,
            parts.journalled,
            _some(full=parts.refused),
            _some(repeat=parts.repeats),
        ),
        Stage(
            "decode",
            books.received - books.pending,
            books.stored + refused,
            dead,
            books.ignored | lost,
        ),
        Stage(
            "store",
            books.points_encoded,
            books.points_accepted,
            holds.get("series", {}),
            _some(refused=books.points_rejected),
        ),
        Stage(
            "rules",
            sum(judged.values()),
            judged.get("judged", 0),
            holds.get("alerts", {}),
            _some(**left_out),
        ),
        Stage(
            "answers",
            parts.answers.sent + parts.answers.failed + parts.answers.dropped,
            parts.answers.sent,
            _some(broker=parts.answers.failed),
            _some(no_room=parts.answers.dropped),
        ),
        Stage(
            "polls",
            status.polls.due,
            status.polls.asked,
            {},
            _some(broker_away=status.polls.due - status.polls.asked),
        ),
    ]


def _source(parts: PipelineStatus) -> Stage:
    """Return what came in from all sources, and what was acknowledged or needs no ack."""
    sources = parts.sources
    errors = Counter({f"http_{code}": n for one in sources for code, n in one.refused.items()})
    errors["reconnect"] = sum(one.reconnects for one in sources)
    errors["lost_session"] = sum(one.sessions_lost for one in sources)
    return Stage(
        "source",
        sum(one.received for one in sources),
        sum(one.acks + one.unguarded for one in sources),
        _some(**errors),
        {},
    )


def _some(**counts: int) -> dict[str, int]:
    return {reason: count for reason, count in counts.items() if count}
