"""People: whether somebody is on call now, and whether pages would find a way to them.

Nothing is sent: a channel's address is read, and a connection to its server opened and closed. Of
an address only its kind is said.
"""

from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from alerts.channels import channel_of, open_channels
from alerts.channels.channel import label
from alerts.escalation import Policies, Policy
from alerts.schedule import on_call
from devices.clock import Clock
from devices.registry import Registry
from devices.registry_store import load
from gatehouse.database import connect, newest_revision, revision
from gatehouse.doctor.found import Found
from gatehouse.settings import Settings

CHANNELS = 50
"""Addresses that are tried; a community has fewer people on call."""
AT_ONCE = 10
_MEND = "complete the rota and `gatehouse registry import` it"


def people(settings: Settings) -> Iterator[Found]:
    """Examine rota and channels; a database that does not answer is said elsewhere."""
    engine = connect(settings)
    try:
        if revision(engine) != newest_revision():
            return
        registry = load(engine)
        if not registry.zones:
            said = "the registry is empty: `gatehouse registry import DIR` says who and what there"
            yield Found.doubtful("registry", f"{said} is")
            return
        now = settings.clock.now()
        yield from judge_rota(registry, settings.escalation, now=now)
        yield from _channels(registry, engine, settings.clock)
    except SQLAlchemyError:
        return
    finally:
        engine.dispose()


def judge_rota(registry: Registry, policies: Policies, *, now: int) -> Iterator[Found]:
    """Yield the ladders on which nobody stands now, by site; milliseconds UTC."""
    name = "on call"
    bare = dict[str, list[str]]()
    for site in sorted(registry.zones):
        for policy in type(policies).model_fields:
            if policy != "system" and _is_bare(registry, policies.named(policy), now, site):
                bare.setdefault(site, []).append(policy)
    for site, ladders in bare.items():
        yield Found.wrong(name, f"at {site} nobody is, for {', '.join(ladders)}: {_MEND}")
    if _is_bare(registry, policies.system, now, None):
        said = "nobody is, for alarms of Gatehouse itself: let an operator stand in the rota"
        yield Found.wrong(name, f"{said}, and `gatehouse registry import` it")
    elif not bare:
        yield Found.fine(name, f"somebody is, on every ladder of {len(registry.zones)} sites")


def _is_bare(registry: Registry, policy: Policy, now: int, site: str | None) -> bool:
    roles = {role for step in policy.steps for role in step.roles}
    return not any(on_call(registry, role, at=now, site=site) for role in roles)


def _channels(registry: Registry, engine: Engine, clock: Clock) -> Iterator[Found]:
    """Yield the workers of the rota who cannot be reached, and the channels that do not work."""
    workers = list(dict.fromkeys(row.worker for row in registry.rota))
    mute = [worker for worker in workers if not registry.channels(worker)]
    if mute:
        said = f"{', '.join(mute)} stand in the rota and have none: add them to channels.csv"
        yield Found.wrong("channels", said)
    users = defaultdict[str, list[str]](list)
    for worker in workers:
        for address in registry.channels(worker):
            users[address].append(worker)
    tried = list(users)[:CHANNELS]
    channels = open_channels(engine, clock)
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="doctor channel") as pool:
        problems = list(pool.map(lambda one: channel_of(channels, one).probe(one), tried))
    for address, problem in zip(tried, problems, strict=True):
        if problem:
            said = f"{label(address)} of {', '.join(users[address])}: {problem}"
            yield Found.wrong("channels", f"{said}; correct channels.csv or mend the way there")
    if tried and not any(problems):
        yield Found.fine("channels", f"{len(tried)} addresses are understood, their servers answer")
