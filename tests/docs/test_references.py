"""Links lead somewhere, and a test that a promise names is there."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.docs.documents import ROOT, codes, documents, headings, prose, read

DOCUMENTS = pytest.mark.parametrize(
    "path", documents(), ids=lambda path: str(path.relative_to(ROOT))
)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


@cache
def names_in(file: Path) -> frozenset[str]:
    """Return the names of a file's tests, those of state machines included."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    functions = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    machines = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return frozenset(name for name in functions | machines if name.lower().startswith("test"))


def missing_links(path: Path) -> Iterator[str]:
    """Yield the links of a document that lead nowhere inside the repository."""
    for link in _LINK.findall(prose(path.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        inside = target.is_relative_to(ROOT) and target.exists()
        if not inside or (anchor and anchor not in headings(target.read_text(encoding="utf-8"))):
            yield link


@DOCUMENTS
def test_links_lead_somewhere(path: Path) -> None:
    """Files, folders, pictures and headings that a document links to exist."""
    assert list(missing_links(path)) == []


@DOCUMENTS
def test_named_tests_exist(path: Path) -> None:
    """A test named by its path, or by its name alone, can be run by that name."""
    files = {str(file.relative_to(ROOT)): file for file in (ROOT / "tests").rglob("test_*.py")}
    every = {name for file in files.values() for name in names_in(file)}
    for code in codes(path.read_text(encoding="utf-8")):
        file, found, name = code.partition("::")
        if found:
            assert file in files, code
            assert name in names_in(files[file]), code
        elif re.fullmatch(r"test_\w+", code):
            assert code in every, code


def test_every_promise_names_a_test() -> None:
    """A promise that nothing shows is only a wish."""
    section = read("README.md").partition("## What it promises\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 6
    assert [row for row in rows if "::test_" not in row and "::Test" not in row] == []


def test_every_room_has_a_document_with_its_decisions() -> None:
    """Whoever changes a room finds what was decided there, and why."""
    for room in ("devices", "ingest", "alerts", "dashboards", "gatehouse"):
        assert "decisions" in headings(read(f"{room}/README.md")), room
