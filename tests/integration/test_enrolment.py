"""Enrolled devices at a real mosquitto with the files that enrolling wrote."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.publish
import pytest

from tests.command import Run
from tests.enrolling import (
    AccessFolder,
    Client,
    Operator,
    device,
    read_profiles_once,
    topics,
    us,
)
from tests.servers import Mosquitto, wait_until

PLUG = ("--profile", "tasmota_energy", "--household", "h-1-101")


@pytest.fixture(scope="module")
def access(tmp_path_factory: pytest.TempPathFactory) -> AccessFolder:
    """The broker's files; each operator writes them anew."""
    return AccessFolder(tmp_path_factory.mktemp("broker") / "access")


@pytest.fixture(scope="module")
def broker(
    access: AccessFolder, tmp_path_factory: pytest.TempPathFactory, program: Any
) -> Iterator[Mosquitto]:
    """A real mosquitto with them."""
    program("mosquitto")
    server = Mosquitto(tmp_path_factory.mktemp("mosquitto"), extra=access.settings).start()
    access.pid.write_text(f"{server.pid}\n")
    yield server
    server.stop()


@pytest.fixture
def operator(
    run: Run, tmp_path: Path, access: AccessFolder, monkeypatch: pytest.MonkeyPatch
) -> Operator:
    """Somebody with an empty list of enrolled devices."""
    read_profiles_once(monkeypatch)
    return Operator(run, tmp_path, access)


def test_a_device_publishes_as_itself_and_as_nobody_else(
    operator: Operator, broker: Mosquitto
) -> None:
    """Its own topics are taken; those of another device, of no device and the broker's are not."""
    a, b = operator.enrols("a", *PLUG), operator.enrols("b", *PLUG)
    with us(broker) as watcher, device(broker, a) as one, device(broker, b) as other:
        watcher.subscribes("#", "$SYS/a")
        foreign = ("tele/b/SENSOR", "tele/b/LWT", "stat/b/x", "tele/a", "tele/a/x", "cmnd/a/x", "x")
        for topic in (*foreign, "gatehouse/v1/s/a", "$SYS/a"):
            assert not one.publishes(topic), topic
        for topic in a["publishes"]:
            assert one.publishes(topic.replace("+", "x"))
        assert other.publishes("tele/b/SENSOR", "last")
        wait_until(lambda: ("tele/b/SENSOR", b"last") in watcher.received)
    own = [topic.replace("+", "x") for topic in a["publishes"]]
    assert topics(watcher) == [*own, "tele/b/SENSOR"]


def test_what_an_older_device_may_not_publish_arrives_nowhere(
    operator: Operator, broker: Mosquitto
) -> None:
    """MQTT 3.1.1 knows no refusal: the broker confirms, and throws it away."""
    a = operator.enrols("a", *PLUG)
    operator.enrols("b", *PLUG)
    said = {"username": a["mqtt_user"], "password": a["password"]}
    with us(broker) as watcher:
        watcher.subscribes("#")
        messages = [(topic, "x", 1, False) for topic in ("tele/b/SENSOR", "x", "tele/a/SENSOR")]
        paho.mqtt.publish.multiple(messages, port=broker.port, auth=said)
        wait_until(lambda: watcher.received)
    assert topics(watcher) == ["tele/a/SENSOR"]


def test_a_device_reads_nothing_but_what_it_is_asked(operator: Operator, broker: Mosquitto) -> None:
    """Whatever it subscribes to; a meter that is asked reads its own questions alone."""
    meter = operator.enrols("dtu-1", "--profile", "dlt645_polled", "--site", "lakeside")
    plug = operator.enrols("a", *PLUG)
    with us(broker) as other, device(broker, meter) as asked, device(broker, plug) as silent:
        for one in (asked, silent):
            one.subscribes("#", "$SYS/#", "tele/a/#", "dtu/+/down")
        for topic in ("tele/a/SENSOR", "tele/b/SENSOR", "dtu/dtu-2/down", "cmnd/a/POWER", "x"):
            assert other.publishes(topic)
        assert other.publishes("dtu/dtu-1/down")
        wait_until(lambda: asked.received)
        assert silent.publishes("tele/a/STATE")
    assert (set(topics(asked)), set(topics(silent))) == ({"dtu/dtu-1/down"}, set())


def test_an_enrolled_device_gets_in_and_a_retired_one_is_hung_up_on(
    operator: Operator, broker: Mosquitto
) -> None:
    """Both without a restart of the broker; whoever is connected beside stays so."""
    with Client(broker, "a", "guessed") as early:
        assert early.refusal
    with us(broker) as beside:
        a = operator.enrols("a", *PLUG)
        with Client(broker, "a", "guessed") as wrong, device(broker, a) as right:
            assert (bool(wrong.refusal), right.is_on) == (True, True)
            assert "a is retired; it stood: household h-1-101" in operator.does(
                "devices", "retire", "a", "--reason", "broken"
            )
            wait_until(lambda: not right.is_on, what="the broker to hang up")
        with Client(broker, a["mqtt_user"], a["password"]) as again:
            assert again.refusal
        back = operator.enrols("a")
        assert (back["place"], back["password"] != a["password"]) == ("household", True)
        with device(broker, back) as again:
            assert again.publishes("tele/a/SENSOR")
        assert beside.is_on


def test_a_new_password_voids_the_old_one(operator: Operator, broker: Mosquitto) -> None:
    """And hangs up on who has signed in with it."""
    old = operator.enrols("a", *PLUG)
    refused = operator.says("devices", "enrol", "a")
    assert (refused.code, "--replace voids that one" in refused.err) == (1, True)
    with device(broker, old) as before:
        new = operator.enrols("a", "--replace")
        wait_until(lambda: not before.is_on, what="the broker to hang up")
        with device(broker, new) as after:
            assert after.is_on


def test_a_gateway_speaks_for_what_is_behind_it(operator: Operator, broker: Mosquitto) -> None:
    """From when that is enrolled until it is retired, and for nobody else's devices."""
    beacon = ("--profile", "openmqttgateway", "--household", "h-1-101")
    gateway = operator.enrols("gw", "--profile", "openmqttgateway", "--site", "lakeside")
    with device(broker, gateway) as speaks:
        assert not speaks.publishes("home/gw/BTtoMQTT/c1")
        child = operator.enrols("c1", *beacon, "--gateway", "gw")
        assert (child["password"], child["mqtt_user"]) == (None, None)
        wait_until(lambda: speaks.publishes("home/gw/BTtoMQTT/c1"))
        assert not speaks.publishes("home/gw/BTtoMQTT/c2")
        assert not speaks.publishes("home/other/BTtoMQTT/c1")
        operator.does("devices", "retire", "c1")
        wait_until(lambda: not speaks.publishes("home/gw/BTtoMQTT/c1"))


@pytest.mark.parametrize(
    ("odd", "profile", "topic"),
    [
        ("a0:e6:f8:50:72:53", "esp32_ble2mqtt", "{}/Connected"),
        ("北门 1", "tasmota_energy", "tele/{}/SENSOR"),
        ("flat 3/bedroom", "zigbee2mqtt_plug", "zigbee2mqtt/{}"),
        ("a$b%u", "tasmota_energy", "tele/{}/SENSOR"),
        ("user x", "tasmota_energy", "tele/{}/SENSOR"),
        ("# a", "tasmota_energy", ""),
        ("a+b", "tasmota_energy", ""),
        ("$SYS", "shelly_gen2_em", ""),
    ],
)
def test_an_odd_id_is_its_own_or_is_refused(
    operator: Operator, broker: Mosquitto, odd: str, profile: str, topic: str
) -> None:
    """What could widen a filter is refused; every other sign stands for itself in both files."""
    words = ("--profile", profile, "--household", "h-1-101")
    if not topic:
        assert "its id may not hold" in operator.says("devices", "enrol", odd, *words).err
        return
    one = operator.enrols(odd, *words)
    with device(broker, one) as speaks:
        assert speaks.publishes(topic.format(odd))
        for near in (f"{odd}x", odd[:-1], odd.replace(" ", "")):
            if near != odd:
                assert not speaks.publishes(topic.format(near))


def test_many_are_enrolled_at_once_and_each_gets_in(
    operator: Operator, broker: Mosquitto, tmp_path: Path
) -> None:
    """From one file, with a file of passwords that only its owner reads; again, nothing happens."""
    many = tmp_path / "many.csv"
    rows = [f"p{number},tasmota_energy,household,lakeside,h-1-101,gw" for number in range(3)]
    rows += [f"q{number},tasmota_energy,household,lakeside,h-1-102," for number in range(300)]
    head = "id,profile,place,site,household,gateway\ngw,tasmota_energy,site,lakeside,,\n"
    many.write_text(head + "\n".join(rows) + "\n")
    secrets, page = tmp_path / "secrets.csv", tmp_path / "labels.html"
    enrol = ("devices", "enrol", "--csv", str(many))
    assert "301 of 304 devices would be" in operator.does(*enrol, "--dry-run")
    assert "301 of 304 devices are" in operator.does(*enrol, "--secrets", str(secrets))
    assert secrets.stat().st_mode & 0o777 == 0o600
    lines = [line.split(",") for line in secrets.read_text().splitlines()]
    assert len(lines) == 302
    where = {name: number for number, name in enumerate(lines[0])}
    for line in (lines[1], lines[-1]):
        with Client(broker, line[where["mqtt_user"]], line[where["password"]]) as one:
            assert one.publishes(f"tele/{line[0]}/SENSOR")
    taken = operator.says(*enrol, "--secrets", str(secrets))
    assert (taken.code, "is there already" in taken.err) == (1, True)
    assert "0 of 304 devices are" in operator.does(
        *enrol, "--secrets", str(tmp_path / "none.csv"), "--label", str(page)
    )
    assert not (tmp_path / "none.csv").exists()


@pytest.mark.soak
def test_ten_thousand_are_enrolled_at_once(
    operator: Operator, broker: Mosquitto, tmp_path: Path
) -> None:
    """In seconds; the broker needs some more to read so many rights."""
    many, secrets = tmp_path / "many.csv", tmp_path / "secrets.csv"
    rows = (f"q{number},tasmota_energy,household,lakeside,h-1-102" for number in range(10_000))
    many.write_text("id,profile,place,site,household\n" + "\n".join(rows) + "\n")
    enrol = ("devices", "enrol", "--csv", str(many), "--secrets", str(secrets))
    assert "10000 of 10000 devices are" in operator.does(*enrol)
    name, _, user, _, _, password, _ = secrets.read_text().splitlines()[-1].split(",")
    with Client(broker, user, password, seconds=60) as last:
        assert last.publishes(f"tele/{name}/SENSOR")


def test_two_enrolments_at_once_both_stand_in_the_files(
    operator: Operator, broker: Mosquitto, tmp_path: Path
) -> None:
    """Neither puts back an older state than the other wrote."""
    program = Path(__file__).parents[2] / ".venv" / "bin" / "gatehouse"
    environment = {
        "GATEHOUSE_DATA_DIR": str(tmp_path / "data"),
        "GATEHOUSE_CONFIG": str(tmp_path / "gatehouse.toml"),
    }
    enrol = [str(program), "devices", "enrol", "--json", *PLUG]
    running = [
        subprocess.Popen([*enrol, name], env=environment, stdout=subprocess.PIPE)
        for name in ("a", "b")
    ]
    for one in running:
        out, _ = one.communicate(timeout=60)
        answer = json.loads(out)
        with device(broker, answer) as speaks:
            assert speaks.publishes(f"tele/{answer['device_id']}/SENSOR")
    assert operator.does("credentials", "list").count("since") == 2
