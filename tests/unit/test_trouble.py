"""When messages may have been lost on the way: what sources tell becomes spans of arrival."""

import msgspec
import pytest

from devices.clock import MINUTE, SECOND
from ingest.message import POSTS
from ingest.numbering import Cause
from ingest.source_status import SourceStatus
from ingest.trouble import KEPT, Troubles
from tests.messages import NOON

WELL = SourceStatus(
    name="mqtt",
    connected=True,
    protocol="5",
    session=1,
    since=NOON,
    granted={},
    received=0,
    unguarded=0,
    acks=0,
    reconnects=0,
    problem="",
    draining=False,
    dropped_at_broker=7,
)


def told(*changes: dict, since: int | None = None, name: str = "mqtt") -> Troubles:
    """Tell of a source once a second; each time what differs from a source that is well."""
    troubles = Troubles(since)
    for second, change in enumerate(changes):
        status = msgspec.structs.replace(WELL, name=name, **change)
        troubles.observe([status], NOON + second * SECOND)
    return troubles


def at(second: int) -> tuple[int, int]:
    """Arrivals just around a second."""
    return NOON + second * SECOND - 1, NOON + second * SECOND + 1


@pytest.mark.parametrize(
    "change",
    [
        {"connected": False},
        {"draining": True},
        {"reconnects": 1},
        {"sessions_lost": 1},
        {"dropped_at_broker": 8},
    ],
    ids=str,
)
def test_what_is_lost_while_a_broker_is_in_trouble_is_the_broker_s(change: dict) -> None:
    """Away, delivering what it kept, back between two looks, without our session, dropping."""
    kept = {name: change[name] for name in set(change) - {"connected", "draining"}}
    troubles = told({}, *[{}] * 20, change, *[kept] * 20)
    assert troubles.cause("mqtt", *at(21)) is Cause.BROKER
    assert troubles.cause("mqtt", *at(3)) is Cause.DEVICE
    assert troubles.cause("mqtt", *at(30)) is Cause.DEVICE
    assert troubles.cause("mqtt", NOON, NOON + MINUTE) is Cause.BROKER
    assert troubles.cause("other", *at(21)) is Cause.DEVICE


def test_a_trouble_that_lasts_counts_already() -> None:
    """Nobody has to wait for its end."""
    assert told({}, {}, {"connected": False}).cause("mqtt", *at(90)) is Cause.BROKER


def test_the_time_we_did_not_run_is_a_trouble() -> None:
    """From the last message of the run before until what was kept is here; a first run has none."""
    troubles = told({"draining": True}, {}, {}, since=NOON - 60 * MINUTE)
    assert troubles.cause("mqtt", NOON - 30 * MINUTE, NOON - 20 * MINUTE) is Cause.BROKER
    assert troubles.cause("mqtt", NOON - 61 * MINUTE - 1, NOON - 61 * MINUTE) is Cause.DEVICE
    assert troubles.cause("mqtt", *at(2)) is Cause.DEVICE
    assert told({}, {}).cause("mqtt", NOON - MINUTE, NOON - 1) is Cause.DEVICE


def test_what_could_not_be_posted_is_ours() -> None:
    """There is no broker between a terminal that posts and us."""
    assert told({}, {"connected": False}, name=POSTS).cause(POSTS, *at(1)) is Cause.US


def test_only_so_much_is_remembered() -> None:
    """A broker that drops all day costs no memory."""
    troubles = told(*({"dropped_at_broker": count} for count in range(2 * KEPT)))
    assert len(troubles.spans) == KEPT
