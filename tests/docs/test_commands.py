"""Every command stands in the README, and every command line in a document can be run as shown."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from gatehouse.cli import make_app
from tests.docs.documents import ROOT, blocks, codes, documents, read

PROGRAM = "gatehouse"
_APP = make_app()
_COMMAND = typer.main.get_command(_APP)
_TARGET = re.compile(r"^([a-z]+):.*?## ", re.MULTILINE)


def commands() -> Iterator[str]:
    """Yield every command a person may call, as they type it."""

    def walk(command: Any, words: tuple[str, ...]) -> Iterator[str]:
        inner = getattr(command, "commands", None)
        if inner is None:
            yield " ".join(words)
            return
        for name, one in inner.items():
            if not one.hidden:
                yield from walk(one, (*words, name))

    return walk(_COMMAND, (PROGRAM,))


def shown_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a document's blocks that call the command, without what leads to them."""
    for block in blocks(path.read_text(encoding="utf-8")):
        for line in block.text.splitlines() if block.language == "" else ():
            for part in line.removeprefix("$ ").split(" | "):
                words = part.strip().split()
                while words and "=" in words[0]:
                    words.pop(0)
                if words[:1] == [PROGRAM] and "─" not in line:
                    yield " ".join(words)


def refuse(line: str) -> str | None:
    """Return why a command line would be wrong use; None if it parses."""
    command: Any = _COMMAND
    words = shlex.split(re.split(r"\s(?:#|>|&&)", line)[0])[1:]
    while hasattr(command, "commands"):
        if not words or words[0] not in command.commands:
            return f"there is no {line}"
        command = command.commands[words.pop(0)]
    try:
        command.make_context(line, words)
    except Exception as error:  # noqa: BLE001 - typer's own tree of usage errors
        return f"{line}: {error}"
    return None


@pytest.mark.parametrize("command", list(commands()))
def test_every_command_is_in_the_readme(command: str) -> None:
    """Whoever reads the table knows every command there is."""
    assert f"| `{command}` |" in read("README.md")


@pytest.mark.parametrize("command", list(commands()))
def test_the_examples_of_a_help_can_be_run_as_shown(command: str) -> None:
    """Each stands on a line of its own, however long it is, and parses."""
    shown = CliRunner().invoke(_APP, [*command.split()[1:], "--help"]).output
    _, _, examples = shown.partition("  Example")
    examples = examples.partition("\n\n")[0]
    lines = examples.splitlines()[1:]
    assert examples.count(f"{PROGRAM} ") == len(lines) > 0
    for line in lines:
        assert f"{PROGRAM} " in line
        assert refuse(line[line.index(f"{PROGRAM} ") :]) is None


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_shown_command_lines_are_right(path: Path) -> None:
    """Each line in a block parses with the program's own parser: names, arguments and options."""
    assert [wrong for line in shown_lines(path) if (wrong := refuse(line))] == []


def test_named_commands_exist() -> None:
    """A command that a sentence names is one, or a group of them."""
    known = list(commands())
    for path in documents():
        for code in codes(path.read_text(encoding="utf-8")):
            if code.startswith(f"{PROGRAM} ") and "…" not in code:
                words = [word for word in code.split() if re.fullmatch(r"[a-z-]+", word)]
                named = " ".join(word for word in words[:3] if not word.startswith("-"))
                fits = [
                    one
                    for one in known
                    if f"{named} ".startswith(f"{one} ") or f"{one} ".startswith(f"{named} ")
                ]
                assert fits, f"{path.name}: there is no `{code}`"


def test_shown_output_is_what_the_command_prints() -> None:
    """The payloads that the README decodes give the very lines that stand below them."""
    [block] = [one.text for one in blocks(read("README.md")) if "gatehouse decode" in one.text]
    lines = block.splitlines()
    assert len(lines) % 2 == 0
    for shown, expected in zip(lines[::2], lines[1::2], strict=True):
        said, _, line = shown.removeprefix("$ ").partition(" | ")
        done = CliRunner().invoke(
            make_app(), shlex.split(line)[1:], input=shlex.split(said)[1] + "\n"
        )
        assert json.loads(done.stdout) == json.loads(expected)
        assert done.stdout == f"{expected}\n"


def test_targets_of_make_are_described() -> None:
    """Each target that ``make help`` lists is told of in the tests' or the first README."""
    text = read("README.md") + read("tests/README.md")
    targets = _TARGET.findall((ROOT / "Makefile").read_text())
    assert "demo" in targets
    assert [target for target in targets if f"make {target}" not in text] == []


def test_described_targets_exist() -> None:
    """No document names a target that is gone."""
    targets = set(_TARGET.findall((ROOT / "Makefile").read_text()))
    for path in documents():
        text = path.read_text(encoding="utf-8")
        for code in [*codes(text), *(block.text for block in blocks(text))]:
            named = re.findall(r"^make ([a-z]+)", code, re.MULTILINE)
            assert set(named) <= targets, f"{path.name}: {code}"
