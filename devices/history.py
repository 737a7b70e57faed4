"""Facts that have a from and an until, by what they are about, asked as of a time."""

from collections.abc import Iterable, Mapping, Set
from typing import Generic, TypeVar

FOREVER = 1 << 62
"""Beyond every time there is, in milliseconds."""

T = TypeVar("T")
Span = tuple[int, int | None, T]
"""(since, until or None, what was so); milliseconds UTC, until excluded."""
Spans = tuple[Span[T], ...]
"""All that was ever so for one key, the latest first."""


class History(Generic[T]):
    """Facts of one kind by key, each with a from and an until. Never written."""

    __slots__ = ("_spans",)

    def __init__(self, facts: Iterable[tuple[str, Span[T]]] = ()) -> None:
        gathered: dict[str, list[Span[T]]] = {}
        for key, span in facts:
            gathered.setdefault(key, []).append(span)
        self._spans: Mapping[str, Spans[T]] = {
            key: in_order(spans) for key, spans in gathered.items()
        }

    @classmethod
    def of(cls, spans: Mapping[str, Spans[T]]) -> "History[T]":
        """Return the history that holds these spans."""
        history = cls()
        history._spans = spans
        return history

    def at(self, key: str, when: int) -> T | None:
        """Return what was so for the key at a time, or None."""
        spans = self._spans.get(key)
        if spans is None:
            return None
        since, until, what = spans[0]
        if since <= when and until is None:  # Mostly the question is about now.
            return what
        for since, until, what in spans:
            if since <= when and (until is None or when < until):
                return what
        return None

    def stay(self, key: str, when: int) -> tuple[int, int, T | None]:
        """Return what was so for the key at a time, with times between which it was just that."""
        ended, next_since = -FOREVER, FOREVER
        for since, until, what in self._spans.get(key, ()):
            if since > when:
                next_since = since
            elif until is None or when < until:
                ends = next_since if until is None else min(until, next_since)
                return (max(since, ended), ends, what)
            else:
                ended = max(ended, until)
        return (ended, next_since, None)

    def spans(self, key: str) -> Spans[T]:
        """Return all that was ever so for a key, the latest first."""
        return self._spans.get(key, ())

    def __contains__(self, key: object) -> bool:
        """Return whether anything was ever so for a key."""
        return key in self._spans

    @property
    def by_key(self) -> Mapping[str, Spans[T]]:
        """Every key with all that was ever so for it, the latest first."""
        return self._spans

    def replaced(self, keys: Set[str], spans: Mapping[str, Spans[T]]) -> "History[T]":
        """Return the history with other spans for some keys; a key without any is gone."""
        return History.of(replaced(self._spans, keys, spans)) if keys else self


V = TypeVar("V")


def in_order(spans: Iterable[Span[T]]) -> Spans[T]:
    """Return spans, the latest first."""
    return tuple(sorted(spans, key=lambda span: span[0], reverse=True))


def replaced(old: Mapping[str, V], keys: Set[str], new: Mapping[str, V]) -> dict[str, V]:
    """Return a mapping with other values for some keys; a key without a new one is gone."""
    copy = dict(old)
    for key in keys:
        if key in new:
            copy[key] = new[key]
        else:
            copy.pop(key, None)
    return copy
