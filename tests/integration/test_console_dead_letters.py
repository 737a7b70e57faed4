"""Dead letters on the console: looked at, tried, sent through again, given up."""

import re

import pytest

from dashboards import audit
from ingest import dead_letter
from ingest.dead_letter import Selection
from tests.console import World
from tests.console_http import Open, submit

LETTER = ("t/2", b"{}", "missing_field", "temperature")


async def test_dead_letters_are_grouped_and_masked(world: World, browser: Open) -> None:
    """Alike ones are counted together; a payload is shown as its outline only."""
    world.bury(
        [
            ("t/1", b"{bad", "bad_json", ""),
            ("t/1", b"{worse", "bad_json", ""),
            ("t/2", '{"name": "孙美丽", "celsius": 85.0}'.encode(), "out_of_range", "celsius"),
        ]
    )
    async with browser("operator") as client:
        text = (await client.get("/dead-letters")).text
        assert re.search(r"t/1.*Not valid JSON.*>2<", text, re.S)
        assert "t/1" not in (await client.get("/dead-letters?reason=out_of_range")).text
        one = (await client.get("/dead-letters/3")).text
        assert "孙美丽" not in one
        assert "85.0" in one
        assert (await client.get("/dead-letters/99")).status_code == 404
        for number in (10**30, -(10**30), 0):
            assert (await client.get(f"/dead-letters/{number}")).status_code == 404


async def test_a_list_that_is_cut_says_so(
    world: World, browser: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number above the list is that of what is shown, and no less is claimed to be there."""
    world.bury([LETTER])
    async with browser("operator") as client:
        assert "there may be others" not in (await client.get("/dead-letters")).text
        monkeypatch.setattr(dead_letter, "GROUPS", 1)
        assert "there may be others" in (await client.get("/dead-letters")).text


async def test_a_group_of_dead_letters_is_tried_and_sent_through_again(
    world: World, browser: Open
) -> None:
    """First what it would come to, which changes nothing; then the service is asked, on record."""
    world.bury([("t/1", b"a", "bad_json", ""), ("t/2", b"b", "empty", ""), *[LETTER] * 2])
    ledger = world.data_dir / "ledger.db"
    async with browser("operator") as client:
        tried = (await client.get("/dead-letters/4?tried=true")).text
        assert re.search(r"Dead letters still.*Unknown topic.*>2<", tried, re.S)
        assert not any(one.replay for one in dead_letter.letters(ledger, Selection()))
        answer = await submit(client, "/dead-letters/4/replay")
        assert answer.headers["location"] == "/dead-letters/4?asked=2"
        assert "2 messages are being sent" in (await client.get("/dead-letters/4?asked=2")).text
    asked = [one.position for one in dead_letter.letters(ledger, Selection()) if one.replay]
    assert asked == [4, 3]
    with world.engine.connect() as connection:
        (entry,) = audit.find(connection, about="dead_letter:4")
    assert (entry.account, entry.action) == ("operator", audit.Action.REPLAYED_LETTERS)


async def test_a_group_of_dead_letters_is_discarded_for_a_reason(
    world: World, browser: Open
) -> None:
    """Without a reason nothing is given up; with one the group is, and who did it is recorded."""
    world.bury([("t/1", b"a", "bad_json", ""), *[LETTER] * 2])
    ledger = world.data_dir / "ledger.db"
    async with browser("operator") as client:
        refused = await submit(client, "/dead-letters/3/discard", reason=" ")
        assert refused.status_code == 422
        assert "say why" in refused.text
        assert len(dead_letter.letters(ledger, Selection(state="open"))) == 3
        done = await submit(client, "/dead-letters/3/discard", reason="a test")
        assert done.headers["location"] == "/dead-letters?discarded=2"
        assert "2 messages were discarded" in (await client.get(done.headers["location"])).text
        assert "a test" in (await client.get("/dead-letters/3")).text
        again = await submit(client, "/dead-letters/3/discard", reason="a test")
        assert again.status_code == 404
    assert [one.position for one in dead_letter.letters(ledger, Selection(state="open"))] == [1]
    with world.engine.connect() as connection:
        (entry,) = audit.find(connection, about="dead_letter:3")
    assert (entry.action, entry.reason) == (audit.Action.DISCARDED_LETTERS, "a test")


async def test_who_does_not_see_dead_letters_settles_none(world: World, browser: Open) -> None:
    """A grid worker's browser is refused, whatever it sends."""
    world.bury([LETTER])
    async with browser("worker") as client:
        for act in ("replay", "discard"):
            answer = await submit(client, f"/dead-letters/1/{act}", reason="a test")
            assert answer.status_code == 403
    assert dead_letter.letters(world.data_dir / "ledger.db", Selection(state="open"))
