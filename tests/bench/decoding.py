"""What it costs to decode a message of each family: topic and payload to observations.

Every example of a family that gives observations is a message; the family's cost is their median.
"""

import statistics
import time
from zoneinfo import ZoneInfo

from devices.clock import parse_rfc3339
from devices.decoder import Decoder
from devices.description import Remembered
from devices.profile import Example, Profile, built_in, load_profiles

PREFIX = "decode_us."
_RUNS, _REPEATS = 5, 1_000


def names() -> tuple[str, ...]:
    """Return the names of the results, by family."""
    return tuple(f"{PREFIX}{file.stem}" for file in sorted(built_in().glob("*.toml")))


def measure() -> dict[str, float]:
    """Return CPU microseconds a message by name; all families are there, as in the service."""
    profiles = load_profiles(built_in())
    decoder = Decoder(profiles, default_zone=ZoneInfo("Asia/Shanghai"))
    return {f"{PREFIX}{profile.name}": _median_us(decoder, profile) for profile in profiles}


def _median_us(decoder: Decoder, profile: Profile) -> float:
    costs = [_least_us(decoder, example) for example in profile.examples if example.gives]
    return round(statistics.median(costs), 2)


def _least_us(decoder: Decoder, example: Example) -> float:
    """Return the cost of the quickest of some runs: others can only make it slower."""
    at, said = parse_rfc3339(example.at), Remembered()
    for earlier in example.before:
        decoder.decode(earlier.topic, earlier.bytes, received_at=at, descriptions=said)
    arrival = decoder.arrival(at, backlog=False, registry=None, descriptions=said)
    topic, payload = example.topic, example.bytes
    least = float("inf")
    for _ in range(_RUNS):
        began = time.process_time_ns()
        for _ in range(_REPEATS):
            decoder.read(topic, payload, arrival)
        least = min(least, (time.process_time_ns() - began) / _REPEATS / 1_000)
    return least
