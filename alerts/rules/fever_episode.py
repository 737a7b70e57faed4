"""An incident as the fever rule remembers it, and what the next evidence asks of it."""

from collections.abc import Sequence

import msgspec

from alerts.finding import Action
from alerts.rules.readings import Reading
from devices.clock import MINUTE

KEPT = 32
ATTACH_APART = 5 * MINUTE
"""More evidence for an open incident is written down at most this often, unless it is worse."""


class Episode(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One incident of a key.

    Attributes:
        key: Key of its findings.
        first, last: Time of the earliest and latest evidence of a fever; milliseconds UTC.
        pages: False for a watch.
        level: Highest severity told, as an index of SEVERITIES.
        attached_at: Time of the evidence written down last.
        closed_at: When a person closed it; 0 while it is open.
        after: Readings until then belong to an incident closed before this one.
    """

    key: str
    first: int
    last: int
    pages: bool
    level: int
    attached_at: int
    closed_at: int = 0
    after: int = 0

    @property
    def is_open(self) -> bool:
        """Whether nobody has closed it, as far as the rule has heard."""
        return not self.closed_at

    @property
    def floor(self) -> int:
        """Readings until this time belong to a closed incident; milliseconds UTC."""
        return self.closed_at or self.after

    def is_near(self, at: int, join: int | None) -> bool:
        """Return whether a time is at most ``join`` milliseconds from its evidence; None: any."""
        return join is None or self.first - join <= at <= self.last + join


def find(
    episodes: Sequence[Episode],
    reading: Reading,
    row: Sequence[Reading],
    *,
    join: int | None,
) -> Episode | None:
    """Return the episode that a reading belongs to, open or closed.

    A person has one at a time. On a device it is one whose fever was measured in the same row and
    not long ago: a queue may never pause, and the next fever in it is another person's.

    Args:
        episodes: Those of the key.
        reading: The one in question.
        row: Its company, in order of time.
        join: For a device, how far apart one person's readings may be; None for a person.
    """
    if join is None:
        return episodes[-1] if episodes else None
    begins = row[0].observed_at if row else reading.observed_at
    ends = row[-1].observed_at if row else reading.observed_at
    for episode in reversed(episodes):
        is_same_row = episode.first <= ends and begins <= episode.last
        if is_same_row and episode.is_near(reading.observed_at, join):
            return episode
    return None


def advance(
    episode: Episode, at: int, *, level: int | None, pages: bool
) -> tuple[Episode, Action | None]:
    """Return an open episode with one more piece of evidence, and what that asks for.

    Args:
        episode: An open one.
        at: Time of the evidence; milliseconds UTC.
        level: Its severity as an index of SEVERITIES; None for a reading that is no fever's.
        pages: Whether it is enough for an incident.
    """
    grown = episode
    if level is not None:
        grown = msgspec.structs.replace(
            episode, first=min(episode.first, at), last=max(episode.last, at)
        )
    is_worse = level is not None and level > episode.level
    if level is not None and pages and not episode.pages:
        grown = msgspec.structs.replace(
            grown, pages=True, level=max(level, episode.level), attached_at=at
        )
        return grown, Action.OPEN
    if level is not None and is_worse and (pages or not episode.pages):
        return msgspec.structs.replace(grown, level=level, attached_at=at), Action.RAISE
    is_earlier = level is not None and at < episode.first
    if is_earlier or at >= episode.attached_at + ATTACH_APART:
        attached_at = max(episode.attached_at, at)
        return msgspec.structs.replace(grown, attached_at=attached_at), Action.ATTACH
    return grown, None


def keep(episodes: Sequence[Episode], changed: Episode, *, is_person: bool) -> tuple[Episode, ...]:
    """Return the episodes with one changed or added; a person's last, a device's last few."""
    if is_person:
        return (changed,)
    others = tuple(each for each in episodes if each.key != changed.key)
    return (*others, changed)[-KEPT:]


def close(episodes: Sequence[Episode], key: str, at: int) -> tuple[Episode, ...]:
    """Return the episodes after a person has closed one of them."""
    return tuple(
        msgspec.structs.replace(each, closed_at=at) if each.key == key and each.is_open else each
        for each in episodes
    )
