"""Living a city through a broker: wound forward at full speed, or by the clock, for ever.

Where the clock is wound forward it moves on half an hour at a time, and only after the main gates'
terminals have been answered, which they are when everything before has been journalled. So messages
that carry no time are taken in at the right one, however slow broker and service are.

A broker that goes away is found again, and everything goes on where it was.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping

import aiomqtt
import structlog

from devices import mqtt_client
from devices.clock import HOUR, SECOND, ScaledClock
from devices.simulator.city import City
from devices.simulator.connection import Connection, connected
from devices.simulator.events import city_events
from devices.simulator.feed import Feed
from devices.simulator.load import HALF_HOUR
from devices.simulator.share import WHOLE, Share
from devices.simulator.tally import Tally
from devices.simulator.terminal import Terminal

MOST_BEHIND = 6 * HOUR
"""Of the community's time; a machine that slept does not publish what it slept through."""
FIRST_CONTACT_S = 5.0
"""How long a broker may be unreachable that never was reached: its address may be wrong."""
_SAVE_CLOCK_EVERY_S = 1.0
_LOOK_AT_CLOCK_EVERY_S = 1.0
_BACKOFF_FROM_S, _BACKOFF_TO_S = 0.5, 10.0

Progress = Callable[[int, int], None]
"""Told half-hours done and in all."""

log = structlog.get_logger()


class Unreachable(Exception):
    """The broker was not reached, or refused; the message says why."""


async def simulate(
    *,
    url: str,
    clock: ScaledClock,
    city: City,
    speed: float | None,
    progress: Progress,
    share: Share = WHOLE,
    per_second: float | None = None,
    tally: Tally | None = None,
) -> None:
    """Publish what is missing of a city's history, if it has one, then let it live until cancelled.

    Args:
        url: The broker, ``mqtt://[user[:password]@]host[:port]``.
        clock: Shared with the service; moved through the history, then set running. It says what
            of the history is missing.
        city: Who and what.
        speed: How many of the city's seconds pass in one, once it is alive; None if somebody else
            keeps the clock.
        progress: Told of the history.
        share: Which part of the work is ours.
        per_second: Most messages; None for no bound.
        tally: Counts what is published.

    Raises:
        Unreachable: The broker was never reached, or refused.
        ValueError: The address is none.
    """
    history = (city.begins, city.alive_at)
    coming = city_events(city, _taken_up(clock, *history), share=share)
    feed = Feed(coming, tally or Tally(), per_second=per_second)

    async def live(connection: Connection) -> None:
        await _wind(connection, clock, feed, history, progress)
        if speed is not None:
            clock.set(clock.now(), speed=speed)
        await _follow(connection, clock, feed, keeps_clock=speed is not None)

    await _over_losses(url, feed, _terminals(city, share), live)


async def wind_forward(
    *,
    url: str,
    city: City,
    stretch: tuple[int, int],
    clock: ScaledClock | None,
    share: Share,
    per_second: float | None,
    progress: Progress,
    tally: Tally,
) -> None:
    """Publish a stretch of a city's time as fast as it is taken, and return.

    Args:
        url: As for :func:`simulate`, which raises the same.
        city: Who and what.
        stretch: First time, and first time that is left out; milliseconds UTC.
        clock: Moved forward with what is published, if anybody shares it. One that stands within
            the stretch says where an earlier try was broken off. Without it, captures are not sent
            again when nobody answers: a terminal's time is the real one.
        share: Which part of the work is ours; the whole, where there is a clock to move.
        per_second: Most messages; None for no bound.
        progress: Told as the clock moves.
        tally: Counts what is published.
    """
    since = stretch[0] if clock is None else _taken_up(clock, *stretch)
    coming = city_events(city, since, stretch[1], share=share)
    feed = Feed(coming, tally, per_second=per_second)

    async def publish(connection: Connection) -> None:
        if clock is not None:
            await _wind(connection, clock, feed, stretch, progress)
            return
        while (one := await feed.next()) is not None:
            await connection.publish(*one)
        await connection.settle()

    await _over_losses(url, feed, _terminals(city, share) if clock else {}, publish)


def _terminals(city: City, share: Share) -> dict[str, Terminal]:
    return {site.huaan: Terminal() for site in share.sites(city)}


async def _over_losses(
    url: str,
    feed: Feed,
    terminals: Mapping[str, Terminal],
    work: Callable[[Connection], Awaitable[None]],
) -> None:
    """Do the work on a connection, and go on with it on the next one, until it is done."""
    failures, this_task = 0, asyncio.current_task()
    was_connected, give_up_at = False, time.monotonic() + FIRST_CONTACT_S
    while True:
        try:
            async with connected(url, feed, terminals) as connection:
                was_connected, failures = True, 0
                await work(connection)
                return
        except* mqtt_client.FAILURES as group:
            failures += 1
            error = group.exceptions[0]
            log.warning("simulation_disconnected", error=str(error))
        if this_task is not None and this_task.cancelling():
            raise asyncio.CancelledError  # Of both, the group told of the failure only.
        is_refused = isinstance(error, aiomqtt.MqttCodeError)
        if not was_connected and (is_refused or time.monotonic() > give_up_at):
            raise Unreachable(str(error))
        feed.rewind()
        most = min(_BACKOFF_FROM_S * 2**failures, _BACKOFF_TO_S)
        await asyncio.sleep(random.uniform(0, most))  # noqa: S311 - jitter


def _done(clock: ScaledClock, since: int) -> int:
    """Return how many half-hours are behind us: the clock shows the end of the one at hand."""
    return max(0, (clock.now() - since) // HALF_HOUR - 1)


def _taken_up(clock: ScaledClock, since: int, until: int) -> int:
    """Return from when on something is missing; half an hour that was broken off is, all of it."""
    missing = since + _done(clock, since) * HALF_HOUR
    return missing if missing < until else clock.now()


async def _wind(
    connection: Connection,
    clock: ScaledClock,
    feed: Feed,
    stretch: tuple[int, int],
    progress: Progress,
) -> None:
    """Publish until the stretch ends; the clock moves on when all before has been taken in."""
    since, until = stretch
    total = -(-(until - since) // HALF_HOUR)
    done = _done(clock, since)
    if done >= total:
        return
    log.info("winding_forward", half_hours=total - done)
    clock.set(since + (done + 1) * HALF_HOUR, speed=0)
    is_paced = True
    while (one := await feed.next()) is not None and one[1].at < until:
        while one[1].at >= clock.now():
            await connection.settle()
            is_paced = is_paced and await _answered(connection)
            done += 1
            progress(done, total)
            clock.set(since + (done + 1) * HALF_HOUR, speed=0)
        await connection.publish(*one)
    await connection.settle()
    feed.rewind()
    progress(total, total)


async def _answered(connection: Connection) -> bool:
    """Wait for the terminals' answers; return False, and say so, if there will be none."""
    is_answered = await connection.answered()
    if not is_answered:
        log.warning("history_unpaced", reason="the terminals' captures are not answered")
    return is_answered


async def _follow(
    connection: Connection, clock: ScaledClock, feed: Feed, *, keeps_clock: bool
) -> None:
    """Publish each event when the clock reaches it, for ever; save the clock on the way."""
    saved, is_skipping = time.monotonic(), False
    while (one := await feed.next()) is not None:
        number, event = one
        await _reach(clock, event.at)
        behind = clock.now() - event.at
        if behind > MOST_BEHIND:
            feed.skip(number)
            if not is_skipping:
                log.warning("simulation_skipped", seconds=behind // SECOND)
        else:
            await connection.publish(number, event)
        is_skipping = behind > MOST_BEHIND
        if keeps_clock and time.monotonic() - saved > _SAVE_CLOCK_EVERY_S:
            clock.save()
            saved = time.monotonic()


async def _reach(clock: ScaledClock, at: int) -> None:
    """Wait until the clock shows a time, also over a clock that is stopped or changes its speed."""
    while (ahead := at - clock.now()) > 0:
        seconds = ahead / SECOND / clock.speed if clock.speed > 0 else _LOOK_AT_CLOCK_EVERY_S
        await asyncio.sleep(min(seconds, _LOOK_AT_CLOCK_EVERY_S))
