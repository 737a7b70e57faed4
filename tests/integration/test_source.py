"""What every version of MQTT must do, on a real mosquitto. One suite, run for each of them."""

import asyncio
import base64
import hashlib
import json
from pathlib import Path

import aiomqtt
import pytest

from ingest.message import BACKLOG, DUP, RETAIN
from ingest.mqtt_source import Version
from ingest.session_memory import SessionMemory
from tests.intake import NOON, VERSIONS, Intake, numbered, publish
from tests.servers import Mosquitto, eventually, free_port
from tests.tcp_proxy import TcpProxy

PLUGIN = "*/mosquitto_dynamic_security.so"

pytestmark = pytest.mark.parametrize("version", VERSIONS, ids=["mqtt5", "mqtt311"])


@pytest.fixture
def dynamic_security(tmp_path: Path) -> str:
    """Return configuration with which user guard may subscribe to gate/# and to nothing else."""
    plugin = next(Path("/usr/lib").glob(PLUGIN), None)
    if plugin is None:
        pytest.skip(
            "mosquitto's dynamic security plugin is not installed: apt-get install mosquitto"
        )
    salt = b"twelve bytes"
    secret = hashlib.pbkdf2_hmac("sha512", b"secret", salt, 101)
    rights = tmp_path / "rights.json"
    rights.write_text(
        json.dumps(
            {
                "clients": [
                    {
                        "username": "guard",
                        "password": base64.b64encode(secret).decode(),
                        "salt": base64.b64encode(salt).decode(),
                        "iterations": 101,
                        "roles": [{"rolename": "gates"}],
                    }
                ],
                "roles": [
                    {
                        "rolename": "gates",
                        "acls": [{"acltype": "subscribePattern", "topic": "gate/#", "allow": True}],
                    }
                ],
                "defaultACLAccess": {"subscribe": False, "publishClientReceive": True},
            }
        )
    )
    return f"plugin {plugin}\nplugin_opt_config_file {rights}"


async def test_messages_arrive_as_published(mosquitto: Mosquitto, version: Version) -> None:
    """Topic, payload, QoS, arrival and connection of each message are what they were."""
    async with Intake(mosquitto.url, version, name="yard") as intake:
        await intake.connected()
        await publish(mosquitto, [b"\x00\xff", b""], topic="gate/北门")
        first, second = await intake.receives(2)
    assert (first.topic, first.payload, second.payload) == ("gate/北门", b"\x00\xff", b"")
    assert (first.source, first.session, first.qos, first.flags) == ("yard", 1, 1, 0)
    assert first.received_at == NOON
    assert 0 < first.packet_id != second.packet_id


async def test_status_says_what_was_granted(mosquitto: Mosquitto, version: Version) -> None:
    """Version, granted QoS and counters can be read off the status."""
    async with Intake(mosquitto.url, version) as intake:
        assert not intake.status.connected
        await intake.connected()
        await publish(mosquitto, numbered(3))
        await publish(mosquitto, numbered(2), qos=0)
        arrived = await intake.receives(5)
        assert intake.status.in_flight == 3
        intake.source.ack(arrived)
        status = intake.status
    assert status.protocol == version.protocol
    assert status.granted == {"gate/#": 1}
    assert (status.received, status.unguarded, status.acks, status.in_flight) == (5, 2, 3, 0)
    assert status.window == (2_000 if version.protocol == "5" else 0)
    assert (status.problem, status.reconnects, status.draining) == ("", 0, False)


async def test_quality_of_service_two_is_lowered(mosquitto: Mosquitto, version: Version) -> None:
    """A publish at QoS 2 reaches us at QoS 1, guarded by our ack."""
    async with Intake(mosquitto.url, version) as intake:
        await intake.connected()
        await publish(mosquitto, [b"twice"], qos=2)
        (message,) = await intake.receives(1)
    assert (message.qos, intake.status.unguarded) == (1, 0)


async def test_nothing_is_acknowledged_before_told(mosquitto: Mosquitto, version: Version) -> None:
    """What was not acknowledged comes again after a clean stop, marked; what was, does not."""
    async with Intake(mosquitto.url, version) as intake:
        await intake.connected()
        await publish(mosquitto, numbered(10))
        intake.source.ack((await intake.receives(10))[:4])
        assert intake.status.acks == 4
    async with Intake(mosquitto.url, version) as intake:
        await intake.connected()
        await publish(mosquitto, [b"last"])
        again = await intake.sees(b"last")
    assert [message.payload for message in again] == numbered(10)[4:]
    assert all(message.flags == DUP | BACKLOG for message in again)


async def test_what_was_acknowledged_is_gone(mosquitto: Mosquitto, version: Version) -> None:
    """After every message has been acknowledged, the next process gets only new ones."""
    async with Intake(mosquitto.url, version) as intake:
        intake.acking = True
        await intake.connected()
        await publish(mosquitto, numbered(100))
        await intake.receives(100)
    async with Intake(mosquitto.url, version) as intake:
        await intake.connected()
        await publish(mosquitto, [b"new"])
        assert await intake.sees(b"new") == []


async def test_backlog_is_flagged_until_it_has_drained(
    mosquitto: Mosquitto, version: Version
) -> None:
    """Messages kept while we were away are marked, live ones after them are not."""
    mosquitto.stop()
    mosquitto.configure("max_inflight_messages 20")
    mosquitto.start()
    async with Intake(mosquitto.url, version, receive_maximum=20) as intake:
        await intake.connected()
    await publish(mosquitto, numbered(200))
    async with Intake(mosquitto.url, version, receive_maximum=20) as intake:
        await intake.receives(20)
        assert intake.status.draining
        assert len(intake.messages) == 20
        intake.acking = True
        intake.source.ack(intake.messages)
        await intake.receives(200)
        await eventually(lambda: not intake.status.draining, what="drained")
        await publish(mosquitto, [b"live"])
        kept = await intake.sees(b"live")
        live = intake.messages[len(kept)]
    assert [message.payload for message in kept] == numbered(200)
    assert all(message.flags & BACKLOG for message in kept)
    assert live.flags == 0


async def test_a_window_held_full_keeps_draining(mosquitto: Mosquitto, version: Version) -> None:
    """While nothing is acknowledged, it is not taken for drained."""
    mosquitto.stop()
    mosquitto.configure("max_inflight_messages 1")
    mosquitto.start()
    async with Intake(mosquitto.url, version, receive_maximum=1) as intake:
        await intake.connected()
    await publish(mosquitto, numbered(3))
    async with Intake(mosquitto.url, version, receive_maximum=1) as intake:
        await intake.connected()
        for number in range(3):
            message = (await intake.receives(number + 1))[-1]
            connection = intake.source._connection
            assert connection is not None
            await asyncio.wait_for(connection.ask(), 10)
            assert intake.status.draining
            intake.source.ack([message])
        await eventually(lambda: not intake.status.draining, what="drained")


async def test_a_new_session_is_not_draining(mosquitto: Mosquitto, version: Version) -> None:
    """Without a session at the broker nothing waited there."""
    async with Intake(mosquitto.url, version) as intake:
        await intake.connected()
        assert not intake.status.draining


async def test_retained_messages_are_marked(mosquitto: Mosquitto, version: Version) -> None:
    """Marked is what was there before us; a live message is not, even if asked to be kept."""
    await publish(mosquitto, [b"kept"], topic="gate/old", retain=True)
    async with Intake(mosquitto.url, version) as intake:
        await intake.receives(1)
        await publish(mosquitto, [b"live"], topic="gate/new", retain=True)
        kept, live = await intake.receives(2)
    assert (kept.payload, kept.flags) == (b"kept", RETAIN)
    assert (live.payload, live.flags) == (b"live", 0)


async def test_the_window_fills_and_moves_on(mosquitto: Mosquitto, version: Version) -> None:
    """Without acks the broker stops at the window; acks bring the rest, in order.

    How far it goes after the first ack is the broker's affair: mosquitto 2.0.11 sends up to a
    whole window for each ack, so what is in flight is bounded by pausing, not by the window.
    """
    mosquitto.stop()
    mosquitto.configure("max_inflight_messages 50")
    mosquitto.start()
    async with Intake(mosquitto.url, version, receive_maximum=50) as intake:
        await intake.connected()
        await publish(mosquitto, numbered(120))
        await publish(mosquitto, [b"past the window"], qos=0)
        assert len(await intake.sees(b"past the window")) == 50
        intake.acking = True
        intake.source.ack(intake.messages)
        await intake.receives(121)
    assert [message.payload for message in intake.messages if message.qos] == numbered(120)


async def test_a_broker_restart_is_survived(mosquitto: Mosquitto, version: Version) -> None:
    """A broker that keeps its sessions goes on where it was, without a new subscription's gap."""
    async with Intake(mosquitto.url, version) as intake:
        intake.acking = True
        await intake.connected()
        await publish(mosquitto, [b"before"])
        await intake.sees(b"before")
        mosquitto.stop()
        await intake.disconnected()
        assert intake.status.problem
        mosquitto.start()
        await publish(mosquitto, [b"while away"])
        await intake.reconnected(1)
        await intake.sees(b"while away")
        assert intake.status.reconnects == 1
        assert intake.status.problem == ""


async def test_a_lost_session_is_subscribed_again(mosquitto: Mosquitto, version: Version) -> None:
    """A broker that comes back with an empty store is subscribed to again, and said to have lost.

    One that had our session all along is not.
    """
    async with Intake(mosquitto.url, version) as intake:
        await intake.connected()
        mosquitto.stop()
        mosquitto.start()
        await intake.reconnected(1)
        assert (intake.status.sessions_lost, intake.source.sessions) == (0, 1)
        session = intake.status.session
        mosquitto.kill()
        (mosquitto.folder / "mosquitto.db").unlink(missing_ok=True)
        mosquitto.start()
        await intake.reconnected(session)
        assert (intake.status.sessions_lost, intake.status.session_lost_at) == (1, NOON)
        assert intake.source.sessions == 2
        await publish(mosquitto, [b"after"])
        await intake.sees(b"after")


async def test_a_session_lost_while_we_were_away_is_said(
    mosquitto: Mosquitto, version: Version, tmp_path: Path
) -> None:
    """A process that finds no session where the one before it had one counts a possible loss."""
    file = tmp_path / "sessions.json"
    async with Intake(mosquitto.url, version, SessionMemory(file)) as intake:
        await intake.connected()
        assert intake.status.sessions_lost == 0
    mosquitto.kill()
    (mosquitto.folder / "mosquitto.db").unlink(missing_ok=True)
    mosquitto.start()
    async with Intake(mosquitto.url, version, SessionMemory(file)) as intake:
        await intake.connected()
        assert intake.status.sessions_lost == 1


async def test_a_changed_topic_is_subscribed(mosquitto: Mosquitto, version: Version) -> None:
    """A filter that joins the settings is heard although the broker kept the session."""
    async with Intake(mosquitto.url, version, topics=("gate/1",)) as intake:
        await intake.connected()
    async with Intake(mosquitto.url, version, topics=("gate/1", "door/1")) as intake:
        await intake.connected()
        await publish(mosquitto, [b"knock"], topic="door/1")
        await intake.sees(b"knock")


async def test_a_filter_that_left_is_unsubscribed(
    mosquitto: Mosquitto, version: Version, tmp_path: Path
) -> None:
    """What the settings of the process before named and ours do not is not delivered any more."""
    file = tmp_path / "sessions.json"
    before = ("gate/1", "door/1")
    async with Intake(mosquitto.url, version, SessionMemory(file), topics=before) as intake:
        await intake.connected()
    async with Intake(mosquitto.url, version, SessionMemory(file), topics=("gate/1",)) as intake:
        await intake.connected()
        await publish(mosquitto, [b"knock"], topic="door/1")
        await publish(mosquitto, [b"last"])
        assert await intake.sees(b"last") == []
    assert "door/1" not in file.read_text()


async def test_a_filter_that_left_during_an_outage_goes_too(
    mosquitto: Mosquitto, version: Version, tmp_path: Path
) -> None:
    """What waits from a filter that has left is taken; what comes after it is not asked for."""
    memory = SessionMemory(tmp_path / "sessions.json")
    async with Intake(mosquitto.url, version, memory, topics=("gate/1", "door/1")) as intake:
        await intake.connected()
    await publish(mosquitto, [b"waited"], topic="door/1")
    async with Intake(mosquitto.url, version, memory, topics=("gate/1",)) as intake:
        intake.acking = True
        await intake.connected()
        await publish(mosquitto, [b"knock"], topic="door/1")
        await publish(mosquitto, [b"last"])
        assert [one.payload for one in await intake.sees(b"last")] == [b"waited"]


async def test_birth_and_will_say_whether_we_are_there(
    mosquitto: Mosquitto, version: Version
) -> None:
    """The status topic says online while connected, offline after a clean stop and after a cut."""
    topic = "gatehouse/gatehouse/status"
    async with aiomqtt.Client(mosquitto.host, mosquitto.port) as watcher:
        await watcher.subscribe(topic, qos=1)
        said = aiter(watcher.messages)
        async with Intake(mosquitto.url, version) as intake:
            await intake.connected()
            assert (await anext(said)).payload == b"online"
        assert (await anext(said)).payload == b"offline"
        async with (
            TcpProxy(port=mosquitto.port) as proxy,
            Intake(f"mqtt://127.0.0.1:{proxy.port}", version) as intake,
        ):
            await intake.connected()
            assert (await anext(said)).payload == b"online"
            proxy.refuse()
            proxy.cut()
            assert (await anext(said)).payload == b"offline"
        assert intake.messages == []


async def test_without_a_status_topic_nothing_is_published(
    mosquitto: Mosquitto, version: Version
) -> None:
    """Whoever does not want birth and will on the broker has neither."""
    async with (
        Intake(mosquitto.url, version, client_id="witness", status_topic="", topics=("#",)) as one,
        Intake(mosquitto.url, version, status_topic="") as intake,
    ):
        await one.connected()
        await intake.connected()
        await publish(mosquitto, [b"last"])
        assert await one.sees(b"last") == []


async def test_a_large_message_arrives_whole(mosquitto: Mosquitto, version: Version) -> None:
    """A message of many socket reads is one message, and the next one is not disturbed."""
    large = bytes(range(256)) * 20_000
    async with Intake(mosquitto.url, version) as intake:
        await intake.connected()
        await publish(mosquitto, [large, b"next"])
        await intake.receives(2)
    assert intake.payloads == [large, b"next"]


async def test_pause_stops_reading(mosquitto: Mosquitto, version: Version) -> None:
    """While paused nothing is taken in; afterwards everything is, in order."""
    async with (
        Intake(mosquitto.url, version) as intake,
        Intake(mosquitto.url, version, client_id="witness") as witness,
    ):
        await intake.connected()
        await witness.connected()
        intake.source.pause()
        await publish(mosquitto, numbered(50))
        await witness.receives(50)
        assert intake.messages == []
        intake.source.resume()
        await intake.receives(50)
        assert intake.payloads == numbered(50)


async def test_a_paused_source_does_not_connect(mosquitto: Mosquitto, version: Version) -> None:
    """A connection waits until there is room: each new one brings a window of messages."""
    intake = Intake(mosquitto.url, version)
    intake.source.pause()
    async with intake, Intake(mosquitto.url, version, client_id="witness") as witness:
        await witness.connected()
        assert intake.status.session == 0
        intake.source.resume()
        await intake.connected()


async def test_a_pause_while_connecting_holds(mosquitto: Mosquitto, version: Version) -> None:
    """Paused before the connection stands, it is made, and nothing is read once it stands."""
    async with (
        Intake(mosquitto.url, version) as intake,
        Intake(mosquitto.url, version, client_id="witness") as witness,
    ):
        await eventually(lambda: intake.status.session == 1, what="connecting")
        intake.source.pause()
        await intake.connected()
        await witness.connected()
        await publish(mosquitto, numbered(5))
        await witness.receives(5)
        assert intake.messages == []
        intake.source.resume()
        await intake.receives(5)


async def test_stopping_says_goodbye(mosquitto: Mosquitto, version: Version) -> None:
    """A cancelled source disconnects properly, and the broker keeps its session."""
    async with Intake(mosquitto.url, version) as intake:
        await intake.connected()
    await eventually(lambda: "Client gatehouse disconnected." in mosquitto.log, what="goodbye")
    await publish(mosquitto, [b"meanwhile"])
    async with Intake(mosquitto.url, version) as intake:
        await intake.sees(b"meanwhile")


async def test_a_wrong_password_is_said_and_tried_again(
    mosquitto: Mosquitto, version: Version, tmp_path: Path
) -> None:
    """The status names user and cause; when the broker lets us in, we are there."""
    passwords = tmp_path / "passwords"
    passwords.write_text("")
    mosquitto.stop()
    mosquitto.configure(f"allow_anonymous false\npassword_file {passwords}")
    mosquitto.start()
    url = mosquitto.url.replace("//", "//guard@")
    async with Intake(url, version, password="wrong") as intake:
        await eventually(lambda: "refuses user 'guard'" in intake.status.problem)
        assert "not authorized" in intake.status.problem
        assert "wrong" not in repr(intake.settings)
        mosquitto.stop()
        mosquitto.configure()
        mosquitto.start()
        await intake.connected()
        assert intake.status.problem == ""


async def test_an_absent_broker_is_said_and_tried_again(version: Version, tmp_path: Path) -> None:
    """A broker that is not there yet is waited for."""
    port = free_port()
    async with Intake(f"mqtt://127.0.0.1:{port}", version) as intake:
        await eventually(lambda: f"cannot connect to 127.0.0.1:{port}" in intake.status.problem)
        broker = Mosquitto(tmp_path / "late", port=port).start()
        try:
            await intake.connected()
        finally:
            broker.stop()


async def test_a_takeover_without_a_reason_is_guessed(
    mosquitto: Mosquitto, version: Version
) -> None:
    """mosquitto 2.0.11 closes the older of two with one client id: the sentence says so."""
    async with Intake(mosquitto.url, version) as first:
        await first.connected()
        async with Intake(mosquitto.url, version):
            await eventually(lambda: "connecting as 'gatehouse'" in first.status.problem)


async def test_an_error_of_the_sink_ends_the_source(mosquitto: Mosquitto, version: Version) -> None:
    """What receives messages and fails is not retried behind everybody's back."""
    async with Intake(mosquitto.url, version) as intake:
        await intake.connected()
        intake.messages = None  # type: ignore[assignment]
        await publish(mosquitto, [b"x"])
        assert intake.task is not None
        with pytest.raises(AttributeError):
            await asyncio.wait_for(intake.task, 20)


async def test_a_refused_topic_is_said(
    mosquitto: Mosquitto, version: Version, dynamic_security: str
) -> None:
    """Of two topics the broker's rights refuse one: the other flows, and the status says so."""
    mosquitto.stop()
    mosquitto.configure(f"allow_anonymous true\n{dynamic_security}")
    mosquitto.start()
    url = mosquitto.url.replace("//", "//guard@")
    async with Intake(url, version, password="secret", topics=("gate/#", "flat/#")) as intake:
        await intake.connected()
        assert intake.status.granted == {"gate/#": 1}
        assert "refuses the topic 'flat/#'" in intake.status.problem


async def test_topics_all_refused_are_tried_again(
    mosquitto: Mosquitto, version: Version, dynamic_security: str
) -> None:
    """A source that may hear nothing is not connected, and says why."""
    mosquitto.stop()
    mosquitto.configure(f"allow_anonymous true\n{dynamic_security}")
    mosquitto.start()
    url = mosquitto.url.replace("//", "//guard@")
    async with Intake(url, version, password="secret", topics=("flat/#",)) as intake:
        await eventually(lambda: "refuses the topic 'flat/#'" in intake.status.problem)
        assert not intake.status.connected
        assert intake.status.granted == {}
