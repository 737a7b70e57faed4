"""One simulation in one process or several, as ``gatehouse simulate`` runs it.

The processes share nothing but the clock's file: each publishes its part of the same city on its
own connection. When one of them fails, all end, and so they do when their parent is gone.
"""

import asyncio
import logging
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from devices.clock import ScaledClock
from devices.simulator.city import City
from devices.simulator.share import WHOLE, Share
from devices.simulator.simulation import Unreachable, simulate, wind_forward
from devices.simulator.tally import Tally
from gatehouse.failure import WRONG_USE, Failure
from gatehouse.log import start_logging
from gatehouse.signals import until_stopped

_TELL_EVERY_S = 0.5
_END_S = 1.0
"""How long a child may take to end before it is killed."""

Show = Callable[[Tally], None]


@dataclass(frozen=True, slots=True)
class Job:
    """What is published, and how.

    Attributes:
        url: The broker.
        city: Who and what.
        clock: The file of the clock; None only with a stretch, which then nobody follows.
        stretch: Wound forward from when until when, milliseconds UTC; None to live on.
        speed: The city's seconds in one, when it lives on.
        per_second: Most messages of all processes together; None for no bound.
        processes: How many, from 1; one where the clock is moved by what is published.
    """

    url: str
    city: City
    clock: Path | None
    stretch: tuple[int, int] | None
    speed: float
    per_second: float | None
    processes: int


async def run(job: Job, *, show: Show) -> None:
    """Publish until it is done, or until cancelled.

    Args:
        job: What.
        show: Told now and then what all processes together have published, and at the end.

    Raises:
        Failure: The broker was not reached, or a process died.
    """
    if job.processes > 1:
        if job.clock is not None and (job.stretch is not None or job.city.has_history):
            raise Failure("one process moves the clock: leave --processes", code=WRONG_USE)
        await _run_processes(job, show)
        return
    tally = Tally()
    showing = asyncio.create_task(_tell(lambda: show(tally)), name="progress")
    try:
        await _work(job, WHOLE, tally)
    finally:
        showing.cancel()
        show(tally)


async def _work(job: Job, share: Share, tally: Tally) -> None:
    per_second = job.per_second / share.of if job.per_second else None
    clock = ScaledClock(job.clock) if job.clock else None
    try:
        if job.stretch is not None:
            await wind_forward(
                url=job.url,
                city=job.city,
                stretch=job.stretch,
                clock=clock,
                share=share,
                per_second=per_second,
                progress=_untold,
                tally=tally,
            )
        elif clock is not None:
            await simulate(
                url=job.url,
                clock=clock,
                city=job.city,
                speed=job.speed if share.of == 1 else None,
                progress=_untold,
                share=share,
                per_second=per_second,
                tally=tally,
            )
    except ValueError as error:
        raise Failure(f"--url: {error}", code=WRONG_USE) from error
    except Unreachable as error:
        raise Failure(f"the broker was not reached: {error}; see --url") from error


async def _tell(tell: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(_TELL_EVERY_S)
        tell()


async def _run_processes(job: Job, show: Show) -> None:
    context = multiprocessing.get_context("spawn")
    children: dict[Connection, BaseProcess] = {}
    heard: dict[Connection, Tally] = {}
    clock = ScaledClock(job.clock) if job.clock else None
    if clock is not None:
        clock.set(clock.now(), speed=job.speed)
    try:
        for index in range(job.processes):
            ours, theirs = context.Pipe(duplex=False)
            share = Share(index, job.processes)
            child = context.Process(target=_child, args=(job, share, theirs), daemon=True)
            child.start()
            theirs.close()
            children[ours] = child
        at_work = set(children)
        while at_work:
            for pipe in await asyncio.to_thread(_ready, at_work):
                message = _receive(pipe, children[pipe])
                if message is None:
                    at_work.remove(pipe)
                else:
                    heard[pipe] = message
            show(_sum(heard.values()))
            if clock is not None:
                clock.save()
    finally:
        await asyncio.to_thread(_end, list(children.values()))


def _ready(pipes: Iterable[Connection]) -> list[Connection]:
    ready = wait(pipes, _TELL_EVERY_S)
    return [pipe for pipe in pipes if pipe in ready]


def _receive(pipe: Connection, child: BaseProcess) -> Tally | None:
    """Return how far a child is; None when it is done."""
    try:
        message: Tally | Failure | None = pipe.recv()
    except EOFError:
        child.join(_END_S)
        raise Failure(
            f"{child.name} of the simulation ended by itself ({child.exitcode})"
        ) from None
    if isinstance(message, Failure):
        raise message
    return message


def _sum(tallies: Iterable[Tally]) -> Tally:
    """Return all messages, and the time that every process has reached that has begun."""
    every = list(tallies)
    families = sum((one.families for one in every), Counter[str]())
    return Tally(families, min((one.at for one in every if one.at), default=0))


def _end(children: Sequence[BaseProcess]) -> None:
    for child in children:
        child.terminate()
    deadline = time.monotonic() + _END_S
    for child in children:
        child.join(max(0.0, deadline - time.monotonic()))
        child.kill()


def _child(job: Job, share: Share, pipe: Connection) -> None:
    """Do one process's share, telling the parent how far it is; end when it is gone."""
    start_logging(logging.WARNING, is_service=False)
    tally = Tally()

    async def work() -> None:
        telling = asyncio.create_task(_tell(lambda: pipe.send(tally)), name="progress")
        doing = asyncio.create_task(_work(job, share, tally), name="simulation")
        try:
            await asyncio.wait((telling, doing), return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                await doing
                pipe.send(tally)
                pipe.send(None)
            else:
                await telling
        finally:
            telling.cancel()
            doing.cancel()

    with suppress(BrokenPipeError):
        try:
            asyncio.run(until_stopped(work()))
        except Failure as failure:
            pipe.send(failure)


def _untold(_done: int, _total: int) -> None:
    """Take how far the clock is, which the tally says too."""
