"""A Sparkplug node whose birth nobody heard: asked for it, understood, and still after a kill."""

import asyncio
from pathlib import Path

import aiomqtt

from devices.clock import wall_now
from devices.codecs.sparkplug import REBIRTH, read_payload
from ingest.status import ServiceStatus
from tests.registry_folder import Flat, write_registry
from tests.servers import Mosquitto, wait_until
from tests.service import RunningService
from tests.sparkplug import payload

NODE, DEVICE = "Lakeside/Meter room", "Lakeside/Meter room/Flat 301"
BIRTH = {
    "NBIRTH": [{"name": "bdSeq", "dataType": "Int64", "value": 1}],
    "DBIRTH": [
        {
            "name": "Power",
            "alias": 5,
            "dataType": "Float",
            "value": 100.0,
            "properties": {"engUnit": "W"},
        }
    ],
}


def topic(kind: str) -> str:
    return f"spBv1.0/Lakeside/{kind}/Meter room" + ("/Flat 301" if kind[0] == "D" else "")


class Node:
    """An edge node at a real broker."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self._client = client
        self._seq = 0

    async def says(self, kind: str, metrics: list[dict[str, object]]) -> None:
        self._seq = 0 if kind == "NBIRTH" else (self._seq + 1) % 256
        document = {"timestamp": wall_now(), "seq": self._seq, "metrics": metrics}
        await self._client.publish(topic(kind), payload(document), qos=1)

    async def measures(self, *watts: float) -> None:
        for one in watts:
            await self.says(
                "DDATA", [{"alias": 5, "dataType": "Float", "value": one, "typed": False}]
            )

    async def is_asked(self) -> None:
        """Wait for the order to be born again, and obey."""
        async with asyncio.timeout(15):
            message = await anext(self._client.messages)
        assert str(message.topic) == topic("NCMD")
        [metric] = read_payload(bytes(message.payload)).metrics
        assert (metric.name, metric.boolean_value) == (REBIRTH, True)
        for kind, metrics in BIRTH.items():
            await self.says(kind, metrics)


def test_a_node_whose_birth_is_missing_is_asked_for_it(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    """Once, however much it says; what it says then is stored, and so it is after a kill."""
    service = RunningService(tmp_path / "service", mqtt_url=mosquitto.url)
    flat = Flat("h1", ((NODE, "sparkplug_b"), (DEVICE, "sparkplug_b")))
    service.import_registry(write_registry(tmp_path / "registry", [flat]), now=wall_now())
    service.start()

    async def is_heard() -> None:
        async with aiomqtt.Client(mosquitto.host, mosquitto.port) as client:
            await client.subscribe("spBv1.0/Lakeside/NCMD/#", qos=1)
            node = Node(client)
            await node.measures(*range(20))
            await node.is_asked()
            await node.measures(21, 22)

    async def goes_on() -> None:
        async with aiomqtt.Client(mosquitto.host, mosquitto.port) as client:
            await Node(client).measures(23)

    def status() -> ServiceStatus:
        found = service.status()
        assert found is not None
        return found

    asyncio.run(is_heard())
    wait_until(lambda: service.has_caught_up(25), what="20 unread, an order, two births, 2 read")
    assert status().books.dead == {"no_birth": 20}
    assert status().books.stored == 4
    assert status().pipeline.answers.sent == 1
    service.kill()
    service.start()
    asyncio.run(goes_on())
    wait_until(lambda: service.has_caught_up(26), what="what came after the kill")
    assert status().books.stored == 5
    assert status().books.ignored == {"command": 1}
    assert service.stop() == 0
