"""A community's console, browsers on it, and the command line."""

from functools import partial
from pathlib import Path

import pytest

from tests.command import Run, runner
from tests.console import World, make_world
from tests.console_http import Open, visit


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A small community whose pipeline has just told of itself."""
    made = make_world(tmp_path)
    made.tell()
    return made


@pytest.fixture
def browser(world: World) -> Open:
    """Open a browser; with a name, one that has signed in."""
    return partial(visit, world)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Return what runs the command line in this process, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return runner(monkeypatch, capfd)
