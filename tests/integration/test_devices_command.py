"""``gatehouse devices``: every registered device, and when it was last heard."""

import json
from contextlib import closing
from pathlib import Path

import pytest

from devices.clock import rfc3339
from ingest.point import NANOSECONDS, Point, make_series
from ingest.series import open_store
from tests.command import Run
from tests.messages import NOON
from tests.observed import metered

SAMPLE = Path(__file__).parents[2] / "devices" / "sample_community"


def test_a_device_beyond_the_bound_of_one_answer_is_shown_as_heard(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many devices there are, none that has spoken is said to have never done so."""
    here = {"GATEHOUSE_DATA_DIR": str(tmp_path)}
    assert run("migrate", environment=here).code == 0
    assert run("registry", "import", str(SAMPLE), environment=here).code == 0
    silent = json.loads(run("devices", "list", "--json", environment=here).out)
    assert len(silent) > 2
    with closing(open_store(None, token=None, data_dir=tmp_path)) as store:
        for number, one in enumerate(silent):
            for channel in ("a", "b"):
                series = make_series("electricity", device=one["device_id"], channel=channel)
                point = Point(series, metered(power_w=1.0), (NOON + number) * NANOSECONDS)
                assert not store.write([point])
    monkeypatch.setattr("gatehouse.cli.devices.MAX_READINGS", 3)
    listed = json.loads(run("devices", "list", "--json", environment=here).out)
    seen = {one["device_id"]: one["last_seen"] for one in listed}
    assert seen == {one["device_id"]: rfc3339(NOON + number) for number, one in enumerate(silent)}
