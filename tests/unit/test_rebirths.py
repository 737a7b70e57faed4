"""Asking for births: seldom, and only brokers that are there."""

from devices.clock import MINUTE, ManualClock
from gatehouse.rebirths import Rebirths

Said = list[tuple[str, str, bytes]]


async def published(rebirths: Rebirths) -> Said:
    said: Said = []
    await rebirths.publish(lambda *one: said.append(one))
    return said


async def test_a_node_is_asked_once_a_minute() -> None:
    """However many messages cannot be read; another node, or broker, has a minute of its own."""
    clock = ManualClock(0)
    rebirths = Rebirths(clock, ["one", "two"])
    for source, topic in (("one", "a"), ("one", "a"), ("one", "b"), ("two", "a")):
        rebirths.ask(source, topic, b"x")
    assert await published(rebirths) == [("one", "a", b"x"), ("one", "b", b"x"), ("two", "a", b"x")]
    clock.advance(MINUTE - 1)
    rebirths.ask("one", "a", b"x")
    assert await published(rebirths) == []
    clock.advance(1)
    rebirths.ask("one", "a", b"x")
    assert await published(rebirths) == [("one", "a", b"x")]


async def test_a_broker_that_is_no_more_is_not_asked() -> None:
    """The journal may hold messages of a source that the settings no longer have."""
    rebirths = Rebirths(ManualClock(0), ["one"])
    rebirths.ask("gone", "a", b"x")
    assert await published(rebirths) == []


async def test_what_is_remembered_is_bounded() -> None:
    """By many nodes in one minute, too."""
    rebirths = Rebirths(ManualClock(0), ["one"])
    for number in range(25_000):
        rebirths.ask("one", f"{number}", b"x")
    assert len(rebirths._asked_at) <= 10_000
    assert len(await published(rebirths)) == 1_000
