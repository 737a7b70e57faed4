"""From a topic and bytes to observations, a reason for nothing, or a dead letter.

No input makes it raise.
"""

import hashlib
import traceback
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from devices.claim import Claim, Claims
from devices.codecs import Codec
from devices.compile import compile_profile
from devices.description import UNDESCRIBED, Descriptions, DescriptionsAway
from devices.device_time import Arrival
from devices.observation import DeviceStatus, Observation, TimeSource
from devices.outcome import (
    DeadLetter,
    DeadLetterReason,
    DecodeError,
    Ignored,
    IgnoredReason,
    Outcome,
)
from devices.path import Scope
from devices.profile import Profile
from devices.registry import Registry

MAX_PAYLOAD = 1024 * 1024
_ASKED = 4
"""Keys of a family that are named."""
_UNSEEN = True
_ARRIVAL, _BACKLOG = TimeSource.ARRIVAL, TimeSource.BACKLOG


class Decoder:
    """All profiles, compiled. Pure but for a bounded cache of topics; safe to share by threads."""

    def __init__(self, profiles: Sequence[Profile], *, default_zone: ZoneInfo) -> None:
        """Compile the profiles.

        Args:
            profiles: The families that are understood; where two claim a topic and the registry
                does not decide, the first whose conditions hold reads the message.
            default_zone: The zone of local times of devices that stand nowhere.

        Raises:
            ProfileError: A profile says something that cannot be compiled.
        """
        self._claims = Claims(claim for profile in profiles for claim in compile_profile(profile))
        self._zone = default_zone

    def decode(
        self,
        topic: str,
        payload: bytes,
        *,
        received_at: int,
        retained: bool = False,
        backlog: bool = False,
        registry: Registry | None = None,
        profile: str | None = None,
        descriptions: Descriptions = UNDESCRIBED,
    ) -> Outcome:
        """Return what became of one message; raises what ``descriptions`` raises.

        Args:
            topic: As published.
            payload: As published.
            received_at: When it came; milliseconds UTC.
            retained: The broker kept it for later subscribers: without a time of its own, what it
                says of a body or a meter may be of any day.
            backlog: The broker kept it while we were away: its arrival says little.
            registry: Which devices are known and where they stand; None knows every device.
            profile: Read it as this family and no other.
            descriptions: What devices had said of themselves before; it is told what this one says.
        """
        arrival = self.arrival(
            received_at, backlog=backlog, registry=registry, descriptions=descriptions
        )
        outcome = self.read(topic, payload, arrival, profile)
        return of_retained(outcome) if retained else outcome

    def arrival(
        self,
        received_at: int,
        *,
        backlog: bool,
        registry: Registry | None,
        descriptions: Descriptions = UNDESCRIBED,
    ) -> Arrival:
        """Return what is known of messages that came together without reading them."""
        unsaid = _BACKLOG if backlog else _ARRIVAL
        return Arrival(received_at, unsaid, registry, self._zone, descriptions)

    def read(  # noqa: C901 - a call for each part would cost more than the part
        self, topic: str, payload: bytes, arrival: Arrival, profile: str | None = None
    ) -> Outcome:
        """Return what became of a message that is not a retained one; see :meth:`decode`.

        Raises:
            DescriptionsAway: What its device had said of itself cannot be read now.
        """
        if len(payload) > MAX_PAYLOAD:
            return DeadLetter(DeadLetterReason.TOO_LARGE, f"more than {MAX_PAYLOAD} bytes")
        registry = arrival.registry
        try:
            if registry is None or profile is not None:
                claims = self._find(topic, profile)
            else:
                claims = self._claims.find_registered(topic, registry)
            outcome = _read(claims, payload, arrival)
            if outcome.__class__ is Ignored:
                outcome = _unless_described(outcome, claims, payload, arrival)
            if registry is not None and outcome.__class__ is tuple:
                known = registry.devices
                for observation in outcome:
                    if observation.device_id not in known:
                        return DeadLetter(DeadLetterReason.UNKNOWN_DEVICE, observation.device_id)
        except DecodeError as error:
            return DeadLetter(error.reason, error.detail)
        except DescriptionsAway:
            raise
        except OverflowError:
            return DeadLetter(DeadLetterReason.OUT_OF_RANGE, "a number too large")
        except Exception as error:  # noqa: BLE001 - a profile's mistake costs one message, no stop
            return DeadLetter(DeadLetterReason.DECODER_FAILED, digest(error))
        return outcome

    def masked(self, topic: str) -> str:
        """Return a topic as it may be shown and kept outside the journal: without persons' names.

        It is read like the topic itself.
        """
        return self._claims.masked(topic)

    def answerable(self, topics: Sequence[str]) -> list[int]:
        """Return the places of the topics whose messages may wait for an answer; mostly none."""
        answered = self._claims.answered
        return [place for place, topic in enumerate(topics) if answered.get(topic, _UNSEEN)]

    def reply(self, topic: str, payload: bytes) -> tuple[str, bytes] | None:
        """Return topic and payload of the answer that the device waits for, if it waits."""
        try:
            claims = self._claims.find_answered(topic)
            if not claims or len(payload) > MAX_PAYLOAD:
                return None
            return _answer(claims, payload)
        except DecodeError:
            return None
        except Exception:  # noqa: BLE001 - as in decode, which makes the dead letter
            return None

    def _find(self, topic: str, profile: str | None) -> tuple[Claim, ...]:
        claims = self._claims.find(topic)
        if profile is None:
            return claims
        return tuple(claim for claim in claims if claim[0].profile == profile)


def _read(
    claims: Sequence[Claim], payload: bytes, arrival: Arrival
) -> tuple[Observation, ...] | Ignored:
    """Return what the first claim gives whose conditions hold."""
    codec: Codec | None = None
    document: object = None
    refused: tuple[Codec, ...] = ()
    problem: tuple[str, DecodeError] | None = None
    for reader, names in claims:
        if reader.takes_all:
            _check_could_read(reader.profile, problem)
        else:
            if not payload and not reader.is_resolved:
                if reader.any_topic:
                    continue
                raise DecodeError(DeadLetterReason.EMPTY)
            if reader.parse is not codec:
                if reader.parse in refused:
                    continue
                codec = reader.parse
                try:
                    document = codec(payload)
                except DecodeError as error:
                    refused, codec = (*refused, codec), None
                    if not reader.any_topic:
                        problem = problem or (reader.profile, error)
                    continue
        outcome = reader.read(document, names, arrival)
        if outcome is not None:
            return outcome
    raise _unread(claims, refused, problem)


def _check_could_read(family: str, problem: tuple[str, DecodeError] | None) -> None:
    """Raise a problem of a family that leaves all other messages of the topic.

    A message that came damaged is not one of these.
    """
    if problem is not None and problem[0] == family:
        raise problem[1]


def _unless_described(
    ignored: Any, claims: Sequence[Claim], payload: bytes, arrival: Arrival
) -> tuple[Observation, ...] | Ignored:
    """Return what a device says on a topic that it named elsewhere; else what was ignored.

    Families that claim a topic are asked first: this is for one on which they know of nothing.
    """
    if ignored.reason is IgnoredReason.OTHER_CONTENT:
        for reader, names in claims:
            if reader.any_topic and reader.is_resolved:
                try:
                    outcome = reader.read(reader.parse(payload), names, arrival)
                except DecodeError:
                    continue
                if isinstance(outcome, tuple):
                    return outcome
    said: Ignored = ignored
    return said


def _unread(
    claims: Sequence[Claim], refused: Container[Codec], problem: tuple[str, DecodeError] | None
) -> DecodeError:
    """Return why nothing is made of a payload: what each family looked for in vain."""
    asked: dict[str, dict[str, None]] = {}
    for reader, _ in claims:
        if not reader.any_topic and reader.parse not in refused:
            asked.setdefault(reader.profile, {}).update(dict.fromkeys(reader.asks))
    if not asked:
        return problem[1] if problem else DecodeError(DeadLetterReason.UNKNOWN_TOPIC)
    looked = ", ".join(
        f"{family} ({', '.join(list(keys)[:_ASKED])})" if keys else family
        for family, keys in asked.items()
    )
    if problem is None:
        return DecodeError(DeadLetterReason.MISSING_FIELD, f"no message of {looked}")
    family, error = problem
    return DecodeError(error.reason, f"no message of {looked}; {family}: {error.detail}")


def _answer(claims: Sequence[Claim], payload: bytes) -> tuple[str, bytes] | None:
    """Return what the first claim answers whose conditions hold."""
    for reader, names in claims:
        try:
            document = None if reader.takes_all else reader.parse(payload)
        except DecodeError:
            continue
        scope = Scope(document, names, document)
        if reader.fits is None or reader.fits(scope):
            return reader.answer(scope) if reader.answer else None
    return None


def of_retained(outcome: Outcome) -> Outcome:
    """Keep what a retained message may still say: a state, and what has a time of its own."""
    if not isinstance(outcome, tuple):
        return outcome
    kept = tuple(
        observation
        for observation in outcome
        if isinstance(observation, DeviceStatus) or observation.time_source is TimeSource.DEVICE
    )
    return kept or Ignored(IgnoredReason.RETAINED)


def digest(error: BaseException) -> str:
    """Return an error's type and a short digest of where it was raised, without its words."""
    frames = traceback.extract_tb(error.__traceback__)
    places = "|".join(f"{Path(at.filename).name}:{at.name}:{at.lineno}" for at in frames)
    return f"{type(error).__name__} {hashlib.sha256(places.encode()).hexdigest()[:12]}"
