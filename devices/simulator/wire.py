"""What each device family puts on the wire. Topics and payloads as the vendors' devices send them.

Sources stand in the profile of each family (devices/profiles); the quirks, such as misspelt keys,
are the vendors'. ``moment`` is always the device's local wall time.
"""

import json
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from devices.clock import SECOND, rfc3339
from devices.observation import BodySite, Direction

HUAAN_REQUEST = "topic/face/capture/request/"
HUAAN_RESPONSE = "topic/face/capture/response/"
ARMPIT = 1
"""Of the Bluetooth temperature types (temperature_type.xml)."""
_HAS_TIME_AND_TYPE = 6
_APPLICATION = "17c82e96-be03-4f38-aef3-f83d48582d97"
_ADD_0X33 = bytes((byte + 0x33) & 0xFF for byte in range(256))
_PICTURE = "data:image/jpeg;base64,/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAP//////////////2Q=="

Wire = tuple[str, bytes]
"""Topic and payload."""


def home_thermometer(mac: str, celsius: float, moment: datetime) -> Wire:
    """Return a BLE thermometer's reading as esp32-ble2mqtt prints the characteristic.

    The firmware prints the first four bytes of the timestamp as a second FLOAT: year and month
    are its mantissa, the day its exponent.
    """
    garbled = ((moment.month << 16) | moment.year) * 10.0**moment.day
    time = f"{moment.hour},{moment.minute},{moment.second}"
    text = f"{_HAS_TIME_AND_TYPE},{celsius:.6f},{garbled:.6f},{time},{ARMPIT}"
    return f"{mac}/HealthThermometer/TemperatureMeasurement", text.encode()


def thermometer_battery(mac: str, percent: int) -> Wire:
    """Return a BLE thermometer's battery as esp32-ble2mqtt prints it."""
    return f"{mac}/BatteryService/BatteryLevel", str(percent).encode()


def room_sensor(name: str, celsius: float, humidity: float, battery: int, link: int) -> Wire:
    """Return a Zigbee sensor's report as Zigbee2MQTT publishes it; the voltage is in millivolts."""
    report = {
        "battery": battery,
        "humidity": round(humidity, 2),
        "linkquality": link,
        "temperature": round(celsius, 2),
        "voltage": 2_500 + 5 * battery,
    }
    return f"zigbee2mqtt/{name}", _json(report)


def chirpstack_room_sensor(
    eui: str, frame: int, at: int, celsius: float, humidity: float, battery: int, rssi: int
) -> Wire:
    """Return a LoRaWAN sensor's uplink as ChirpStack publishes it, with its codec's fields.

    Args:
        eui: The device's EUI in lower case.
        frame: Its frame counter.
        at: When the network server had it; milliseconds UTC.
        celsius: What the codec decoded, as the next two.
        humidity: In percent.
        battery: In percent.
        rssi: How loud the gateway heard it, in dBm.
    """
    uplink = {
        "deduplicationId": str(uuid5(NAMESPACE_OID, f"{eui}/{frame}")),
        "time": rfc3339(at),
        "deviceInfo": {"applicationId": _APPLICATION, "deviceName": eui, "devEui": eui},
        "dr": 5,
        "fCnt": frame,
        "fPort": 85,
        "object": {
            "battery": float(battery),
            "temperature": round(celsius, 1),
            "humidity": round(humidity * 2) / 2,
        },
        "rxInfo": [{"gatewayId": "0016c001f153a14c", "rssi": rssi, "snr": 9.0}],
    }
    return f"application/{_APPLICATION}/device/{eui}/event/up", _json(uplink)


def huaan(
    serial: str,
    sequence: int,
    moment: datetime,
    celsius: float,
    *,
    person: tuple[str, str] | None,
    mask: bool,
) -> Wire:
    """Return a Huaan terminal's capture; ``person`` is (id, name), None for an unknown face."""
    capture: dict[str, Any] = {
        "addr_name": "main gate",
        "addr_no": "",
        "cap_time": f"{moment:%Y/%m/%d %H:%M:%S}.{moment.microsecond // 1000:03}",
        "closeup_pic_flag": False,
        "cmd": "face",
        "device_no": "",
        "device_sn": serial,
        "is_realtime": 1,
        "match_failed_reson": 0 if person else -11,
        "match_result": 92 if person else -1,
        "overall_pic_flag": False,
        "person": {
            "age": 0,
            "face_quality": 87,
            "has_mask": mask,
            "hat": "none",
            "rotate_angle": 0,
            "sex": "",
            "temperatur": celsius,
            "turn_angle": -1,
        },
        "sequence_no": sequence,
        "version": "0.42",
        "video_flag": False,
    }
    if person:
        capture["match"] = {
            "person_id": person[0],
            "person_name": person[1],
            "person_role": 1,
            "match_type": ["face"],
            "origin": "device",
        }
    return HUAAN_REQUEST + serial, _json(capture)


def face_record(
    terminal: str,
    record: int,
    moment: datetime,
    *,
    person: tuple[str, str],
    direction: Direction,
    admitted: bool,
) -> Wire:
    """Return a face terminal's record of somebody it knows; ``person`` is (id, name)."""
    info = {
        "customId": person[0],
        "personId": str(int(person[0].rpartition("-")[2])),
        "RecordID": str(record),
        "VerifyStatus": "1" if admitted else "2",
        "PersonType": "0",
        "similarity1": "91.000000" if admitted else "64.000000",
        "Sendintime": 1,
        "direction": "entr" if direction is Direction.IN else "exit",
        "personName": person[1],
        "facesluiceId": terminal,
        "idCard": "",
        "telnum": " ",
        "time": f"{moment:%Y-%m-%d %H:%M:%S}",
        "isNoMask": "1" if admitted else "0",
        "PushType": 0,
        "targetPosInScene": [488, 0, 1525, 1080],
        "pic": _PICTURE,
    }
    return f"mqtt/face/{terminal}/Rec", _json({"operator": "RecPush", "info": info})


def face_stranger(terminal: str, snap: int, moment: datetime) -> Wire:
    """Return a face terminal's snapshot of somebody it does not know."""
    info = {
        "facesluiceId": terminal,
        "SnapID": snap,
        "time": f"{moment:%Y-%m-%d %H:%M:%S}",
        "targetPosInScene": "[0,0,0,0]",
    }
    snapshot = {"operator": "StrSnapPush", "info": info, "pic": _PICTURE}
    return f"mqtt/face/{terminal}/Snap", _json(snapshot)


def face_heartbeat(terminal: str, moment: datetime) -> Wire:
    """Return a face terminal's heartbeat; all terminals share the topic."""
    info = {"facesluiceId": terminal, "time": f"{moment:%Y-%m-%d %H:%M:%S}"}
    return "mqtt/face/heartbeat", _json({"operator": "HeartBeat", "info": info})


def dlt645(gateway: str, address: str, energy_wh: float) -> Wire:
    """Return a DL/T 645-2007 meter's answer to a read of its counter, through its gateway.

    Address and value are BCD with the last byte first, each data byte has 0x33 added.
    """
    head, head_sum = _dlt645_head(address)
    counted = bytes.fromhex(f"{int(energy_wh / 10) % 100_000_000:08}")[::-1].translate(_ADD_0X33)
    end = bytes(((head_sum + sum(counted)) & 0xFF, 0x16))
    return f"dtu/{gateway}/up", b"\xfe\xfe\xfe\xfe" + head + counted + end


@lru_cache(200_000)
def _dlt645_head(address: str) -> tuple[bytes, int]:
    """Return an answer's bytes before the value, and their sum."""
    length, read = 8, bytes([0, 0, 1, 0]).translate(_ADD_0X33)
    head = bytes([0x68, *bytes.fromhex(address)[::-1], 0x68, 0x91, length]) + read
    return head, sum(head)


def shelly_power(meter: str, watts: float) -> Wire:
    """Return a Shelly EM's power: a bare number in watts."""
    return f"shellies/{meter}/emeter/0/power", f"{watts:.2f}".encode()


def shelly_total(meter: str, energy_wh: float) -> Wire:
    """Return a Shelly EM's counter: a bare number in watt-hours."""
    return f"shellies/{meter}/emeter/0/total", f"{energy_wh:.1f}".encode()


def tasmota(meter: str, moment: datetime, watts: float, energy_wh: float) -> Wire:
    """Return a Tasmota plug's telemetry: kilowatt-hours, local time without a zone."""
    energy = {
        "TotalStartTime": "2019-11-01T08:00:00",
        "Total": round(energy_wh / 1_000, 3),
        "Power": round(watts),
        "ApparentPower": round(watts * 1.05),
        "Factor": 0.95,
        "Voltage": 227,
        "Current": round(watts / 227, 3),
    }
    report = {"Time": f"{moment:%Y-%m-%dT%H:%M:%S}", "ENERGY": energy}
    return f"tele/{meter}/SENSOR", _json(report)


def wmbus_meter(meter: str, at: int, energy_wh: float, rssi: int) -> Wire:
    """Return a wireless M-Bus meter's telegram as wmbusmeters publishes it (amiplus driver)."""
    telegram = {
        "_": "telegram",
        "media": "electricity",
        "meter": "amiplus",
        "name": f"meter-{meter}",
        "id": meter,
        "total_energy_consumption_kwh": round(energy_wh / 1_000, 3),
        "total_energy_production_kwh": 0,
        "current_power_production_kw": 0,
        "rssi_dbm": rssi,
        "timestamp": rfc3339(at // SECOND * SECOND),
    }
    return f"wmbusmeters/{meter}", _json(telegram)


def thermometer_gun(site: str, gun: str, celsius: float, observed_at: str, event: str) -> Wire:
    """Return a guard's thermometer gun in Gatehouse's own format; it never knows whom it met."""
    reading = {
        "kind": "temperature",
        "observed_at": observed_at,
        "event_id": event,
        "celsius": celsius,
        "body_site": BodySite.FOREHEAD,
    }
    return f"gatehouse/v1/{site}/{gun}", _json(reading)


def _json(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
