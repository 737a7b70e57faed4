"""``gatehouse decode --from-broker``: what arrives, as it is understood."""

import asyncio
import gettext
import json
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec.structs import replace

from dashboards.console.given import given_speaker
from dashboards.masked import mask
from devices.clock import SECOND, Clock, rfc3339
from devices.decoder import Decoder
from devices.description import Remembered
from devices.matcher import Matcher, masked
from devices.observation import Observation, as_json
from devices.outcome import DeadLetter, DeadLetterReason, Ignored, Outcome
from gatehouse.failure import WRONG_USE, Failure
from gatehouse.listening import Listener, ListenFailed
from gatehouse.printable import printable, printable_text
from gatehouse.settings import Settings
from gatehouse.signals import until_stopped
from ingest.broker import MqttSettings
from ingest.journal_room import MIB
from ingest.message import RETAIN, Message
from ingest.topic_filter import complaint

SHOWN = 400
"""Characters of a payload or its outline."""
REMEMBERED_BYTES = 64 * MIB
"""Payloads after which what devices have said of themselves is forgotten."""
_TOPICS = 1_000
"""Topics that nobody claims, told apart at most."""
_SAY = given_speaker(gettext.NullTranslations())


class Look(msgspec.Struct, frozen=True):
    """How to show what arrives.

    Attributes:
        profile: Read everything as this family; None: as the one that fits.
        reveal: Show payloads, and what is said of a body.
        as_json: One object a line.
        seconds: When to stop; None: when asked to.
        count: After how many messages to stop; None: never.
        zone: Of the times that are shown.
    """

    profile: str | None
    reveal: bool
    as_json: bool
    seconds: float | None
    count: int | None
    zone: ZoneInfo


class Seen:
    """What has arrived so far; ``missed`` came faster than it was looked at."""

    def __init__(self, decoder: Decoder, matcher: Matcher, look: Look) -> None:
        self.messages = self.missed = 0
        self._decoder = decoder
        self._matcher = matcher
        self._look = look
        self._understood: Counter[str] = Counter()
        self._ignored: Counter[str] = Counter()
        self._dead: Counter[str] = Counter()
        self._unclaimed: set[str] = set()
        self._said, self._heard_bytes = Remembered(), 0

    def line(self, message: Message) -> str:
        """Count a message, and return it as a line."""
        self.messages += 1
        self._heard_bytes += len(message.payload)
        if self._heard_bytes > REMEMBERED_BYTES:
            self._said, self._heard_bytes = Remembered(), 0
        outcome = self._decoder.decode(
            message.topic,
            message.payload,
            received_at=message.received_at,
            retained=bool(message.flags & RETAIN),
            profile=self._look.profile,
            descriptions=self._said,
        )
        family = ""
        if isinstance(outcome, Ignored):
            self._ignored[outcome.reason] += 1
        elif isinstance(outcome, DeadLetter):
            self._dead[outcome.reason] += 1
            is_unclaimed = outcome.reason is DeadLetterReason.UNKNOWN_TOPIC
            if is_unclaimed and len(self._unclaimed) < _TOPICS:
                self._unclaimed.add(message.topic)
        else:
            family = self._look.profile or self._matcher.family_of(
                message.topic, message, self._said
            )
            self._understood[family] += 1
        say = self._as_json if self._look.as_json else self._as_text
        return say(replace(message, topic=self._decoder.masked(message.topic)), outcome, family)

    def summary(self) -> str:
        """Return what arrived, by family and reason, the most first."""
        lines = [f"{self.messages} messages"]
        lines += [f"{count:>7}  {family}" for family, count in self._understood.most_common()]
        lines += [f"{count:>7}  ignored: {why}" for why, count in self._ignored.most_common()]
        for why, count in self._dead.most_common():
            topics = f", {len(self._unclaimed)} topics" if why == "unknown_topic" else ""
            lines.append(f"{count:>7}  not understood: {why}{topics}")
        if self.missed:
            lines.append(
                f"{self.missed:>7}  came too fast to be looked at: name fewer with --topic"
            )
        return "\n".join(lines)

    def _as_json(self, message: Message, outcome: Outcome, family: str) -> str:
        said: dict[str, Any] = {
            "received_at": rfc3339(message.received_at),
            "topic": message.topic,
            "retained": bool(message.flags & RETAIN),
        }
        if isinstance(outcome, Ignored):
            said["ignored"] = outcome.reason
        elif isinstance(outcome, DeadLetter):
            said |= {"dead_letter": outcome.reason, "detail": outcome.detail}
            said["looks_like"] = self._looks_like(message, outcome)
            said["payload"] = self._payload(message)
        else:
            said |= {"profile": family, "observations": [self._fields(one) for one in outcome]}
        return json.dumps(said, ensure_ascii=False)

    def _as_text(self, message: Message, outcome: Outcome, family: str) -> str:
        moment = datetime.fromtimestamp(message.received_at // SECOND, UTC)
        kept = " (kept by the broker)" if message.flags & RETAIN else ""
        begin = f"{moment.astimezone(self._look.zone):%H:%M:%S} {printable(message.topic)}{kept}"
        if isinstance(outcome, Ignored):
            return f"{begin}  ignored: {outcome.reason}"
        if isinstance(outcome, DeadLetter):
            detail = f" ({printable(outcome.detail)})" if outcome.detail else ""
            like = self._looks_like(message, outcome)
            told = f"; {printable_text(like)}" if like else ""
            return f"{begin}  {outcome.reason}{detail}{told}: {self._payload(message)}"
        return f"{begin}  {family}: {'; '.join(map(self._told, outcome))}"

    def _told(self, observation: Observation) -> str:
        if self._look.reveal:
            return json.dumps(as_json(observation), ensure_ascii=False)
        return f"{printable(observation.device_id)} {printable_text(_SAY(masked(observation)))}"

    def _fields(self, observation: Observation) -> dict[str, Any]:
        if self._look.reveal:
            return as_json(observation)
        return {"device_id": observation.device_id, **masked(observation)}

    def _payload(self, message: Message) -> str:
        """Return a payload in a line: its outline, or as it is where that is wanted."""
        if self._look.reveal:
            text = message.payload[:SHOWN].decode(errors="backslashreplace")
        else:
            text = mask(message.payload)
        return printable_text(" ".join(text.split()))[:SHOWN]

    def _looks_like(self, message: Message, outcome: DeadLetter) -> str:
        """Return which family a topic that nobody claims could be of."""
        if outcome.reason is not DeadLetterReason.UNKNOWN_TOPIC or self._look.profile:
            return ""
        found = self._matcher.match(message.topic, [message])
        if not found:
            return ""
        best = found[0]
        place = f"in the place of {best.prefix.expected}" if best.prefix.expected else "before"
        return f"with {best.prefix.found} {place} it looks like {best.family}"


def listen(settings: Settings, source: str, topics: Sequence[str], seen: Seen, look: Look) -> None:
    """Print what arrives until the time or number is reached, or Ctrl-C; then what it was.

    Args:
        settings: Name the brokers.
        source: Which of them; "" for the first.
        topics: Filters; none for those of the source.
        seen: Tells of it.
        look: How.

    Raises:
        Failure: There is no such source, or its broker does not take us, or no longer.
    """
    broker = _broker(settings, source)
    wrong = complaint(topics) if topics else None
    if wrong:
        raise Failure(f"--topic: {wrong}", code=WRONG_USE)
    listening = _listen(broker, topics or broker.topics, settings.clock, seen, look)
    try:
        asyncio.run(until_stopped(listening))
    except ListenFailed as error:
        raise Failure(str(error)) from error
    finally:
        if not look.as_json:
            print(seen.summary())


def _broker(settings: Settings, name: str) -> MqttSettings:
    if not settings.sources:
        raise Failure("GATEHOUSE_MQTT_URL: not set; it says which broker", code=WRONG_USE)
    found = {one.name: one for one in settings.sources}
    if name and name not in found:
        raise Failure(f"--source {name}: one of {', '.join(found)}", code=WRONG_USE)
    return found[name] if name else settings.sources[0]


async def _listen(
    broker: MqttSettings, topics: Sequence[str], clock: Clock, seen: Seen, look: Look
) -> None:
    with suppress(TimeoutError):
        async with Listener(broker, topics, clock) as listener, asyncio.timeout(look.seconds):
            async for message in listener.messages():
                print(seen.line(message), flush=True)
                seen.missed = listener.missed
                if seen.messages == look.count:
                    return
