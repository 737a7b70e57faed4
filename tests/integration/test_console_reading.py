"""Readings taken by hand, from the form to the broker."""

import json
import re
from pathlib import Path

import pytest

from dashboards import audit
from devices.clock import SECOND
from ingest.publisher import PublishFailed
from tests.console import (
    FLAT,
    SUBJECT,
    World,
    make_world,
)
from tests.console_http import Open, submit, visit


async def test_a_reading_by_hand_is_published(world: World, browser: Open) -> None:
    """Building and flat lead to the people, which is recorded; the reading goes to the broker."""
    async with browser("worker") as client:
        people = await submit(client, "/reading/person", building="b3", flat=f" {FLAT} ")
        assert "孙美丽" in people.text
        event = re.findall(r'name="event_id" value="(\w+)"', people.text)[0]
        form = {
            "household": "h-502",
            "subject": SUBJECT,
            "celsius": "37,6",
            "body_site": "axillary",
            "at": "19:55",
            "event_id": event,
        }
        assert (await submit(client, "/reading", **form)).status_code == 303
    [(topic, payload)] = world.published
    assert topic == "gatehouse/v1/xhk/hand-1"
    said = json.loads(payload)
    assert (said["celsius"], said["observed_at"]) == (37.6, "2020-02-14T11:55:00Z")
    assert (said["event_id"], said["subject"]) == (event, SUBJECT)
    with world.engine.connect() as connection:
        actions = [entry.action for entry in audit.find(connection, limit=2)]
    assert actions == [audit.Action.ENTERED_READING, audit.Action.OPENED_PERSON]


@pytest.mark.parametrize(
    "wrong",
    [
        {"celsius": "warm"},
        {"celsius": "99"},
        {"body_site": "ambient"},
        {"body_site": ""},
        {"subject": "somebody"},
        {"at": "25:00"},
    ],
    ids=str,
)
async def test_an_unusable_reading_is_asked_again(
    world: World, browser: Open, wrong: dict[str, str]
) -> None:
    """Nothing is published, and what was typed is still on the form."""
    form = {
        "household": "h-502",
        "subject": SUBJECT,
        "celsius": "37.6",
        "body_site": "axillary",
        "at": "",
    }
    async with browser("worker") as client:
        response = await submit(client, "/reading", **form | wrong)
    assert response.status_code == 422
    assert (form | wrong)["celsius"] in response.text
    assert world.published == []


async def test_a_broker_that_is_away_is_said(tmp_path: Path) -> None:
    """A reading that could not be handed over is not called sent."""

    async def refuse(topic: str, payload: bytes) -> None:
        raise PublishFailed("away")

    world = make_world(tmp_path, publish=refuse)
    async with visit(world, "worker") as client:
        response = await submit(
            client,
            "/reading",
            household="h-502",
            subject=SUBJECT,
            celsius="37.6",
            body_site="axillary",
        )
    assert response.status_code == 422
    assert "never counts twice" in response.text
    assert 'name="at" value="20:05"' in response.text


async def test_two_taps_are_one_reading(world: World, browser: Open) -> None:
    """The same form sent twice gives the same message, so that one point and one reading live."""
    form = {"household": "h-502", "subject": SUBJECT, "celsius": "37.6", "body_site": "axillary"}
    async with browser("worker") as client:
        for _ in range(2):
            await submit(client, "/reading", **form, at="", event_id="0123456789abcdef")
            world.clock.advance(SECOND)
    first, second = world.published
    assert first == second


async def test_flats_elsewhere_are_not_told_from_missing_ones(browser: Open) -> None:
    """Trying flat numbers tells a worker nothing about another grid."""
    async with browser("worker") as client:
        missing = await submit(client, "/reading/person", building="b3", flat="9999")
        foreign = await submit(client, "/reading/person", building="b7", flat="0101")
        assert (missing.status_code, foreign.status_code) == (404, 404)
        assert (await submit(client, "/reading", household="h-101")).status_code == 403
