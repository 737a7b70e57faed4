"""An enrolment that is killed between its steps: what is left, and what mends it."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gatehouse import broker_access, cli
from gatehouse.broker_access import BrokerAccess
from gatehouse.doctor.access import access as examine
from gatehouse.settings import load
from tests.command import Run, runner
from tests.enrolling import US, AccessFolder, Operator, read_profiles_once

PLUG = ("--profile", "tasmota_energy", "--household", "h-1-101")
Patch = tuple[object, str, int]
POINTS: dict[str, Patch] = {
    "before any file": (BrokerAccess, "write", 0),
    "between the two files": (broker_access, "_replace", 1),
    "before the broker is told": (BrokerAccess, "_tell", 0),
}
"""What is called then, and after how many calls the process dies."""


@pytest.fixture
def operator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Operator:
    """Somebody who has enrolled one device, and whose broker is told by a command."""
    read_profiles_once(monkeypatch)
    run: Run = runner(monkeypatch, capfd)
    access = AccessFolder(tmp_path / "access")
    someone = Operator(run, tmp_path, access)
    someone.set(f'reload_command = ["sh", "-c", "echo >> {tmp_path}/told"]')
    someone.enrols("a", *PLUG)
    return someone


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_enrolment_leaves_whole_files_and_is_mended(
    operator: Operator, tmp_path: Path, point: str
) -> None:
    """Who was let in stays so; doctor sees what is behind, and writing again mends it."""
    before = {path: path.read_bytes() for path in (operator.access.passwords, operator.access.acl)}
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["gatehouse.cli.enrol"])
    child = context.Process(target=_enrol, args=(_environment(operator), point))
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    assert {b"\na:", b"user a\n"} <= {
        word for word in (b"\na:", b"user a\n") for path in before if word in path.read_bytes()
    }
    changed = [path for path, content in before.items() if path.read_bytes() != content]
    assert len(changed) == list(POINTS).index(point)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in _environment(operator).items():
            patch.setenv(name, value)
        settings = load()
        [found] = examine(settings)
        assert found.well == (len(changed) == 2)
        assert found.well or "`gatehouse credentials write`" in found.sentence
        told = len((tmp_path / "told").read_text())
        operator.does("credentials", "write")
        assert len((tmp_path / "told").read_text()) == told + 1
        [found] = examine(settings)
        assert found.well
    lost = operator.says("devices", "enrol", "b")
    assert "--replace voids that one" in lost.err
    assert operator.enrols("b", "--replace")["password"]
    assert operator.access.passwords.read_text().startswith(f"{US}:")


def _environment(operator: Operator) -> dict[str, str]:
    return {
        "GATEHOUSE_DATA_DIR": str(operator.folder / "data"),
        "GATEHOUSE_CONFIG": str(operator.folder / "gatehouse.toml"),
    }


def _enrol(environment: dict[str, str], point: str) -> None:
    """Enrol a device in this process, which dies at the point."""
    os.environ.update(environment)
    owner, name, calls = POINTS[point]
    setattr(owner, name, _fatal(getattr(owner, name), after=calls))
    sys.argv = ["gatehouse", "devices", "enrol", "b", *PLUG]
    cli.main()


def _fatal(call: Callable[..., Any], *, after: int) -> Callable[..., Any]:
    left = after

    def dies(*arguments: Any, **more: Any) -> Any:
        nonlocal left
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return call(*arguments, **more)

    return dies
