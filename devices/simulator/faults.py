"""What goes wrong on any ordinary day: payloads nobody can use, values no sensor can have.

Each becomes a dead letter with a reason of its own, and its neighbours are untouched.
"""

from collections.abc import Iterator
from string import Formatter

from devices.clock import HOUR
from devices.simulator.community import Community
from devices.simulator.event import Event
from devices.simulator.home import MeterKind, RoomSensorKind

FAULTS: tuple[tuple[float, str, bytes], ...] = (
    (0.7, "zigbee2mqtt/{room}", b'{"battery":61,"humidity":44.1,"tempera'),
    (3.4, "zigbee2mqtt/{room}", b'{"battery":61,"humidity":44.1,"temperature":-327.68}'),
    (5.9, "tele/{tasmota}/SENSOR", b'{"Time":"2020-02-15T05:54:00","ENERGY":{"Total":"n/a"}}'),
    (8.2, "{thermometer}/HealthThermometer/TemperatureMeasurement", b"6,nan,0.000000,1"),
    (10.3, "{thermometer}/HealthThermometer/TemperatureMeasurement", b"6,85.000000,0.0,0,0,0,1"),
    (12.6, "dtu/{dtu}/up", bytes.fromhex("fefefefe687856341200006891083333343389675634c516")),
    (18.9, "topic/face/capture/request/{huaan}", b'{"cmd":"face","cap_time":"soon"}'),
    (18.2, "shellies/{shelly}/emeter/0/power", b"overpower"),
    (18.6, "zigbee2mqtt/{room}", b'{"battery":null,"humidity":44.0,"temperature":-327.68}'),
    (19.1, "home/OpenMQTTGateway/SYStoMQTT", b'{"uptime":12,"version":"v1.8.1"}'),
    (19.7, "zigbee2mqtt/{room}", b"\xff\xfe\x00t\x00e\x00m\x00p"),
    (20.4, "tele/{tasmota}/SENSOR", b"[" * 5_000),
    (21.2, "dtu/{dtu}/up", b"\r\nOK\r\n"),
    (22.8, "zigbee2mqtt/{room}", b'{"temperature":85.0,"humidity":44.0}'),
)
"""Local hour, topic, payload."""


def garbage(community: Community, day: int) -> Iterator[Event]:
    """Yield a day's faults, each of a device that exists; a small community lacks some kinds."""
    random = community.random("faults", day)
    wanted, names = community.scenario.shares.garbage_a_day, _names(community)
    faults = list(FAULTS) if wanted >= len(FAULTS) else random.sample(FAULTS, wanted)
    for _ in range(wanted - len(faults)):
        _, topic, payload = random.choice(FAULTS)
        faults.append((random.uniform(0.2, 23.8), topic, payload))
    for hour, topic, payload in faults:
        devices = {kind: random.choice(ids) for kind, ids in names.items() if ids}
        at = community.midnight(day) + round((hour + random.uniform(-0.1, 0.1)) * HOUR)
        if all(kind in devices for _, kind, _, _ in Formatter().parse(topic) if kind):
            yield Event(at, topic.format(**devices), payload, faulty=True)


def _names(community: Community) -> dict[str, list[str]]:
    """Return devices by family, but for those of whom the scenario tells something."""
    named = {home.id for home in community.plan.named.values()}
    homes = [home for home in community.homes if home.id not in named]
    sensors = [home.room_sensor for home in homes if home.room_sensor]
    meters = [home.meter for home in homes]
    return {
        "room": [one.id for one in sensors if one.kind is RoomSensorKind.ZIGBEE],
        "thermometer": [home.thermometer for home in homes if home.thermometer],
        "tasmota": [meter.id for meter in meters if meter.kind is MeterKind.TASMOTA],
        "shelly": [meter.id for meter in meters if meter.kind is MeterKind.SHELLY],
        "dtu": sorted({meter.gateway for meter in meters if meter.gateway}),
        "huaan": [community.site.huaan],
    }
