"""The few templates of Home Assistant that say where a value stands. Nothing is evaluated.

``{{ value }}``, ``{{ value_json.a.b }}``, ``{{ value_json['a'][0] }}``, with filters that only tell
how it is shown (``float``, ``int``, ``round``, ``default``, ``is_defined``): those are left out, so
that a value is neither rounded nor made up.
"""

import re

MAX_TEMPLATE = 256

_STEP = r"(?:\.\w+|\[\s*(?:'[^'\]]+'|\"[^\"\]]+\"|\d+)\s*\])"
_FILTER = r"\|\s*+(?:float|int|round|default|is_defined)\s*+(?:\([^(){}|]*+\)\s*+)?+"
"""Possessive: nothing is tried twice, however the text ends."""
_TEMPLATE = re.compile(
    rf"\s*+\{{\{{-?\s*+(?:value_json(?P<steps>{_STEP}++)|value)\s*+(?:{_FILTER})*+-?\}}\}}\s*+",
    re.ASCII,
)
_KEY = re.compile(r"\w+|'[^']+'|\"[^\"]+\"", re.ASCII)


def read_template(text: str) -> tuple[str, ...] | None:
    """Return the steps to the value, none for the payload as it is; None for any other template."""
    if not text.strip():
        return ()
    match = _TEMPLATE.fullmatch(text) if len(text) <= MAX_TEMPLATE else None
    if match is None:
        return None
    return tuple(step.strip("'\"") for step in _KEY.findall(match["steps"] or ""))
