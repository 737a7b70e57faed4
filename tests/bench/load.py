"""What the bench sends: 500 devices of three JSON and text families, as they speak on the wire."""

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import mqtt5

from tests.registry_folder import Flat, write_registry

DEVICES = 500
PATIENTS = 40
"""People who live alone and fall ill, each with a thermometer of their own."""
ZONE = timedelta(hours=8)

Published = tuple[str, bytes]
"""Topic and payload."""
Load = Callable[[int, float], Iterator[Published]]
"""So many messages of a moment, Unix time in seconds."""


def write_bench_registry(folder: Path, phone: str) -> None:
    """Write a registry with a device a flat, and the flats of the people who fall ill."""
    patients = [(_patient(number), "esp32_ble2mqtt") for number in range(PATIENTS)]
    devices = [*map(device_of, range(DEVICES)), *patients]
    flats = [Flat(f"h{number}", (device,)) for number, device in enumerate(devices)]
    write_registry(folder, flats, channel=phone)


def messages(count: int, at: float) -> Iterator[Published]:
    """Yield what is published, device after device; ``at`` is Unix time in seconds."""
    local = datetime.fromtimestamp(at, UTC) + ZONE
    for number in range(count):
        device = number % DEVICES
        round_ = number // DEVICES
        kind = device % 5
        if kind < 2:
            yield room(device, round(20 + (number % 83) / 10, 2))
        elif kind < 4:
            moment = local - timedelta(seconds=3600 - round_)
            yield f"tele/meter{device}/SENSOR", _energy(moment, number)
        else:
            yield _measured(_mac(device), 36.0 + (number * 7 % 11) / 10)


def garbage(count: int, at: float) -> Iterator[Published]:
    """Yield the same cut off in the middle: every device sends, and nothing can be used."""
    for topic, payload in messages(count, at):
        yield topic, payload[: len(payload) // 2].rstrip(b"0123456789.")


def room(device: int, celsius: float) -> Published:
    """Return what a room sensor reports; its number is a multiple of five, or one more."""
    report = {
        "battery": 87,
        "humidity": 44.7,
        "linkquality": 120,
        "temperature": celsius,
        "voltage": 2935,
    }
    return f"zigbee2mqtt/room{device}", json.dumps(report).encode()


def fever(patient: int) -> Published:
    """Return the reading of somebody who lives alone and is ill: 38.6 °C in the armpit."""
    return _measured(_patient(patient), 38.6)


def packets(published: Iterable[Published]) -> list[bytes]:
    """Return QoS 1 PUBLISH packets with the packet ids 1 to 60,000 in turn."""
    return [
        mqtt5.PublishPacket(
            topic, payload, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=1 + number % 60_000
        ).write()
        for number, (topic, payload) in enumerate(published)
    ]


def _measured(thermometer: str, celsius: float) -> Published:
    topic = f"{thermometer}/HealthThermometer/TemperatureMeasurement"
    return topic, f"4,{celsius:.6f},1".encode()


def _energy(moment: datetime, number: int) -> bytes:
    energy = {
        "TotalStartTime": "2018-11-14T18:39:40",
        "Total": round(6 + number / 100_000, 3),
        "Yesterday": 5.34,
        "Today": 0.954,
        "Period": 217,
        "Power": 80 + number % 400,
        "ApparentPower": 2650,
        "ReactivePower": 282,
        "Factor": 0.99,
        "Voltage": 227,
        "Current": 11.661,
    }
    return json.dumps({"Time": f"{moment:%Y-%m-%dT%H:%M:%S}", "ENERGY": energy}).encode()


def _mac(number: int) -> str:
    return f"a0:e6:f8:50:{number >> 8:02x}:{number & 255:02x}"


def _patient(number: int) -> str:
    return f"a0:e6:f8:51:00:{number:02x}"


def device_of(number: int) -> tuple[str, str]:
    """Return a device's name and profile."""
    kind = number % 5
    if kind < 2:
        return f"room{number}", "zigbee2mqtt_temperature"
    if kind < 4:
        return f"meter{number}", "tasmota_energy"
    return _mac(number), "esp32_ble2mqtt"
