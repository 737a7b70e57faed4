"""Answers to devices, where one broker of several hangs."""

import asyncio

from ingest.answer import WAITING, Answers
from ingest.publisher import PublishFailed
from tests.servers import eventually


async def test_a_broker_that_hangs_holds_only_its_own_answers() -> None:
    """What waits for one source's broker delays no other's; beyond its bound it is dropped."""
    sent: list[str] = []

    async def publish(source: str, topic: str, payload: bytes) -> None:
        if source == "deaf":
            await asyncio.Event().wait()
        sent.append(topic)

    answers = Answers(lambda _: (), publish, ["deaf", "well"])
    running = asyncio.create_task(answers.run())
    for number in range(WAITING + 2):
        answers.say("deaf", f"to the deaf {number}", b"")
    answers.say("well", "to the well", b"")
    await eventually(lambda: sent)
    assert sent == ["to the well"]
    assert answers.status().dropped == 2
    running.cancel()


async def test_a_failed_answer_is_counted_and_the_next_one_sent() -> None:
    """The device asks again; nothing is kept for it."""

    async def publish(source: str, topic: str, payload: bytes) -> None:
        if topic == "first":
            raise PublishFailed("the broker is away")

    answers = Answers(lambda _: (), publish, ["main"])
    running = asyncio.create_task(answers.run())
    answers.say("main", "first", b"")
    answers.say("main", "second", b"")
    await eventually(lambda: answers.status().sent)
    assert (answers.status().failed, answers.status().sent) == (1, 1)
    running.cancel()
