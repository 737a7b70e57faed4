"""The durable cursor against a model of what each key has taken and what its row says."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, select

from alerts import write_behind
from alerts.cursor import Books, Progress
from alerts.rule_state import Slot, upsert
from alerts.tables import alerts_cursor, rule_state
from alerts.write_behind import WriteBehind
from tests.state import open_state

KEYS = ("a", "b", "c", "d", "e")

SMALLEST = [("due", "a"), ("due", "b"), ("input", "b"), ("write", "a")]
"""The key behind the first chunk is first changed by time and then by an input."""
OUT_OF_ORDER = [
    *(("due", key) for key in "abc"),
    ("input", "d"),
    ("write", "a"),
    ("input", "c"),
    ("write", "a"),
]
"""The key that stays behind and was changed first has the later bound."""

acts = st.lists(
    st.tuples(st.sampled_from(["input", "due", "effect", "write"]), st.sampled_from(KEYS)),
    max_size=40,
)


@pytest.fixture(scope="module")
def database() -> Iterator[Engine]:
    """Open one state database for all examples, each of which begins with it empty."""
    with tempfile.TemporaryDirectory() as folder:
        database = open_state(Path(folder))
        yield database
        database.dispose()


@given(acts=acts, chunk=st.integers(1, 3))
@example(acts=SMALLEST, chunk=1)
@example(acts=OUT_OF_ORDER, chunk=1)
@settings(max_examples=150)
def test_an_input_up_to_the_cursor_is_in_a_written_state(
    database: Engine, acts: list[tuple[str, str]], chunk: int
) -> None:
    """Whatever changed a key first, the cursor never passes an input that its row has not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(write_behind, "WRITE_AT_ONCE", chunk)
        patch.setattr(write_behind, "WRITE_EVERY_S", 0.0)
        _empty(database)
        behind = WriteBehind(database)
        slots = {key: Slot([]) for key in KEYS}
        inputs: list[str] = []
        for act, key in acts:
            slot = slots[key]
            if act in {"input", "effect"}:
                inputs.append(key)
                slot.position = len(inputs)
            match act:
                case "input" | "due":
                    behind.add("rule", key, slot, len(inputs) if act == "input" else 0)
                case "effect":
                    with database.begin() as connection:
                        upsert(connection, [("rule", key, slot)])
                    behind.discard("rule", key)
                case "write":
                    behind.write_some(Progress("j", Books(position=len(inputs))))
            _expect_no_input_lost(database, inputs)
        behind.write_all(Progress("j", Books(position=len(inputs))))
        assert _expect_no_input_lost(database, inputs) == len(inputs)


def _empty(database: Engine) -> None:
    with database.begin() as connection:
        connection.execute(delete(rule_state))
        connection.execute(delete(alerts_cursor))


def _expect_no_input_lost(database: Engine, inputs: list[str]) -> int:
    """Compare what is durable with the keys of all inputs, the first at position 1."""
    with database.connect() as connection:
        cursor = connection.execute(select(alerts_cursor.c.position)).scalar() or 0
        rows = dict(connection.execute(select(rule_state.c.key, rule_state.c.position)).all())
    for position, key in enumerate(inputs[:cursor], start=1):
        assert rows.get(key, 0) >= position, (key, position, cursor)
    return cursor
