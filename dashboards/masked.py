"""What may be shown of a payload nobody understood: its shape, not what it says. Pure."""

import json
from typing import Any

SHOWN_CHARACTERS = 1_500
SHOWN_ITEMS = 20
_DEPTH = 6
_SMALL = 100_000
"""Longer numbers can be phones, identity cards or personal ids."""


def mask(payload: bytes) -> str:
    """Return a payload's outline: field names and short numbers, texts as their length.

    Text that is not JSON keeps its separators; digits are 9 and letters x there.
    """
    try:
        content = json.loads(payload)
    except (ValueError, RecursionError):
        return f"‹{len(payload)} bytes, not JSON› {_shape(payload)}".strip()
    return json.dumps(_outline(content, 0), ensure_ascii=False, indent=1)[:SHOWN_CHARACTERS]


def _shape(payload: bytes) -> str:
    """Return where digits, letters and separators of a text stand; empty for what is none."""
    try:
        text = payload.decode()[:SHOWN_CHARACTERS]
    except UnicodeDecodeError:
        return ""
    return "".join(map(_sign, text))


def _sign(character: str) -> str:
    if not character.isascii() or character.isalpha():
        return "x"
    if character.isdigit():
        return "9"
    return character if character.isprintable() else "·"


def _outline(value: Any, depth: int) -> Any:
    if depth == _DEPTH:
        return "…"
    if isinstance(value, dict):
        items = list(value.items())
        shown = {_key(key): _outline(one, depth + 1) for key, one in items[:SHOWN_ITEMS]}
        return shown | ({"…": len(items)} if len(items) > SHOWN_ITEMS else {})
    if isinstance(value, list):
        rest = ["…"] if len(value) > SHOWN_ITEMS else []
        return [_outline(one, depth + 1) for one in value[:SHOWN_ITEMS]] + rest
    if isinstance(value, str):
        return f"‹{len(value)} characters›"
    if isinstance(value, bool) or value is None or abs(value) < _SMALL:
        return value
    return "‹number›"


def _key(key: str) -> str:
    """Return a field's name, unless it is data: long, or with digits as an id has them."""
    is_name = len(key) <= 40 and sum(letter.isdigit() for letter in key) < 5
    return key if is_name else "‹name›"
