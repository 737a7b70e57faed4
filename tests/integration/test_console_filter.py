"""The forms above the lists, submitted with their own fields as a browser does."""

from html.parser import HTMLParser

import pytest

from alerts.finding import IncidentKind
from tests.console import World
from tests.console_http import Open


class Filter(HTMLParser):
    """A page's form with ``get``: the fields a browser sends when nothing is touched."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self._inside = False
        self._select = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = given["method"] == "get"
        elif not self._inside:
            return
        elif tag == "select":
            self._select = given["name"]
        elif tag == "option" and ("selected" in given or self._select not in self.fields):
            self.fields[self._select] = given["value"]
        elif tag == "input":
            self.fields[given["name"]] = given["value"]

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "form"


@pytest.mark.parametrize(
    ("path", "names"),
    [("/", {"which", "kind"}), ("/dead-letters", {"reason"}), ("/devices", {"search"})],
)
async def test_a_filter_as_it_stands_shows_everything(
    path: str, names: set[str], world: World, browser: Open
) -> None:
    """Show, without a choice, gives the page again: "every" is no error."""
    world.find()
    world.bury([("t/1", b"{bad", "bad_json", "")])
    async with browser("command") as client:
        before = (await client.get(path)).text
        fields = Filter(before).fields
        assert set(fields) == names
        response = await client.get(path, params=fields)
        assert response.status_code == 200
        assert response.text == before


async def test_a_filter_keeps_what_was_chosen(world: World, browser: Open) -> None:
    """The form shows the choice it was sent with, so that the next one starts there."""
    flat = world.find(key="h", kind=IncidentKind.EMPTY_FLAT)
    chosen = {"which": "open", "kind": "empty_flat"}
    async with browser("command") as client:
        text = (await client.get("/", params=chosen)).text
        assert flat in text
        assert Filter(text).fields == chosen
        assert (await client.get("/", params={"kind": "weather"})).status_code == 422
