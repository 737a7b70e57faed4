"""A profile's examples, run: they are its tests and its documentation."""

from itertools import zip_longest
from typing import Any

import msgspec

from devices.clock import parse_rfc3339
from devices.decoder import Decoder
from devices.description import Remembered
from devices.observation import Observation, as_json
from devices.outcome import DeadLetter, Ignored, Outcome
from devices.profile import Example, Profile, ProfileError
from devices.registry import Device, Registry

_ONLY_IF_STATED = frozenset({"device_id", "observed_at", "received_at", "said_at", "time_source"})


def check_examples(profile: Profile) -> list[str]:
    """Return what is wrong with a profile's examples, each with file, example and reason.

    Every field that an example's observations have must be stated, and stated right; device,
    times and the time's source only count where they are stated.
    """
    problems = []
    for place, example in enumerate(profile.examples):
        try:
            found = _problem(profile, example)
        except (ValueError, ProfileError) as error:
            found = str(error)
        if found:
            problems.append(f"{profile.file}: example.{place} ({example.says}): {found}")
    return problems


def decode_example(profile: Profile, example: Example) -> Outcome:
    """Return what a profile makes of an example."""
    decoder = Decoder([profile], default_zone=example.zone)
    registry = None
    if example.persons is not None:
        anonymous = _decode(decoder, example, None)
        known = anonymous if isinstance(anonymous, tuple) else ()
        registry = Registry(
            devices={one.device_id: Device(one.device_id, profile.name) for one in known},
            subjects=example.persons,
        )
    return _decode(decoder, example, registry)


def _decode(
    decoder: Decoder,
    example: Example,
    registry: Registry | None,
    descriptions: Remembered | None = None,
) -> Outcome:
    said = Remembered() if descriptions is None else descriptions
    at = parse_rfc3339(example.at)
    for earlier in example.before:
        decoder.decode(earlier.topic, earlier.bytes, received_at=at, descriptions=said)
    return decoder.decode(
        example.topic,
        example.bytes,
        received_at=at,
        retained=example.retained,
        registry=registry,
        descriptions=said,
    )


def _problem(profile: Profile, example: Example) -> str:
    outcome = decode_example(profile, example)
    wanted = _wanted(example)
    got = _words(outcome, wanted if isinstance(wanted, list) else [])
    if got != wanted:
        return f"gives {got}, should give {wanted}"
    decoder = Decoder([profile], default_zone=example.zone)
    if example.reply is not None:
        return _problem_of_reply(decoder, example)
    if example.asks is not None:
        return _problem_of_question(decoder, example)
    return ""


def _problem_of_reply(decoder: Decoder, example: Example) -> str:
    said = decoder.reply(example.topic, example.bytes)
    answer = said and {"topic": said[0], "body": msgspec.json.decode(said[1])}
    wanted = example.reply and example.reply.model_dump()
    return "" if answer == wanted else f"answers {answer}, should answer {wanted}"


def _problem_of_question(decoder: Decoder, example: Example) -> str:
    said = Remembered()
    _decode(decoder, example, None, said)
    topics = [topic for topic, _ in said.asked]
    return "" if topics == [example.asks] else f"asks {topics}, should ask {example.asks}"


def _words(outcome: Outcome, wanted: list[dict[str, Any]]) -> Any:
    if isinstance(outcome, Ignored):
        return {"ignored": outcome.reason}
    if isinstance(outcome, DeadLetter):
        return {"dead_letter": outcome.reason}
    return [_stated(one, of) for one, of in zip_longest(outcome, wanted) if one is not None]


def _wanted(example: Example) -> Any:
    if example.ignored is not None:
        return {"ignored": example.ignored}
    if example.dead_letter is not None:
        return {"dead_letter": example.dead_letter}
    return list(example.gives or ())


def _stated(observation: Observation, wanted: dict[str, Any] | None) -> dict[str, Any]:
    """Return an observation as JSON, with defaults that are stated and without what need not be."""
    stated = wanted or {}
    got = {
        name: value
        for name, value in as_json(observation).items()
        if name in stated or name not in _ONLY_IF_STATED
    }
    unsaid = {name: getattr(observation, name, None) for name in stated if name not in got}
    return {**unsaid, **got}
