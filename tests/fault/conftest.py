"""Fixtures of the tests that break things."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.debts import indebted_service
from tests.servers import InfluxDB, Mosquitto
from tests.service import RunningService


@pytest.fixture
def service(tmp_path: Path, mosquitto: Mosquitto, influxdb: InfluxDB) -> Iterator[RunningService]:
    """Give the service on a real broker and InfluxDB, not started; end it with the test."""
    running = indebted_service(tmp_path, mosquitto, influxdb)
    yield running
    running.kill()
