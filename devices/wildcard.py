"""Words of which some have a star for any part: ``*/Temperature``."""

from collections.abc import Iterable

STAR = "*"


class Wildcards:
    """What ``in`` asks like a set of words; one star a word, and anything stands for it.

    Raises:
        ValueError: A word has two.
    """

    __slots__ = ("_ends", "_whole")

    def __init__(self, words: Iterable[str]) -> None:
        given = tuple(words)
        twice = next((word for word in given if word.count(STAR) > 1), None)
        if twice is not None:
            raise ValueError(f"{twice!r} has more than one star")
        self._whole = frozenset(word for word in given if STAR not in word)
        starred = (word.partition(STAR) for word in given if STAR in word)
        self._ends = tuple((start, end) for start, _, end in starred)

    def __contains__(self, text: object) -> bool:
        if not isinstance(text, str):
            return False
        return text in self._whole or any(
            len(text) > len(start) + len(end) and text.startswith(start) and text.endswith(end)
            for start, end in self._ends
        )
