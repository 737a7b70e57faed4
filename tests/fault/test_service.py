"""The whole service where something it stands on gives way and comes back."""

from pathlib import Path

import aiomqtt

from tests.disk import fill, small_disk
from tests.servers import Mosquitto, wait_until
from tests.service import RunningService

LEFT_TO_OTHERS = "[journal]\nmin_free_gib = 0.001\n"


async def test_a_full_disk_stops_the_acks_and_nothing_else(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    """With no room the service says so and lives; with room again, what was held is stored."""
    with small_disk(tmp_path / "disk", mib=8) as disk:
        service = RunningService(disk, mqtt_url=mosquitto.url, toml=LEFT_TO_OTHERS).start()
        ballast = fill(disk / "data")
        wait_until(lambda: "status_held" in service.log, what="the status to be held")
        async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
            await client.publish("nobody/knows", b"this", qos=1)
        wait_until(lambda: "journal_full" in service.log, what="the journal to be full")
        assert service.running
        ballast.unlink()
        wait_until(lambda: service.has_caught_up(1), what="what was held")
        assert service.stop() == 0
