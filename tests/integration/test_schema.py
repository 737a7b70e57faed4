"""The numbers of the schema document, counted again in the simulated community."""

from pathlib import Path
from zoneinfo import ZoneInfo

from devices.csv_import import import_folder
from devices.decoder import Decoder
from devices.profile import built_in, load_profiles
from devices.registry_store import load
from devices.simulator.community import build_community
from devices.simulator.community_csv import write_city
from devices.simulator.events import events
from devices.simulator.scenario import EVENING, SEED
from ingest.decode_stage import decode_all
from ingest.measurement import MEASUREMENTS
from ingest.message import Message
from ingest.point import PointEncoder
from ingest.schema import SIMULATED_HOUSEHOLDS, SIMULATED_SERIES
from tests.state import open_state


def test_a_household_has_as_many_series_as_the_document_says(tmp_path: Path) -> None:
    """A day of the simulated community gives the numbers by which a server is chosen."""
    community = build_community(seed=SEED, households=SIMULATED_HOUSEHOLDS, evening=EVENING)
    write_city(tmp_path / "registry", [community])
    database = open_state(tmp_path)
    import_folder(database, tmp_path / "registry", now=community.begins)
    registry = load(database)
    decoder = Decoder(load_profiles(built_in()), default_zone=ZoneInfo("Asia/Shanghai"))
    day = events(community, community.midnight(1), community.midnight(2))
    messages = [Message(one.topic, one.payload, one.at) for one in day]
    encoder = PointEncoder()
    keys = {
        point.series.key
        for message, outcome in zip(messages, decode_all(messages, decoder, registry), strict=True)
        if isinstance(outcome, tuple)
        for point in encoder.encode(outcome, message, 1, registry)
    }
    counted = {name: sum(key.startswith(f"{name},") for key in keys) for name in MEASUREMENTS}
    assert {name: count for name, count in counted.items() if count} == SIMULATED_SERIES
