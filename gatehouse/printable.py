"""Topics as a terminal can show them: anybody may have chosen them."""

SHOWN = 100
"""Characters; ``--json`` has a topic whole."""


def printable(topic: str) -> str:
    """Return a topic without signs that a terminal would obey, and not too long."""
    shown = "".join(character if character.isprintable() else "·" for character in topic)
    return shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}…"
