"""From a topic and bytes to observations, a reason for nothing, or a dead letter. Never raises."""

import hashlib
import traceback
from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

from devices.codecs import Codec
from devices.compile import MessageReader, compile_profile
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
from devices.path import Scope, checked_id
from devices.profile import Profile
from devices.registry import Registry
from devices.topic import Names, TopicTree

MAX_PAYLOAD = 1024 * 1024
MAX_CACHED_TOPICS = 131_072
MAX_CACHED_TOPIC = 256
_ARRIVAL, _BACKLOG = TimeSource.ARRIVAL, TimeSource.BACKLOG

Claim = tuple[MessageReader, Names]


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
        self._tree: TopicTree[MessageReader] = TopicTree()
        for profile in profiles:
            for pattern, reader in compile_profile(profile):
                self._tree.add(pattern, reader)
        self._zone = default_zone
        self._claims: dict[str, tuple[Claim, ...]] = {}

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
    ) -> Outcome:
        """Return what became of one message.

        Args:
            topic: As published.
            payload: As published.
            received_at: When it came; milliseconds UTC.
            retained: The broker kept it for later subscribers: without a time of its own, what it
                says of a body or a meter may be of any day.
            backlog: The broker kept it while we were away: its arrival says little.
            registry: Which devices are known and where they stand; None knows every device.
            profile: Read it as this family and no other.
        """
        arrival = Arrival(received_at, _BACKLOG if backlog else _ARRIVAL, registry, self._zone)
        try:
            outcome = self._decode(topic, payload, arrival, profile)
        except DecodeError as error:
            return DeadLetter(error.reason, error.detail)
        except Exception as error:  # noqa: BLE001 - a profile's mistake costs one message, no stop
            return DeadLetter(DeadLetterReason.DECODER_FAILED, digest(error))
        return _of_retained(outcome) if retained else outcome

    def reply(self, topic: str, payload: bytes) -> tuple[str, bytes] | None:
        """Return topic and payload of the answer that the device waits for, if it waits."""
        try:
            claims = self._find(topic)
            if len(payload) > MAX_PAYLOAD or not any(reader.answer for reader, _ in claims):
                return None
            reader, scope = _first_fitting(claims, payload)
            return reader.answer(scope) if reader.answer else None
        except DecodeError:
            return None
        except Exception:  # noqa: BLE001 - as in decode, which makes the dead letter
            return None

    def _decode(
        self,
        topic: str,
        payload: bytes,
        arrival: Arrival,
        profile: str | None,
    ) -> tuple[Observation, ...] | Ignored:
        registry = arrival.registry
        if len(payload) > MAX_PAYLOAD:
            raise DecodeError(DeadLetterReason.TOO_LARGE, f"more than {MAX_PAYLOAD} bytes")
        claims = self._find(topic)
        if profile is not None:
            claims = tuple(claim for claim in claims if claim[0].profile == profile)
        elif registry is not None and len(claims) > 1:
            claims = _registered_first(claims, registry)
        if not claims:
            raise DecodeError(DeadLetterReason.UNKNOWN_TOPIC)
        reader, scope = _first_fitting(claims, payload)
        found = reader.read(scope, arrival)
        if registry is not None and type(found) is tuple:
            known = registry.devices
            for observation in found:
                if observation.device_id not in known:
                    raise DecodeError(DeadLetterReason.UNKNOWN_DEVICE, observation.device_id)
        return found

    def _find(self, topic: str) -> tuple[Claim, ...]:
        claims = self._claims.get(topic)
        if claims is None:
            claims = tuple(self._tree.find(topic))
            for _, names in claims:
                for name, stood in names.items():
                    checked_id(stood, name)
            if len(self._claims) >= MAX_CACHED_TOPICS:
                self._claims = {}
            if len(topic) <= MAX_CACHED_TOPIC:
                self._claims[topic] = claims
        return claims


def _first_fitting(claims: Sequence[Claim], payload: bytes) -> tuple[MessageReader, Scope]:
    """Return the first claim whose conditions hold, and the payload as its codec read it."""
    codec: Codec | None = None
    document: object = None
    problem: DecodeError | None = None
    for reader, names in claims:
        if reader.takes_all:
            return reader, Scope(None, names, None)
        if not payload:
            raise DecodeError(DeadLetterReason.EMPTY)
        if reader.parse is not codec:
            codec = reader.parse
            try:
                document, unreadable = codec(payload), False
            except DecodeError as error:
                problem, unreadable = problem or error, True
        scope = Scope(document, names, document)
        if not unreadable and (reader.fits is None or reader.fits(scope)):
            return reader, scope
    families = ", ".join(dict.fromkeys(reader.profile for reader, _ in claims))
    raise problem or DecodeError(DeadLetterReason.MISSING_FIELD, f"no message of {families}")


def _registered_first(claims: tuple[Claim, ...], registry: Registry) -> tuple[Claim, ...]:
    """Put the claims of the family that the registry names for the topic's device first."""
    device = registry.device(claims[0][1].get("device", ""))
    if device is None or device.profile == claims[0][0].profile:
        return claims
    own = tuple(claim for claim in claims if claim[0].profile == device.profile)
    return own + claims if own else claims


def _of_retained(observations: tuple[Observation, ...] | Ignored) -> Outcome:
    """Keep what a retained message may still say: a state, and what has a time of its own."""
    if isinstance(observations, Ignored):
        return observations
    kept = tuple(
        observation
        for observation in observations
        if isinstance(observation, DeviceStatus) or observation.time_source is TimeSource.DEVICE
    )
    return kept or Ignored(IgnoredReason.RETAINED)


def digest(error: BaseException) -> str:
    """Return an error's type and a short digest of where it was raised, without its words."""
    frames = traceback.extract_tb(error.__traceback__)
    places = "|".join(f"{Path(at.filename).name}:{at.name}:{at.lineno}" for at in frames)
    return f"{type(error).__name__} {hashlib.sha256(places.encode()).hexdigest()[:12]}"
