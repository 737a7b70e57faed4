"""The published JSON Schema says what our own format takes, and refuses what it does not."""

import json
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from jsonschema import Draft202012Validator

from devices.canonical_schema import describe
from devices.decoder import Decoder
from devices.outcome import DeadLetter
from devices.profile import built_in, load_profile

PUBLISHED = Path(__file__).parents[2] / "docs" / "gatehouse-v1.schema.json"
PROFILE = load_profile(built_in() / "gatehouse.toml")
VALIDATOR = Draft202012Validator(json.loads(describe()))
DECODER = Decoder([PROFILE], default_zone=ZoneInfo("UTC"))
AT = 1_581_681_600_000


def test_the_published_schema_is_the_one_that_is_read() -> None:
    """Whoever changes the format writes the schema anew: python -m devices.canonical_schema."""
    Draft202012Validator.check_schema(json.loads(describe()))
    assert PUBLISHED.read_text(encoding="utf-8") == describe()


@pytest.mark.parametrize(
    "payload",
    [
        '{"kind":"temperature","celsius":37.9,"body_site":"forehead","subject":"7f3a90c1"}',
        '{"kind":"temperature","observed_at":"2020-02-14T20:00:00+08:00","celsius":36}',
        '{"kind":"temperature","celsius":-12,"body_site":"ambient"}',
        '{"kind":"temperature","celsius":-12,"body_site":"oral"}',
        '{"kind":"temperature","celsius":24.9}',
        '{"kind":"temperature","celsius":45,"adjusted_to":"oral","body_site":"forehead"}',
        '{"kind":"temperature","celsius":81,"body_site":"ambient"}',
        '{"kind":"temperature","celsius":"36.5"}',
        '{"kind":"temperature","body_site":"oral"}',
        '{"kind":"temperature","celsius":36.5,"body_site":"nose"}',
        '{"kind":"temperature","celsius":36.5,"fahrenheit":97.7}',
        '{"kind":"crossing","direction":"in","outcome":"admitted","credential":"face","score":1}',
        '{"kind":"crossing","score":93}',
        '{"kind":"electricity"}',
        '{"kind":"electricity","power_w":null}',
        '{"kind":"electricity","power_w":-894.0}',
        '{"kind":"electricity","energy_wh":0}',
        '{"kind":"electricity","energy_wh":-1}',
        '{"kind":"lit_window","lit":true,"household":"h-1"}',
        '{"kind":"lit_window","lit":"yes"}',
        '{"kind":"device_status","battery":101}',
        '{"kind":"device_status","sequence":3,"online":true}',
        '{"kind":"smell"}',
        '{"celsius":36.5}',
        "[]",
        "7",
        '[{"kind":"device_status"},{"kind":"lit_window","lit":false}]',
        '[{"kind":"device_status"},{"kind":"lit_window"}]',
    ],
)
def test_the_schema_takes_what_the_decoder_takes(payload: str) -> None:
    """Who checks a payload against the schema is not surprised by a dead letter."""
    outcome = DECODER.decode("gatehouse/v1/s/d", payload.encode(), received_at=AT)
    assert VALIDATOR.is_valid(json.loads(payload)) is not isinstance(outcome, DeadLetter)
