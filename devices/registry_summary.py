"""What an import changes, in sentences that an office reads before the rows."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from devices.registry_draft import Difference

_THINGS = {
    "site": ("site", "sites"),
    "gate": ("gate", "gates"),
    "grid": ("grid", "grids"),
    "building": ("building", "buildings"),
    "worker": ("worker", "workers"),
    "household": ("flat", "flats"),
    "resident": ("resident", "residents"),
    "device": ("device", "devices"),
    "worker_channel": ("channel", "channels"),
    "rota": ("duty", "duties"),
}
_HISTORIES = {
    "residence": ("resident", ("moves", "move"), ("moves out", "move out")),
    "vehicle": ("vehicle", ("is given to a flat", "are given to a flat"), ("goes", "go")),
    "trip": ("trip", ("is approved", "are approved"), ("gets another end", "get another end")),
    "device_binding": ("device", ("moves", "move"), ("leaves its place", "leave their places")),
    "household_state": ("flat", None, ("gets another end", "get another end")),
    "resident_class": ("resident", None, ("leaves a class", "leave a class")),
}
"""What they are of; what a new fact about a known one means, None where its value says it; what a
new end alone means."""


def summary(difference: Difference) -> list[str]:
    """Return how many of each kind are new, change or go: things first, then their histories."""
    return [*_things(difference), *_facts(difference)]


def _things(difference: Difference) -> Iterator[str]:
    for table, words in _THINGS.items():
        for rows, verbs in (
            (difference.added, ("is new", "are new")),
            (difference.changed, ("changes", "change")),
            (difference.removed, ("goes", "go")),
        ):
            yield from _said(len(rows.get(table, ())), words, verbs)


def _facts(difference: Difference) -> Iterator[str]:
    new = {
        key[0]
        for table in ("household", "resident", "device")
        for key in difference.added.get(table, ())
    }
    for table, (what, moves, ends) in _HISTORIES.items():
        words = _THINGS.get(what, (what, f"{what}s"))
        added = difference.added.get(table, {})
        told = new if table != "trip" else set()
        last = {key[0]: row for key, row in sorted(added.items()) if key[0] not in told}
        if moves is None:
            yield from _becoming(last.values(), words)
        else:
            yield from _said(len(last), words, moves)
        ended: set[str] = set()
        corrected: set[str] = set()
        for key, (before, after) in difference.changed.get(table, {}).items():
            if key[0] not in last:
                is_end = {**before, "until": None} == {**after, "until": None}
                (ended if is_end else corrected).add(key[0])
        yield from _said(len(ended), words, ends)
        yield from _said(len(corrected), words, ("is corrected", "are corrected"))


def _becoming(rows: Iterable[Mapping[str, Any]], words: tuple[str, str]) -> Iterator[str]:
    """Tell of states of flats and classes of people by what they become."""
    for value, count in Counter(row.get("state") or row["class"] for row in rows).items():
        plain = "without a class" if value == "none" else value.replace("_", " ")
        yield from _said(count, words, (f"becomes {plain}", f"become {plain}"))


def _said(count: int, words: tuple[str, str], verbs: tuple[str, str]) -> Iterator[str]:
    if count:
        many = count > 1
        yield f"{count:,} {words[many]} {verbs[many]}"
