"""Living the community through a broker: the history at full speed, then by the clock, for ever.

In the history the clock moves on half an hour at a time, and only after the main gate's terminal
has been answered, which it is when everything before has been journalled. So messages that carry
no time are taken in at the right one, however slow broker and service are.
"""

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import aclosing

import structlog

from devices import mqtt_client
from devices.clock import HOUR, SECOND, ScaledClock
from devices.simulator.community import Community
from devices.simulator.connection import Connection, open_client
from devices.simulator.events import events, made_ahead
from devices.simulator.load import HALF_HOUR

MOST_BEHIND = 6 * HOUR
"""Of the community's time; a machine that slept does not publish what it slept through."""
_SAVE_CLOCK_EVERY_S = 1.0
_LOOK_AT_CLOCK_EVERY_S = 1.0
_BACKOFF_FROM_S, _BACKOFF_TO_S = 0.5, 10.0

Progress = Callable[[int, int], None]

log = structlog.get_logger()


async def simulate(
    *,
    url: str,
    clock: ScaledClock,
    community: Community,
    speed: float,
    history: bool,
    progress: Progress,
) -> None:
    """Let the community live until cancelled, over every loss of the broker.

    Args:
        url: The broker, ``mqtt://[user[:password]@]host[:port]``.
        clock: Shared with the service; moved through the history, then set running.
        community: Who and what.
        speed: How many of the community's seconds pass in one, once it is alive.
        history: Publish what is missing of the two weeks before the evening first; what that is,
            the clock says.
        progress: Called with half-hours of history done and in all.
    """
    failures, this_task = 0, asyncio.current_task()
    while True:
        try:
            async with (
                mqtt_client.connected(open_client(url)) as client,
                asyncio.TaskGroup() as tasks,
            ):
                connection = Connection(client, tasks)
                tasks.create_task(connection.listen(), name="simulated terminal's answers")
                tasks.create_task(connection.resend(), name="simulated terminal's resends")
                failures = 0
                if history:
                    await _publish_history(connection, clock, community, progress)
                await _follow_clock(connection, clock, community, speed)
        except* mqtt_client.FAILURES as group:
            failures += 1
            log.warning("simulation_disconnected", error=str(group.exceptions[0]))
        if this_task is not None and this_task.cancelling():
            raise asyncio.CancelledError  # Of both, the group told of the failure only.
        most = min(_BACKOFF_FROM_S * 2**failures, _BACKOFF_TO_S)
        await asyncio.sleep(random.uniform(0, most))  # noqa: S311 - jitter


async def _publish_history(
    connection: Connection, clock: ScaledClock, community: Community, progress: Progress
) -> None:
    """Publish what is missing of the history; half an hour that was broken off is begun again."""
    total = (community.evening - community.begins) // HALF_HOUR
    done = max(0, (clock.now() - community.begins) // HALF_HOUR - 1)
    if done >= total:
        return
    log.info("history_began", half_hours=total - done)
    clock.set(community.begins + (done + 1) * HALF_HOUR, speed=0)
    began, messages, is_paced = time.monotonic(), 0, True
    missing = events(community, community.begins + done * HALF_HOUR, community.evening)
    async with aclosing(made_ahead(missing)) as coming:
        async for event in coming:
            while event.at >= clock.now():
                await connection.settle()
                is_paced = is_paced and await _answered(connection)
                done += 1
                progress(done, total)
                clock.set(community.begins + (done + 1) * HALF_HOUR, speed=0)
            await connection.publish(event)
            messages += 1
    await connection.settle()
    progress(total, total)
    seconds = round(time.monotonic() - began, 1)
    log.info("history_published", messages=messages, seconds=seconds)


async def _answered(connection: Connection) -> bool:
    """Wait for the terminal's answer; return False, and say so, if there will be none."""
    is_answered = await connection.answered()
    if not is_answered:
        log.warning("history_unpaced", reason="the terminal's captures are not answered")
    return is_answered


async def _follow_clock(
    connection: Connection, clock: ScaledClock, community: Community, speed: float
) -> None:
    """Publish each event when the clock reaches it, for ever; save the clock on the way."""
    clock.set(clock.now(), speed=speed)
    saved = time.monotonic()
    while True:
        async with aclosing(made_ahead(events(community, clock.now()))) as coming:
            async for event in coming:
                await _reach(clock, event.at)
                behind = clock.now() - event.at
                if behind > MOST_BEHIND:
                    log.warning("simulation_skipped", seconds=behind // SECOND)
                    break
                await connection.publish(event)
                if time.monotonic() - saved > _SAVE_CLOCK_EVERY_S:
                    clock.save()
                    saved = time.monotonic()


async def _reach(clock: ScaledClock, at: int) -> None:
    """Wait until the clock shows a time, also over a clock that is stopped or changes its speed."""
    while (ahead := at - clock.now()) > 0:
        seconds = ahead / SECOND / clock.speed if clock.speed > 0 else _LOOK_AT_CLOCK_EVERY_S
        await asyncio.sleep(min(seconds, _LOOK_AT_CLOCK_EVERY_S))
