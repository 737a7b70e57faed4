"""When something fails in the console: what the person sees, and what the log says."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from tests.console import PHONE, World, make_world
from tests.console_http import Open, visit


class Broken:
    """A series store that fails in a way nobody thought of, with a phone number in its words."""

    def __call__(self) -> Any:
        raise RuntimeError(PHONE)


@pytest.mark.parametrize(
    ("language", "says"), [("en", "Something went wrong"), ("zh", "本页面出错，呼叫不受影响")]
)
async def test_an_unexpected_error_is_a_page_and_a_line_in_the_log(
    tmp_path: Path, language: str, says: str
) -> None:
    """The person reads a sentence in their language, guarded as every page; the log no content."""
    world = make_world(tmp_path, series=Broken())
    async with visit(world, "worker") as client:
        client.cookies.set("language", language)
        with capture_logs() as logs:
            response = await client.get("/devices")
        assert response.status_code == 500
        assert says in response.text
        assert PHONE not in response.text
        assert response.headers["Content-Security-Policy"]
        assert response.headers["Cache-Control"] == "no-store"
        assert (await client.get("/")).status_code == 200
    [line] = [one for one in logs if one["event"] == "request_failed"]
    assert line["error"] == "RuntimeError"
    assert re.fullmatch(r"test_console_failure.py:\d+", line["where"])
    assert PHONE not in str(logs)


async def test_a_database_that_is_away_signs_nobody_out(
    world: World, browser: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an outage the page is there again without a password, and it spoke one's language."""
    async with browser("worker") as client:
        client.cookies.set("language", "zh")
        with monkeypatch.context() as outage:
            outage.setattr(type(world.engine), "connect", _refuse)
            away = await client.get("/")
        assert away.status_code == 503
        assert "数据库" in away.text
        back: httpx.Response = await client.get("/")
    assert back.status_code == 200


def _refuse(*_: Any, **__: Any) -> Any:
    raise OperationalError("SELECT 1", {}, Exception("away"))
