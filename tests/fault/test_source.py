"""What a source survives, in every version of MQTT: a network that cuts, hangs and repeats."""

import asyncio
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from ingest import mqtt_source
from ingest.message import BACKLOG, DUP
from ingest.mqtt_source import Version
from tests.intake import VERSIONS, Intake, flood, numbered, publish
from tests.servers import Mosquitto, eventually
from tests.tcp_proxy import TcpProxy

pytestmark = pytest.mark.parametrize("version", VERSIONS, ids=["mqtt5", "mqtt311"])


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Come back at once, so that a test may cut often."""
    monkeypatch.setattr(mqtt_source, "RETRY_CAP_S", 0.1)


async def test_a_cut_loses_nothing(mosquitto: Mosquitto, version: Version) -> None:
    """After ten cuts in the middle of traffic every message has arrived at least once."""
    wanted = numbered(500)
    async with (
        TcpProxy(port=mosquitto.port) as proxy,
        Intake(f"mqtt://127.0.0.1:{proxy.port}", version) as intake,
    ):
        intake.acking = True
        await intake.connected()
        for part in range(10):
            session = intake.status.session
            await publish(mosquitto, wanted[part * 50 : part * 50 + 50])
            proxy.cut()
            await intake.reconnected(session)
        await eventually(lambda: set(wanted) <= set(intake.payloads), what="every message")
    assert list(dict.fromkeys(intake.payloads)) == wanted


async def test_a_cut_within_a_packet_loses_nothing(mosquitto: Mosquitto, version: Version) -> None:
    """A connection that ends in the middle of a message gives no half of it, and it comes again."""
    large = [bytes([number]) * 5_000 for number in range(20)]
    async with (
        TcpProxy(port=mosquitto.port) as proxy,
        Intake(f"mqtt://127.0.0.1:{proxy.port}", version) as intake,
    ):
        intake.acking = True
        await intake.connected()
        for cut_at in (1, 4_997, 12_345):
            session = intake.status.session
            proxy.cut_after(cut_at)
            await publish(mosquitto, large)
            await intake.reconnected(session)
        await publish(mosquitto, [b"last"])
        await intake.sees(b"last")
    assert set(intake.payloads) == {*large, b"last"}
    assert all(intake.payloads.count(payload) >= 3 for payload in large)


async def test_a_backlog_of_three_thousand_comes_whole(
    mosquitto: Mosquitto, version: Version
) -> None:
    """What was published while we were away arrives once, in order, marked, and all is acked."""
    wanted = numbered(3_000)
    async with Intake(mosquitto.url, version) as intake:
        await intake.connected()
    await flood(mosquitto, wanted)
    async with Intake(mosquitto.url, version) as intake:
        intake.acking = True
        await intake.receives(3_000)
        await eventually(lambda: not intake.status.draining, what="drained")
    assert intake.payloads == wanted
    assert all(message.flags & BACKLOG for message in intake.messages)
    assert (intake.status.acks, intake.status.sessions_lost) == (3_000, 0)


async def test_a_killed_broker_is_found_again(mosquitto: Mosquitto, version: Version) -> None:
    """Killed hard, it comes back with what it last saved: the session, and us in it."""
    async with Intake(mosquitto.url, version) as intake:
        intake.acking = True
        await intake.connected()
        os.kill(mosquitto.pid, signal.SIGUSR1)  # It saves, as it does by itself each half hour.
        await eventually((mosquitto.folder / "mosquitto.db").exists, what="saved")
        mosquitto.kill()
        await intake.disconnected()
        mosquitto.start()
        await publish(mosquitto, [b"before we are back"])
        await intake.sees(b"before we are back")
        assert intake.status.sessions_lost == 0


async def test_a_password_changed_while_running_is_said_and_waited_out(
    mosquitto: Mosquitto, version: Version, tmp_path: Path
) -> None:
    """The open connection goes on; the next one is refused in words until the old one is back."""
    passwords, program = tmp_path / "passwords", shutil.which("mosquitto_passwd")
    if program is None:
        pytest.skip("mosquitto_passwd is not installed: apt-get install mosquitto")

    def allow(password: str) -> None:
        passwords.write_text(f"guard:{password}\n")
        subprocess.run([program, "-U", str(passwords)], check=True)

    allow("old")
    mosquitto.stop()
    mosquitto.configure(f"allow_anonymous false\npassword_file {passwords}")
    mosquitto.start()
    url = mosquitto.url.replace("//", "//guard@")
    async with Intake(url, version, password="old") as intake:
        await intake.connected()
        allow("new")
        mosquitto.stop()
        mosquitto.start()
        await eventually(lambda: "refuses user 'guard'" in intake.status.problem)
        assert not intake.status.connected
        allow("old")
        os.kill(mosquitto.pid, signal.SIGHUP)
        await intake.connected()
        assert intake.status.problem == ""


async def test_nothing_is_acknowledged_by_a_cut(mosquitto: Mosquitto, version: Version) -> None:
    """A process that dies with messages in hand has acknowledged none of them."""
    async with TcpProxy(port=mosquitto.port) as proxy:
        async with Intake(f"mqtt://127.0.0.1:{proxy.port}", version) as intake:
            await intake.connected()
            await publish(mosquitto, numbered(50))
            await intake.receives(50)
            proxy.refuse()
            proxy.cut()
            await intake.disconnected()
        async with Intake(mosquitto.url, version) as intake:
            await intake.receives(50)
        assert intake.payloads == numbered(50)
        assert all(message.flags & DUP for message in intake.messages)


async def test_an_ack_never_crosses_connections(mosquitto: Mosquitto, version: Version) -> None:
    """Acks of messages that came on a lost connection are not sent on the next one."""
    async with (
        TcpProxy(port=mosquitto.port) as proxy,
        Intake(f"mqtt://127.0.0.1:{proxy.port}", version) as intake,
    ):
        await intake.connected()
        await publish(mosquitto, numbered(5))
        old = list(await intake.receives(5))
        proxy.cut()
        await intake.reconnected(1)
        new = (await intake.receives(10))[5:]
        intake.source.ack(old)
        assert intake.status.acks == 0
        proxy.cut()
        await intake.reconnected(new[0].session)
        newer = (await intake.receives(15))[10:]
        assert [message.payload for message in newer] == numbered(5)
        assert intake.status.in_flight == 5
        intake.source.ack([*old, *new, *newer])
        assert (intake.status.acks, intake.status.in_flight) == (5, 0)


async def test_an_ack_never_crosses_sources(mosquitto: Mosquitto, version: Version) -> None:
    """Of a batch from two brokers each source acknowledges its own, though numbers coincide."""
    async with (
        Intake(mosquitto.url, version, name="one", client_id="one") as one,
        Intake(mosquitto.url, version, name="two", client_id="two") as two,
    ):
        await one.connected()
        await two.connected()
        await publish(mosquitto, numbered(3))
        both = [*await one.receives(3), *await two.receives(3)]
        one.source.ack(both)
        assert (one.status.acks, two.status.acks) == (3, 0)


async def test_a_half_open_connection_is_noticed(mosquitto: Mosquitto, version: Version) -> None:
    """A connection that passes nothing and closes nothing is given up and made anew."""
    async with (
        TcpProxy(port=mosquitto.port) as proxy,
        Intake(f"mqtt://127.0.0.1:{proxy.port}", version, keep_alive_s=1) as intake,
    ):
        await intake.connected()
        session = intake.status.session
        proxy.freeze()
        await publish(mosquitto, [b"meanwhile"])
        await intake.disconnected()
        assert "silent" in intake.status.problem
        proxy.restore()
        await intake.reconnected(session)
        await intake.sees(b"meanwhile")


async def test_a_slow_network_is_not_taken_for_dead(mosquitto: Mosquitto, version: Version) -> None:
    """Answers that come late, but come, keep the connection."""
    async with (
        TcpProxy(port=mosquitto.port) as proxy,
        Intake(f"mqtt://127.0.0.1:{proxy.port}", version, keep_alive_s=2) as intake,
    ):
        proxy.delay(0.1)
        await intake.connected()
        for number in range(20):
            await publish(mosquitto, [b"%d" % number])
            await intake.sees(b"%d" % number)
        assert intake.status.session == 1


async def test_a_hanging_broker_is_noticed(mosquitto: Mosquitto, version: Version) -> None:
    """A broker that is stopped without closing its sockets is given up, and found again."""
    async with Intake(mosquitto.url, version, keep_alive_s=1) as intake:
        await intake.connected()
        os.kill(mosquitto.pid, signal.SIGSTOP)
        try:
            await intake.disconnected()
        finally:
            os.kill(mosquitto.pid, signal.SIGCONT)
        await intake.reconnected(1)
        await publish(mosquitto, [b"after"])
        await intake.sees(b"after")


async def test_a_pause_is_not_taken_for_dead(mosquitto: Mosquitto, version: Version) -> None:
    """While we do not read, the broker's silence means nothing, and it keeps us."""
    async with Intake(mosquitto.url, version, keep_alive_s=1) as intake:
        await intake.connected()
        intake.source.pause()
        await publish(mosquitto, numbered(5))
        await asyncio.sleep(2.5)  # Longer than broker and source wait for a sign of life.
        assert intake.status.connected
        intake.source.resume()
        await intake.receives(5)
        assert intake.status.session == 1
        assert "exceeded timeout" not in mosquitto.log


async def test_stopping_waits_for_the_last_acks(mosquitto: Mosquitto, version: Version) -> None:
    """Acks given right before a clean stop reach the broker, however slow the network."""
    async with TcpProxy(port=mosquitto.port) as proxy:
        async with Intake(f"mqtt://127.0.0.1:{proxy.port}", version) as intake:
            await intake.connected()
            await publish(mosquitto, numbered(5))
            messages = await intake.receives(5)
            proxy.delay(0.2)
            intake.source.ack(messages)
        async with Intake(mosquitto.url, version) as intake:
            await intake.connected()
            await publish(mosquitto, [b"new"])
            assert await intake.sees(b"new") == []
