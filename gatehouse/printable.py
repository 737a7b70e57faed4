"""Topics and payloads as a terminal can show them: anybody may have chosen them."""

SHOWN = 100
"""Characters; ``--json`` has a topic whole."""


def printable(topic: str) -> str:
    """Return a topic without signs that a terminal would obey, and not too long."""
    shown = printable_text(topic).replace("\n", "·")
    return shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}…"


def printable_text(text: str) -> str:
    """Return a text, of lines, without signs that a terminal would obey."""
    return "".join(one if one.isprintable() or one == "\n" else "·" for one in text)
