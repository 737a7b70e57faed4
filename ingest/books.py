"""The books: every message received is accounted for exactly once, at every moment.

``received = stored + ignored + dead_open + dead_discarded + expired + lost + pending``, where the
worst outcome of a message decides; ``points_encoded = points_accepted + points_rejected``.
"""

import msgspec

from ingest.ledger_file import Account

_IGNORED = "ignored:"
_DEAD = "dead:"


class Books(msgspec.Struct, frozen=True):
    """One moment of the series follower.

    Attributes:
        received: Positions the journal has given, since the account began: all of them, unless a
            ledger was damaged.
        stored: Messages whose points the store has accepted, all of them.
        ignored: Messages that are knowingly nothing, by reason.
        dead_open: Dead letters that wait for a person.
        dead_discarded: Dead letters that a person gave up.
        expired: Dead letters whose payload a bound took.
        lost: Positions the journal could not give back.
        pending: Journalled, not yet handled.
        dead: Messages that ever became dead letters, by the reason of their arrival.
        dead_replayed: Those of them that a replay stored or ignored after all.
        letters_missing: Open dead letters that are in no file, when that was last looked at; below
            0 there are more than were counted.
    """

    received: int
    stored: int
    ignored: dict[str, int]
    dead_open: int
    dead_discarded: int
    expired: int
    lost: int
    pending: int
    dead: dict[str, int]
    dead_replayed: int
    points_encoded: int
    points_accepted: int
    points_rejected: int
    letters_missing: int = 0

    @property
    def difference(self) -> int:
        """Received messages minus those accounted for; 0 when the books balance."""
        settled = self.dead_open + self.dead_discarded + self.expired + self.lost
        handled = self.stored + sum(self.ignored.values()) + settled
        return self.received - handled - self.pending

    @property
    def points_difference(self) -> int:
        """Encoded points minus those accepted and rejected; 0 when the books balance."""
        return self.points_encoded - self.points_accepted - self.points_rejected

    @property
    def unaccounted(self) -> dict[str, int]:
        """How many messages, points and dead letters are not accounted for, as far as any are."""
        counts = {
            "messages": self.difference,
            "points": self.points_difference,
            "dead letters": self.letters_missing or min(0, self.dead_open),
        }
        return {name: count for name, count in counts.items() if count}

    @property
    def balanced(self) -> bool:
        """Whether messages and points are all accounted for, and no dead letter is missing."""
        return not self.unaccounted


def balance(account: Account, *, head: int, letters_missing: int = 0) -> Books:
    """Return the books.

    Args:
        account: The ledger's.
        head: The last position the journal has given; where a running service has journalled and
            accounted for more since it was asked, the ledger knows better.
        letters_missing: How many open dead letters were missing when that was last looked at.
    """
    counters = account.counters
    given = max(head, account.position)
    dead = _by_reason(counters, _DEAD)
    replayed = counters.get("dead_replayed", 0)
    discarded = counters.get("dead_discarded", 0)
    expired = counters.get("expired", 0)
    return Books(
        received=given - counters.get("begun", 0),
        stored=counters.get("stored", 0),
        ignored=_by_reason(counters, _IGNORED),
        dead_open=sum(dead.values()) - replayed - discarded - expired,
        dead_discarded=discarded,
        expired=expired,
        lost=counters.get("lost", 0),
        pending=given - account.position,
        dead=dead,
        dead_replayed=replayed,
        points_encoded=counters.get("points_encoded", 0),
        points_accepted=counters.get("points_accepted", 0),
        points_rejected=counters.get("points_rejected", 0),
        letters_missing=letters_missing,
    )


def _by_reason(counters: dict[str, int], prefix: str) -> dict[str, int]:
    return {
        name.removeprefix(prefix): value
        for name, value in sorted(counters.items())
        if name.startswith(prefix)
    }
