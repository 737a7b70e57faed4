"""What the bench sends: 500 devices of three JSON and text families, as they speak on the wire."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import mqtt5

DEVICES = 500
PERSON = "a0:e6:f8:50:99:99"
"""The thermometer of somebody who lives alone and falls ill."""
ZONE = timedelta(hours=8)


def write_registry(folder: Path, webhook: str) -> None:
    """Write a registry with the 500 devices, one ill resident, and a worker with a webhook."""
    folder.mkdir(parents=True, exist_ok=True)
    flats = range(DEVICES + 1)
    _write(
        folder / "sites.csv", [{"id": "s", "name": "S", "community": "C", "zone": "Asia/Shanghai"}]
    )
    _write(folder / "grids.csv", [{"id": "g", "site": "s", "name": "G"}])
    _write(folder / "buildings.csv", [{"id": "b", "grid": "g", "name": "B"}])
    _write(folder / "workers.csv", [{"id": "w", "name": "W"}])
    _write(folder / "channels.csv", [{"worker": "w", "rank": 1, "url": webhook}])
    always = {"weekdays": "mon-sun", "begins": "00:00", "ends": "24:00"}
    roles = ("grid_worker", "secretary", "street_command")
    _write(
        folder / "rota.csv",
        [{"worker": "w", "role": role, "site": "s", "grid": "", **always} for role in roles],
    )
    _write(
        folder / "households.csv",
        [
            _spanned({"id": f"h{n}", "building": "b", "flat": f"{n}", "state": "occupied"})
            for n in flats
        ],
    )
    _write(
        folder / "residents.csv",
        [_resident(n) for n in flats],
    )
    _write(folder / "devices.csv", [_device(n) for n in flats])


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
    return f"a0:e6:f8:50:{number >> 8:02x}:{number & 255:02x}" if number < DEVICES else PERSON


def _device(number: int) -> dict[str, str]:
    kind = number % 5 if number < DEVICES else 4
    name, profile = (
        (f"room{number}", "zigbee2mqtt_temperature"),
        (f"room{number}", "zigbee2mqtt_temperature"),
        (f"meter{number}", "tasmota_energy"),
        (f"meter{number}", "tasmota_energy"),
        (_mac(number), "esp32_ble2mqtt"),
    )[kind]
    place = {"place": "household", "site": "s", "household": f"h{number}", "gate": "", "worker": ""}
    return _spanned({"id": name, "profile": profile, **place, "gateway": ""})


def _resident(number: int) -> dict[str, str]:
    person = {"id": f"r{number}", "household": f"h{number}", "name": "N", "phone": ""}
    return _spanned(person) | {"class": "", "class_since": "", "class_until": ""}


def _spanned(row: dict[str, str]) -> dict[str, str]:
    return row | {"since": "2020-01-01", "until": ""}


def _write(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
