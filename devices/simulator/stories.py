"""What the evening is about: four stories told on top of everybody's ordinary life.

Each is a small table, so that a test, a screen and a reader find the same numbers.
"""

from collections.abc import Iterator

from devices.clock import rfc3339
from devices.simulator import wire
from devices.simulator.community import Community
from devices.simulator.event import Event, clock_time, local, publish

NIGHT_GUARD = (("20:00:00", 36.9), ("20:00:35", 37.0), ("20:01:15", 37.7), ("20:01:50", 37.9))
"""At the night checkpoint; a gun does not know whom it measures."""
QUIET = ("19:54:00", "20:08:00")
"""Nobody else is measured there meanwhile."""
OUTSIDER = (("21:30:00", 36.2), ("21:33:20", 36.4), ("21:37:40", 36.3))
"""A face nobody knows, three times within ten minutes at the main gate."""
MS_SUN = (("07:40:00", 37.5), ("07:55:00", 37.6))
"""In the armpit, the morning after."""
MS_SUN_DAY = 1
TURNING_METER = {36: 1_450.0, 37: 1_600.0, 38: 1_150.0, 39: 900.0, 40: 640.0, 41: 480.0, 42: 300.0}
"""Half-hours of the day and watts of a cooker, lights and a heater where nobody is registered."""
_EVENINGS_BEFORE = -2


def is_lived_in(day: int) -> bool:
    """Return whether somebody is in the flat that is registered empty; day 0 is the evening's."""
    return day == _EVENINGS_BEFORE or day >= 0


def tell(community: Community, day: int) -> Iterator[Event]:
    """Yield what a day's stories publish; the turning meter's story is in the meters."""
    midnight = community.midnight(day)
    if day == 0:
        for number, (time, celsius) in enumerate(NIGHT_GUARD, 1):
            at = clock_time(midnight, time)
            event, site = f"guard-{number}", community.site
            shot = wire.thermometer_gun(site.id, site.gun, celsius, rfc3339(at), event)
            yield publish(at, shot)
        for time, celsius in OUTSIDER:
            yield stranger_at_main_gate(community, clock_time(midnight, time), celsius)
    if day == MS_SUN_DAY and community.sun.thermometer:
        for time, celsius in MS_SUN:
            at = clock_time(midnight, time)
            reading = wire.home_thermometer(community.sun.thermometer, celsius, local(at))
            yield publish(at, reading, retain=True)


def stranger_at_main_gate(community: Community, at: int, celsius: float) -> Event:
    """Return the main gate's capture of somebody it does not know."""
    sequence = sequence_number(community, at)
    serial = community.site.huaan
    capture = wire.huaan(serial, sequence, local(at), celsius, person=None, mask=True)
    return publish(at, capture)


def sequence_number(community: Community, at: int) -> int:
    """Return a terminal's own number of an event: it only ever grows, over restarts too."""
    return (at - community.begins) // 100 + 1


def is_quiet(community: Community, at: int) -> bool:
    """Return whether the checkpoint has nobody but the story's man."""
    begin, end = (clock_time(community.midnight(0), time) for time in QUIET)
    return begin <= at < end


def is_told_apart(community: Community, household: str, day: int, hour: float) -> bool:
    """Return whether a household's readings of that part of the day are a story's."""
    return household == community.sun.id and day == MS_SUN_DAY and hour < 12
