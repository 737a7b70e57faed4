"""What a client library alone takes to receive and acknowledge, as a process to be measured.

``python -m tests.bench.client paho|aiomqtt PORT COUNT`` subscribes to everything at QoS 1, says so,
and says when so many messages have come.
"""

import asyncio
import signal
import sys
from typing import Any

import aiomqtt
import paho.mqtt.client as paho

_CLIENT = "bench-client"


def receive_paho(port: int, count: int) -> None:
    """Receive with paho-mqtt: its network loop in this thread, a callback a message."""
    left = count

    def on_message(client: paho.Client, *_: Any) -> None:
        nonlocal left
        left -= 1
        if not left:
            client.disconnect()

    client = paho.Client(paho.CallbackAPIVersion.VERSION2, _CLIENT, protocol=paho.MQTTv311)
    client.on_connect = lambda *_: client.subscribe("#", 1)
    client.on_subscribe = lambda *_: print("subscribed", flush=True)
    client.on_message = on_message
    client.connect("127.0.0.1", port)
    client.loop_forever()


async def receive_aiomqtt(port: int, count: int) -> None:
    """Receive with aiomqtt: an iterator on the event loop."""
    async with aiomqtt.Client("127.0.0.1", port, identifier=_CLIENT) as client:
        await client.subscribe("#", qos=1)
        print("subscribed", flush=True)
        left = count
        async for _ in client.messages:
            left -= 1
            if not left:
                return


def main() -> None:
    """Receive so many messages."""
    library, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    if library == "paho":
        receive_paho(port, count)
    else:
        asyncio.run(receive_aiomqtt(port, count))
    print("received", flush=True)
    signal.pause()  # What it took is read from outside.


if __name__ == "__main__":
    main()
