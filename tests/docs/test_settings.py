"""Every setting and every number stands in a README, with the default that really holds."""

from pathlib import Path

import pytest

from alerts.escalation import Policies, Policy
from gatehouse.settings import ADDRESSES, CONFIG, PREFIX, SECRETS, load, place_of
from tests.docs.documents import ROOT, blocks, documents, read
from tests.docs.tables import policy_rows, setting_rows, threshold_rows

VARIABLES = sorted([*ADDRESSES, *SECRETS, *(f"{name}_FILE" for name in SECRETS), CONFIG])
OF_THE_TESTS = ("TEST_SERIES_URL", "TEST_SERIES_TOKEN")
"""Variables that tests/given_store.py reads."""
OTHERS = ("devices", "profiles", "simulator")
"""Folders whose documents show profiles or scenarios in TOML, not settings."""


@pytest.mark.parametrize("name", VARIABLES)
def test_every_variable_is_in_the_readme(name: str) -> None:
    """Whoever configures an installation finds each variable in one table."""
    rows = [line for line in read("README.md").splitlines() if line.startswith("| `GATEHOUSE_")]
    assert any(f"`{PREFIX}{name}`" in row for row in rows)


def test_no_document_names_a_variable_that_is_none() -> None:
    """A variable that was renamed is renamed everywhere."""
    known = {PREFIX + name for name in (*VARIABLES, *OF_THE_TESTS)}
    for path in documents():
        words = path.read_text(encoding="utf-8").replace("`", " ").replace("=", " ").split()
        named = {word.strip(".,:;()|") for word in words if word.startswith(PREFIX)}
        unknown = {name for name in named - known if not place_of(name.removeprefix(PREFIX))}
        assert not unknown, path.name


@pytest.mark.parametrize("row", list(setting_rows()))
def test_every_key_is_in_the_readme_with_its_default(row: str) -> None:
    """What gatehouse.toml may say, and what holds where it says nothing."""
    assert any(line.startswith(row) for line in read("gatehouse/README.md").splitlines())


@pytest.mark.parametrize("row", [*threshold_rows(), *policy_rows()])
def test_every_number_of_the_rules_is_in_their_readme(row: str) -> None:
    """Thresholds and ladders are what the table says they are."""
    assert row in read("alerts/README.md").splitlines()


def test_every_part_of_a_policy_is_described() -> None:
    """Whoever writes a ladder of their own knows its keys, and the policies' names."""
    text = read("gatehouse/README.md")
    assert [key for key in Policy.model_fields if f"`escalation.POLICY.{key}`" not in text] == []
    assert [name for name in Policies.model_fields if f"`{name}`" not in text] == []


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_shown_settings_are_accepted(path: Path, tmp_path: Path) -> None:
    """What a document shows of gatehouse.toml can be copied as it stands."""
    for number, block in enumerate(blocks(path.read_text(encoding="utf-8"))):
        if block.language == "toml" and path.parts[-2] not in OTHERS:
            file = tmp_path / f"{number}.toml"
            file.write_text(block.text, encoding="utf-8")
            load(
                {
                    "GATEHOUSE_CONFIG": str(file),
                    "GATEHOUSE_MQTT_URL": "mqtt://broker",
                    "GATEHOUSE_SOURCE_NORTH_URL": "mqtt://north",
                }
            )


def test_the_readme_shows_settings() -> None:
    """The example that the test above loads is there."""
    assert [block for block in blocks(read("README.md")) if block.language == "toml"]
