"""The documents of this repository, as tests read them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
ROOMS = ("devices", "ingest", "alerts", "dashboards", "gatehouse", "tests", "docs")
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")


class Block(NamedTuple):
    """A fenced block: its language, "" where none is named, and its text."""

    language: str
    text: str


def documents() -> list[Path]:
    """Return every document, those of the root first."""
    inner = [path for room in ROOMS for path in (ROOT / room).rglob("*.md")]
    return [*sorted(ROOT.glob("*.md")), *sorted(inner)]


def read(name: str) -> str:
    """Return a document by its path from the root."""
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(text: str) -> list[Block]:
    """Return the fenced blocks of a document, in order."""
    return [Block(*found) for found in _BLOCK.findall(text)]


def prose(text: str) -> str:
    """Return a document without its fenced blocks."""
    return _BLOCK.sub("", text)


def codes(text: str) -> list[str]:
    """Return what stands between backticks outside of fenced blocks."""
    return _CODE.findall(prose(text))


def headings(text: str) -> Iterator[str]:
    """Yield the anchors of a document's headings as GitHub makes them."""
    for line in prose(text).splitlines():
        if line.startswith("#"):
            words = re.sub(r"[^\w\- ]", "", line.lstrip("#").strip().lower())
            yield words.replace(" ", "-")
