"""MQTT topic filters: which are legal for us, and which of them overlap.

Source: MQTT 5.0, 4.7 Topic Names and Topic Filters, 4.8.2 Shared Subscriptions.
"""

from collections.abc import Sequence
from itertools import combinations


def complaint(filters: Sequence[str]) -> str | None:
    """Return what is wrong with the filters of one subscription, or None.

    Overlapping filters make some brokers deliver a message once for each; shared subscriptions
    have no order and hand what one member has not acknowledged to another.
    """
    for text in filters:
        wrong = _malformed(text)
        if wrong:
            return f"{text!r} {wrong}"
    for first, second in combinations(filters, 2):
        if overlap(first, second):
            return f"{first!r} and {second!r} overlap: some topics would arrive twice"
    return None


def overlap(first: str, second: str) -> bool:
    """Return whether some topic matches both; no wildcard matches a first level with a ``$``."""
    if first.startswith("$") != second.startswith("$"):
        return False
    ours, theirs = first.split("/"), second.split("/")
    for position in range(max(len(ours), len(theirs))):
        here, there = ours[position : position + 1], theirs[position : position + 1]
        if here == ["#"] or there == ["#"]:
            return True
        if not here or not there or not _levels_meet(here[0], there[0]):
            return False
    return True


def _levels_meet(here: str, there: str) -> bool:
    return here == there or "+" in (here, there)


def _malformed(text: str) -> str | None:
    levels = text.split("/")
    if not text or "\0" in text or len(text.encode()) > 65_535:
        return "is no topic filter: it has 1 to 65,535 bytes and no NUL"
    if levels[0] == "$share":
        return "is a shared subscription, which keeps no order; name the topics themselves"
    if "#" in "".join(levels[:-1]) or ("#" in levels[-1] and levels[-1] != "#"):
        return "is no topic filter: '#' may only be the whole last level"
    if any("+" in level and level != "+" for level in levels):
        return "is no topic filter: '+' may only be a whole level"
    return None
