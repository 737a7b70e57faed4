"""Fixtures of the tests that break things."""

from pathlib import Path

import pytest

from tests.debts import indebted_service
from tests.servers import InfluxDB, Mosquitto
from tests.service import RunningService


@pytest.fixture
def service(tmp_path: Path, mosquitto: Mosquitto, influxdb: InfluxDB) -> RunningService:
    """Return the service on a real broker and InfluxDB, not started."""
    return indebted_service(tmp_path, mosquitto, influxdb)
