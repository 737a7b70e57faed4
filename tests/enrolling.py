"""An operator who enrols devices, and devices that sign in at a real broker."""

import functools
import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode
from sqlalchemy import Engine

from devices.broker_file import hash_password
from devices.csv_import import import_folder
from devices.profile import load_profiles
from gatehouse import enrolment
from gatehouse.database import migrate
from tests.command import Done, Run
from tests.servers import Mosquitto, wait_until
from tests.state import open_copy

SAMPLE = Path(__file__).parents[1] / "devices" / "sample_community"
LONG_AGO = 1_580_000_000_000
US, OUR_PASSWORD = "gatehouse", "ours"


class AccessFolder:
    """A broker's password and ACL file, in which Gatehouse itself is let in, and its pid file."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.passwords, self.acl = folder / "passwords", folder / "acl"
        self.pid = folder / "pid"
        self.passwords.write_text(f"{US}:{hash_password(OUR_PASSWORD)}\n")
        self.acl.write_text(f"user {US}\ntopic readwrite #\ntopic read $SYS/#\n")
        for path in (self.passwords, self.acl):
            path.chmod(0o600)

    @property
    def settings(self) -> str:
        """Lines for mosquitto.conf."""
        return (
            "allow_anonymous false\n"
            f"password_file {self.passwords}\nacl_file {self.acl}\npid_file {self.pid}"
        )


class Operator:
    """Runs commands, in a data folder with the sample community."""

    def __init__(self, run: Run, folder: Path, access: AccessFolder, more: str = "") -> None:
        self.folder = folder
        self.access = access
        (folder / "data").mkdir()
        self.engine = open_copy(folder / "data", _fill)
        self.set(f'pid_file = "{access.pid}"\n{more}')
        self._run = run

    def set(self, more: str) -> None:
        """Write the settings file."""
        (self.folder / "gatehouse.toml").write_text(
            f'[enrolment]\npassword_file = "{self.access.passwords}"\n'
            f'acl_file = "{self.access.acl}"\n{more}\n'
        )

    def says(self, *words: str) -> Done:
        """Run a command."""
        return self._run(
            *words,
            environment={
                "GATEHOUSE_DATA_DIR": str(self.folder / "data"),
                "GATEHOUSE_CONFIG": str(self.folder / "gatehouse.toml"),
            },
        )

    def does(self, *words: str) -> str:
        """Run a command that must succeed; return what it prints."""
        done = self.says(*words)
        assert done.code == 0, done.err
        return done.out

    def enrols(self, device: str, *words: str) -> dict[str, Any]:
        """Enrol a device; return what it needs to sign in."""
        answer: dict[str, Any] = json.loads(self.does("devices", "enrol", device, *words, "--json"))
        return answer


def _fill(engine: Engine) -> None:
    migrate(engine)
    import_folder(engine, SAMPLE, now=LONG_AGO)


def read_profiles_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the families once for all commands of a test run: they are the same."""
    monkeypatch.setattr(enrolment, "load_profiles", _cached_profiles)


_cached_profiles = functools.cache(load_profiles)


class Client:
    """A device at the broker, over MQTT 5; keeps what reaches it."""

    def __init__(self, broker: Mosquitto, user: str, password: str, *, seconds: float = 0) -> None:
        """Prepare one that tries for some seconds to be let in."""
        self._seconds = seconds
        self.received: list[tuple[str, bytes]] = []
        self.is_on = False
        self.refusal = ""
        self._broker = broker
        self._answers: dict[int, ReasonCode] = {}
        self._granted = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.username_pw_set(user, password)
        self._client.on_connect = self._connected
        self._client.on_disconnect = self._gone
        self._client.on_message = lambda _, __, one: self.received.append((one.topic, one.payload))
        self._client.on_publish = self._published
        self._client.on_subscribe = lambda *_: self._granted.set()
        self._client.reconnect_delay_set(3600, 3600)

    def __enter__(self) -> Self:
        """Sign in, or be refused."""
        deadline = time.monotonic() + self._seconds
        self._client.connect(self._broker.host, self._broker.port)
        self._client.loop_start()
        wait_until(lambda: self.is_on or self.refusal, what="an answer to CONNECT")
        while self.refusal and time.monotonic() < deadline:
            self.refusal = ""
            self._client.reconnect()
            wait_until(lambda: self.is_on or self.refusal, what="an answer to CONNECT")
        return self

    def __exit__(self, *_: object) -> None:
        """Leave."""
        self._client.disconnect()
        self._client.loop_stop()

    def publishes(self, topic: str, payload: str = "x") -> bool:
        """Publish with QoS 1; return whether the broker took it, or denied it."""
        number = self._client.publish(topic, payload, qos=1).mid
        wait_until(lambda: number in self._answers, what=f"PUBACK of {topic}")
        code = self._answers.pop(number)
        assert not code.is_failure or str(code) == "Not authorized", code
        return not code.is_failure

    def subscribes(self, *filters: str) -> None:
        """Subscribe, and wait for the answer: this broker grants whatever is asked."""
        for one in filters:
            self._granted.clear()
            self._client.subscribe(one, qos=1)
            assert self._granted.wait(60)

    def _connected(self, _: object, __: object, ___: object, code: ReasonCode, ____: Any) -> None:
        self.is_on = not code.is_failure
        self.refusal = str(code) if code.is_failure else ""

    def _gone(self, *_: Any) -> None:
        self.is_on = False

    def _published(self, _: object, __: object, number: int, code: ReasonCode, ___: Any) -> None:
        self._answers[number] = code


def device(broker: Mosquitto, answer: dict[str, Any]) -> Client:
    """Return a device that signs in with what enrolling it gave, once the broker knows of it."""
    return Client(broker, answer["mqtt_user"], answer["password"], seconds=10)


def us(broker: Mosquitto) -> Client:
    """Return Gatehouse at the broker."""
    return Client(broker, US, OUR_PASSWORD)


def topics(client: Client) -> Sequence[str]:
    """Return the topics of what reached a client."""
    return [topic for topic, _ in client.received]
