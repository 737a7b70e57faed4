"""A city of several compounds, and its work shared by several processes."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from devices.clock import HOUR
from devices.decoder import Decoder
from devices.outcome import DeadLetter
from devices.profile import built_in, load_profiles
from devices.registry import HouseholdState
from devices.simulator import city as cities
from devices.simulator.city import City, make_city
from devices.simulator.community import LEAST_HOUSEHOLDS, Community
from devices.simulator.event import Event
from devices.simulator.events import city_events
from devices.simulator.feed import Feed
from devices.simulator.share import Share
from devices.simulator.tally import Tally, family

HOURS = 2
OF_ALL_SITES = {"mqtt/face/heartbeat", "home/OpenMQTTGateway/SYStoMQTT"}
"""Topics that devices of several compounds publish on."""


@pytest.fixture
def city(monkeypatch: pytest.MonkeyPatch) -> City:
    """Three small compounds."""
    monkeypatch.setattr(cities, "HOUSEHOLDS_A_SITE", 20)
    made = make_city(households=60, has_history=False)
    assert len(made.sites) == 3
    return made


def published(city: City, share: Share | None = None) -> list[Event]:
    since = city.evening
    return list(city_events(city, since, since + HOURS * HOUR, share=share or Share()))


@pytest.mark.parametrize("processes", [2, 5])
def test_processes_together_publish_what_one_does(city: City, processes: int) -> None:
    """Whatever their number: the same messages to the byte, each device's from one process."""
    alone = published(city)
    shares = [published(city, Share(index, processes)) for index in range(processes)]
    assert Counter(alone) == Counter(event for events in shares for event in events)
    assert all(shares)
    owners = Counter(topic for events in shares for topic in {event.topic for event in events})
    assert {topic for topic, count in owners.items() if count > 1} <= OF_ALL_SITES
    for events in (alone, *shares):
        assert all(early.at <= late.at for early, late in pairwise(events))


def test_ids_are_unique_in_the_whole_city(city: City) -> None:
    """No two compounds share a place, a person, a worker's patch or a device."""
    ids = Counter(one for community in city.communities for one in ids_of(community))
    assert len(ids) > 200
    assert ids.most_common(1)[0][1] == 1


def ids_of(community: Community) -> Iterator[str]:
    site = community.site
    yield from (site.huaan, site.face_terminal, site.gun, site.main_gate, site.north_gate)
    yield from (site.id, site.checkpoint, *set(community.buildings.values()), *community.buildings)
    yield from {home.meter.gateway for home in community.homes if home.meter.gateway}
    for home in community.homes:
        yield from (home.id, home.meter.id, *(person.id for person in home.people))
        yield from (one for one in (home.thermometer,) if one)
        yield from (one.id for one in (home.room_sensor,) if one)


def test_city_of_a_hundred_thousand_is_made_compound_by_compound() -> None:
    """Its compounds are known at once and made one at a time; the last is as any other, and has
    the last households."""
    began = time.process_time()
    city = make_city(households=100_000)
    sites = city.sites
    assert time.process_time() - began < 1
    assert len(sites) == 77
    last = city.community(sites[-1])
    assert sites[-1].first_household + len(last.homes) == 100_000
    assert all(
        1_290 <= late.first_household - early.first_household <= 1_310
        for early, late in pairwise(sites)
    )
    assert len({home.id for home in last.homes}) == len(last.homes)


@pytest.mark.parametrize("seed", range(3))
def test_twenty_households_are_a_community(seed: int) -> None:
    """The smallest one lives a day whose every message decodes, or is meant not to."""
    city = make_city(seed=seed, households=LEAST_HOUSEHOLDS, has_history=False)
    (community,) = city.communities
    assert sum(home.state is HouseholdState.OCCUPIED for home in community.homes) > 5
    decoder = Decoder(load_profiles(built_in()), default_zone=ZoneInfo("Asia/Shanghai"))
    events = published(city)
    assert len(events) > 100
    for event in events:
        outcome = decoder.decode(event.topic, event.payload, received_at=event.at)
        assert isinstance(outcome, DeadLetter) == event.faulty, (event, outcome)


def test_too_few_households_are_refused() -> None:
    """A scenario that tells of more households than there are says how many it needs."""
    with pytest.raises(ValueError, match="needs"):
        make_city(households=2)


def test_families_are_profiles(city: City) -> None:
    """What is counted by family has a profile's name."""
    known = {profile.name for profile in load_profiles(built_in())}
    assert {family(event.topic) for event in published(city) if not event.faulty} <= known


async def test_feed_gives_again_what_was_not_delivered() -> None:
    """After a loss what was in flight comes first, in order, and nothing else comes twice."""
    events = [Event(at, f"t/{at}", b"") for at in range(2_000)]
    tally = Tally()
    feed = Feed(iter(events), tally)
    taken = [await feed.next() for _ in range(6)]
    for one in (0, 2, 3):
        found = taken[one]
        assert found is not None
        feed.delivered(found[0])
    feed.rewind()
    rest = []
    while (found := await feed.next()) is not None:
        feed.delivered(found[0])
        rest.append(found[1].at)
    assert rest == [1, 4, 5, *range(6, 2_000)]
    assert tally.messages == 2_000


async def test_feed_loses_nothing_when_it_is_cancelled() -> None:
    """Whoever waits for an event may be cancelled at any time."""
    feed = Feed((Event(at, "t", b"") for at in slowly(30)), Tally())
    seen = []
    while True:
        task = asyncio.create_task(feed.next())
        await asyncio.sleep(0)
        task.cancel()
        try:
            found = await task
        except asyncio.CancelledError:
            found = await feed.next()
        if found is None:
            break
        feed.delivered(found[0])
        seen.append(found[1].at)
    assert seen == list(range(30))


def slowly(count: int) -> Iterator[int]:
    for number in range(count):
        time.sleep(0.001)
        yield number


async def test_feed_keeps_a_rate() -> None:
    """With a bound events come evenly, and no faster."""
    feed = Feed((Event(at, "t", b"") for at in range(1_000)), Tally(), per_second=500)
    began = time.monotonic()
    for _ in range(100):
        await feed.next()
    assert time.monotonic() - began > 0.15


async def test_failure_of_making_is_raised_where_it_is_waited_for() -> None:
    """An error in the thread that makes events ends whoever takes them."""

    def broken() -> Iterator[Event]:
        yield Event(0, "t", b"")
        raise LookupError("made wrongly")

    feed = Feed(broken(), Tally())
    with pytest.raises(LookupError):
        await feed.next()
