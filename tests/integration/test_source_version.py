"""Which version of MQTT is spoken with whom."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import aiomqtt
import pytest
from amqtt.broker import Broker

from ingest import mqtt5
from tests.intake import Intake, publish
from tests.servers import Mosquitto, eventually, free_port
from tests.tcp_proxy import TcpProxy

REFUSALS = {
    "in MQTT 3.1.1": b"\x20\x02\x00\x01",
    "in MQTT 5": b"\x20\x03\x00\x84\x00",
    "by closing": b"",
}


@contextlib.asynccontextmanager
async def without_mqtt5(refusal: bytes, broker: Mosquitto) -> AsyncIterator[int]:
    """Stand before a mosquitto, which speaks MQTT 5, as a broker that does not.

    A stand-in because no broker at hand refuses MQTT 5 in these ways: it looks at the version in
    CONNECT, answers 5 with a refusal and passes every other connection through.
    """
    tasks: set[asyncio.Task[None]] = set()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(65_536):
                writer.write(chunk)
        except ConnectionResetError:
            pass  # Whoever leaves with something unread resets.
        finally:
            writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connect = await reader.read(65_536)
        if connect[connect.index(b"MQTT") + 4] == 5:
            writer.write(refusal)
            writer.close()
            return
        far_reader, far_writer = await asyncio.open_connection(broker.host, broker.port)
        far_writer.write(connect)
        for way in (pass_on(reader, far_writer), pass_on(far_reader, writer)):
            tasks.add(asyncio.create_task(way))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)


async def test_mqtt5_is_preferred(mosquitto: Mosquitto) -> None:
    """A broker that speaks both is spoken to in MQTT 5."""
    async with Intake(mosquitto.url, None) as intake:
        await intake.connected()
        assert intake.status.protocol == "5"


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
async def test_an_old_broker_is_spoken_to_in_its_version(
    mosquitto: Mosquitto, refusal: bytes
) -> None:
    """A broker that refuses MQTT 5, however it does, is asked again in MQTT 3.1.1."""
    async with (
        without_mqtt5(refusal, mosquitto) as port,
        Intake(f"mqtt://127.0.0.1:{port}", None) as intake,
    ):
        await intake.connected()
        assert intake.status.protocol == "3.1.1"
        assert intake.status.problem == ""
        await publish(mosquitto, [b"x"])
        await intake.sees(b"x")


async def test_an_answer_that_never_comes_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """amqtt 0.12 leaves a CONNECT of MQTT 5 without an answer, and is spoken to in 3.1.1."""
    monkeypatch.setattr(mqtt5, "ANSWER_SECONDS", 0.5)
    port = free_port()
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": {
                "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}
            },
        }
    )
    await broker.start()
    try:
        # Of a CONNECT of MQTT 5 with a will amqtt never closes the socket.
        async with Intake(f"mqtt://127.0.0.1:{port}", None, status_topic="") as intake:
            intake.acking = True
            await intake.connected()
            assert intake.status.protocol == "3.1.1"
            async with aiomqtt.Client("127.0.0.1", port) as client:
                await client.publish("gate/1", b"x", qos=1)
            await intake.sees(b"x")
    finally:
        await broker.shutdown()


async def test_a_restart_does_not_lower_the_version(mosquitto: Mosquitto) -> None:
    """A broker that once spoke MQTT 5 is not spoken to in 3.1.1 because it closes early."""
    async with (
        TcpProxy(port=mosquitto.port) as proxy,
        Intake(f"mqtt://127.0.0.1:{proxy.port}", None) as intake,
    ):
        await intake.connected()
        proxy.refuse()
        proxy.cut()
        await eventually(lambda: "upon a CONNECT of MQTT 5" in intake.status.problem)
        proxy.restore()
        await intake.connected()
        assert intake.status.protocol == "5"
