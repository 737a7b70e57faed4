"""What the bench sends: 500 devices of three JSON and text families, as they speak on the wire."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import mqtt5

from tests.registry_folder import Flat, write_registry

DEVICES = 500
PERSON = "a0:e6:f8:50:99:99"
"""The thermometer of somebody who lives alone and falls ill."""
ZONE = timedelta(hours=8)


def write_bench_registry(folder: Path, webhook: str) -> None:
    """Write a registry with a device a flat, and the flat of the person who falls ill."""
    devices = [*(_device(number) for number in range(DEVICES)), (PERSON, "esp32_ble2mqtt")]
    flats = [Flat(f"h{number}", (device,)) for number, device in enumerate(devices)]
    write_registry(folder, flats, channel=webhook)


def messages(count: int, at: float) -> Iterator[tuple[str, bytes]]:
    """Yield topics and payloads, device after device; ``at`` is Unix time in seconds."""
    local = datetime.fromtimestamp(at, UTC) + ZONE
    for number in range(count):
        device = number % DEVICES
        round_ = number // DEVICES
        kind = device % 5
        if kind < 2:
            report = {
                "battery": 87,
                "humidity": 44.7,
                "linkquality": 120,
                "temperature": round(20 + (number % 83) / 10, 2),
                "voltage": 2935,
            }
            yield f"zigbee2mqtt/room{device}", json.dumps(report).encode()
        elif kind < 4:
            moment = local - timedelta(seconds=3600 - round_)
            yield f"tele/meter{device}/SENSOR", _energy(moment, number)
        else:
            celsius = 36.0 + (number * 7 % 11) / 10
            topic = f"{_mac(device)}/HealthThermometer/TemperatureMeasurement"
            yield topic, f"4,{celsius:.6f},1".encode()


def packets(topics_and_payloads: Iterator[tuple[str, bytes]]) -> list[bytes]:
    """Return QoS 1 PUBLISH packets with the packet ids 1 to 60,000 in turn."""
    return [
        mqtt5.PublishPacket(
            topic, payload, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=1 + number % 60_000
        ).write()
        for number, (topic, payload) in enumerate(topics_and_payloads)
    ]


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


def _device(number: int) -> tuple[str, str]:
    kind = number % 5
    if kind < 2:
        return f"room{number}", "zigbee2mqtt_temperature"
    if kind < 4:
        return f"meter{number}", "tasmota_energy"
    return _mac(number), "esp32_ble2mqtt"
