"""The command line in this process: what it prints and how it ends, without a start of Python."""

import io
import os
import sys
from collections.abc import Callable, Mapping
from typing import NamedTuple

import pytest
import structlog

from gatehouse.cli import main


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]


def runner(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Return what runs ``gatehouse`` with words, an environment of ours, and standard input."""

    def run(
        *words: str, environment: Mapping[str, str] | None = None, payload: bytes = b""
    ) -> Done:
        with monkeypatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("GATEHOUSE_")]:
                patch.delenv(name)
            for name, value in (environment or {}).items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["gatehouse", *words])
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(payload)))
            code = _exit_code()
        structlog.reset_defaults()  # A command's log tells less than the tests want to hear.
        shown = capfd.readouterr()
        return Done(code, shown.out, shown.err)

    return run


def _exit_code() -> int:
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0
