"""Rule states: one per rule and key, in memory, written behind.

What is durable: a state that goes with an effect is written in the effect's transaction; the others
are written later, the longest unwritten first, and the cursor never passes an input whose state is
not written. Each state carries the position of the last input that changed it, so inputs that come
again after a crash are skipped by the keys that have seen them and taken by those that have not.
"""

from collections.abc import Collection, Iterable
from heapq import heappop, heappush
from itertools import count
from typing import Any

import msgspec
from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from alerts.rule import Rule
from alerts.tables import rule_state as table

_encode = msgspec.msgpack.Encoder().encode


class Slot:
    """The state of one key.

    Attributes:
        state: The state; None where it was loaded and has not been decoded yet.
        position: Position of the last input that changed it; 0 for none.
        due: When time itself has to be judged; milliseconds UTC, None for never.
        planned: The earliest entry for it in the agenda, None for none.
    """

    __slots__ = ("_encoded", "due", "planned", "position", "state")

    def __init__(self, state: Any, *, encoded: bytes = b"", position: int = 0) -> None:
        self.state = state
        self._encoded = encoded
        self.position = position
        self.due: int | None = None
        self.planned: int | None = None

    def read(self, decoder: msgspec.msgpack.Decoder[Any]) -> Any:
        """Return the state; one loaded from SQL is decoded when it is first needed."""
        state = self.state
        if state is None:
            state = self.state = decoder.decode(self._encoded)
            self._encoded = b""
        return state

    def write(self, state: Any) -> None:
        """Put a new state in the old one's place."""
        self.state = state
        self._encoded = b""

    def encode(self) -> bytes:
        """Return the state as it is stored."""
        return self._encoded or _encode(self.state)


class RuleStates:
    """The states of one rule's keys; those of most keys, the blank one, are not kept."""

    def __init__(self, rule: Rule[Any]) -> None:
        self.rule = rule
        self.slots: dict[str, Slot] = {}
        self.blank = rule.state()
        self._decoder = msgspec.msgpack.Decoder(rule.state)

    def get(self, key: str) -> Any:
        """Return a key's state, None where there is none."""
        slot = self.slots.get(key)
        return slot.read(self._decoder) if slot is not None else None

    def read(self, slot: Slot | None) -> Any:
        """Return a slot's state, the blank one where there is no slot."""
        return slot.read(self._decoder) if slot is not None else self.blank

    def load(self, connection: Connection) -> None:
        """Read every key's state, undecoded."""
        rows = connection.execution_options(yield_per=1_000).execute(
            select(table.c.key, table.c.position, table.c.due_at, table.c.state).where(
                table.c.rule == self.rule.name
            )
        )
        for key, position, due, encoded in rows:
            slot = Slot(None, encoded=encoded, position=position)
            slot.due = due
            self.slots[key] = slot


def read_states(
    connection: Connection, rule: Rule[Any], keys: Collection[str] | None = None
) -> dict[str, Any]:
    """Return the states of a rule's keys as they were last written; for who only looks."""
    query = select(table.c.key, table.c.state).where(table.c.rule == rule.name)
    if keys is not None:
        query = query.where(table.c.key.in_(keys))
    rows = connection.execute(query)
    return {key: msgspec.msgpack.decode(encoded, type=rule.state) for key, encoded in rows}


class Agenda:
    """What is due when; an entry that is no longer true is dropped when its time comes."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, RuleStates, str]] = []
        self._number = count()

    def plan(self, states: RuleStates, key: str, slot: Slot) -> None:
        """Note a slot's due time, unless something earlier is noted already."""
        if slot.due is None or (slot.planned is not None and slot.planned <= slot.due):
            return
        slot.planned = slot.due
        heappush(self._heap, (slot.due, next(self._number), states, key))

    def take_due(self, frontier: int) -> tuple[RuleStates, str, Slot] | None:
        """Return one key that is due before the frontier, or None."""
        while self._heap and self._heap[0][0] < frontier:
            planned, _, states, key = heappop(self._heap)
            slot = states.slots[key]
            if slot.planned == planned:
                slot.planned = None
            if slot.due is not None and slot.due < frontier:
                return states, key, slot
            self.plan(states, key, slot)
        return None


def upsert(connection: Connection, slots: Iterable[tuple[str, str, Slot]]) -> None:
    """Write the states of some keys."""
    rows = [
        {
            "rule": rule,
            "key": key,
            "position": slot.position,
            "due_at": slot.due,
            "state": slot.encode(),
        }
        for rule, key, slot in slots
    ]
    if not rows:
        return
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table)
    new = statement.excluded
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[table.c.rule, table.c.key],
            set_={"position": new.position, "due_at": new.due_at, "state": new.state},
        ),
        rows,
    )
