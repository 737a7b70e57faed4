"""What a page says: case number, building or gate, what to do, and a link that needs signing in.

Never a name, a temperature or a flat. The words stand in ``texts/<language>.toml``.
"""

import tomllib
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Literal
from zoneinfo import ZoneInfo

from alerts import alarm
from alerts.page import Purpose
from alerts.record import Incident
from devices.clock import DAY, SECOND

Language = Literal["en", "zh"]


@dataclass(frozen=True, slots=True)
class PageText:
    """A page as a channel sends it; ``worker`` and ``incident`` are ids."""

    worker: str
    incident: str
    title: str
    body: str
    link: str


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a page's text depends on beside its incident.

    Attributes:
        where: Building or gate, and site, as people call them; empty where unknown.
        zone: The site's.
        is_first: The first page of the incident's first round.
        possible_repeat: A crash left open whether this page was sent before.
    """

    where: str
    zone: ZoneInfo
    is_first: bool
    possible_repeat: bool


class Texts:
    """The page texts of one language."""

    def __init__(self, language: Language, *, console_url: str) -> None:
        source = files("alerts") / "texts" / f"{language}.toml"
        self._texts: dict[str, dict[str, str]] = tomllib.loads(source.read_text(encoding="utf-8"))
        self._console_url = console_url

    def compose(
        self,
        incident: Incident,
        purpose: Purpose,
        worker: str,
        circumstances: Circumstances,
        *,
        now: int,
    ) -> PageText:
        """Return a page's text."""
        lines = self._texts["line"]
        words = self._texts[_subject(incident, purpose)]
        names = {"incident": incident.id, "where": circumstances.where or lines["nowhere"]}
        body = [words["body"].format(**names)]
        if purpose is Purpose.LADDER and incident.late:
            body.append(lines["late"])
        if purpose is Purpose.LADDER and not circumstances.is_first:
            since = _local(incident.opened_at, circumstances.zone, now=now)
            body.append(lines["unanswered"].format(since=since))
        if circumstances.possible_repeat:
            body.append(lines["possible_repeat"])
        return PageText(
            worker=worker,
            incident=incident.id,
            title=words["title"].format(**names),
            body="\n".join(body),
            link=f"{self._console_url}/incidents/{incident.id}",
        )

    def test(self, worker: str) -> PageText:
        """Return the text that tries a worker's channels."""
        words = self._texts["test"]
        return PageText(worker, "", words["title"], words["body"], self._console_url)


def _subject(incident: Incident, purpose: Purpose) -> str:
    if purpose is Purpose.LATE_EVIDENCE:
        return Purpose.LATE_EVIDENCE
    return incident.rule if incident.rule in alarm.RULES else incident.kind


def _local(at: int, zone: ZoneInfo, *, now: int) -> str:
    pattern = "%H:%M" if now - at < DAY // 2 else "%Y-%m-%d %H:%M"
    return datetime.fromtimestamp(at / SECOND, zone).strftime(pattern)
