"""The simulated community's page names everything that a scenario and the truth can say."""

import re
from pathlib import Path
from typing import get_args

import pytest

from devices.simulator.happening import Happening
from devices.simulator.scenario import BUILT_IN, Shares, load_scenario
from devices.simulator.truth import TruthKind

README = (BUILT_IN.parent / "README.md").read_text(encoding="utf-8")
KINDS = get_args(get_args(Happening)[0])


def rows(title: str) -> dict[str, str]:
    """Return the tables of a section: the rest of each row by each name in its first cell."""
    section = README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return {
        name: rest
        for first, rest in re.findall(r"^\| (`.*?`) \|(.*)\|$", section, re.M)
        for name in re.findall(r"`(\w+)`", first)
    }


def test_scenarios_and_kinds_are_those_described() -> None:
    """Each scenario and each kind of happening has its row, and no row is of none."""
    kinds = {one.model_fields["kind"].annotation.__args__[0]: one for one in KINDS}
    described = rows("Scenarios")
    assert described.keys() == kinds.keys() | {path.stem for path in BUILT_IN.glob("*.toml")}
    for kind, model in kinds.items():
        keys = set(re.findall(r"`(\w+)`", described[kind].split("|")[0]))
        assert keys == model.model_fields.keys() - {"kind", "day"}, kind


def test_truths_are_those_described() -> None:
    """Each kind of fact has its row."""
    assert rows("The truth").keys() == set(TruthKind)


def test_shares_are_those_described() -> None:
    """Each share has its row with its default."""
    described = rows("Parameters and their sources")
    assert described.keys() == Shares.model_fields.keys()
    for name, value in Shares().model_dump().items():
        assert re.search(rf"\b{re.escape(f'{value:g}')}\b", described[name]), name


@pytest.mark.parametrize("block", re.findall(r"```toml\n(.*?)```", README, re.S))
def test_the_example_loads(block: str, tmp_path: Path) -> None:
    """What one copies from the page is a scenario."""
    path = tmp_path / "copied.toml"
    path.write_text(block, encoding="utf-8")
    scenario = load_scenario(str(path))
    assert scenario.happens[0].day == 1
