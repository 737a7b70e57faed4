"""What devices have said of themselves is looked up as of a message, whoever asks, and when."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from devices.clock import ManualClock
from devices.decoder import Decoder
from devices.outcome import Outcome
from devices.profile import built_in, load_profiles
from devices.registry import Device, Registry
from gatehouse.decoding import Decoding
from gatehouse.rebirths import Rebirths
from ingest.description_store import NAME, DescriptionStore
from ingest.message import Message
from tests.sparkplug import payload

NOW = 1_581_681_600_000
FAMILIES = ("sparkplug_b", "homeassistant_mqtt_discovery", "homie")
DECODER = Decoder(
    [one for one in load_profiles(built_in()) if one.name in FAMILIES], default_zone=ZoneInfo("UTC")
)
REGISTRY = Registry(
    devices={one: Device(one, "sparkplug_b") for one in ("g/a", "g/a/d", "g/a/e", "g/b", "g/b/d")}
    | {"plug": Device("plug", "homeassistant_mqtt_discovery"), "room": Device("room", "homie")}
)
UNITS = ("W", "kW")
NAMES = ("Power", "Total Active Power")


@st.composite
def spoken(draw: st.DrawFn) -> Message:
    """Draw a birth that gives aliases to names, a message of aliases, or a death."""
    node, device = draw(st.sampled_from(("a", "b"))), draw(st.sampled_from(("", "d", "e")))
    kind = draw(st.sampled_from(("BIRTH", "BIRTH", "DATA", "DATA", "DATA", "DEATH")))
    metrics: list[dict[str, object]] = []
    if kind == "BIRTH":
        metrics = [
            {"name": name, "alias": alias, "dataType": "Float", "value": 1.0}
            | {"properties": {"engUnit": draw(st.sampled_from(UNITS))}}
            for name, alias in zip(NAMES, draw(st.permutations((1, 2))), strict=True)
        ]
    elif kind == "DATA":
        metrics = [{"alias": 1, "dataType": "Float", "value": 2.0, "typed": False}]
    if not device and kind in ("BIRTH", "DEATH"):
        session = draw(st.integers(0, 2))
        metrics.append({"name": "bdSeq", "dataType": "Int64", "value": session})
    levels = ("spBv1.0", "g", f"{'D' if device else 'N'}{kind}", node, *filter(None, [device]))
    said = {"timestamp": NOW, "seq": None if kind == "DEATH" else 1, "metrics": metrics}
    return Message("/".join(levels), payload(said), NOW, "mqtt")


@st.composite
def announced(draw: st.DrawFn) -> Message:
    """Draw a configuration, its taking back, a unit, or a value that means what they say."""
    unit, place = draw(st.sampled_from(UNITS)), draw(st.sampled_from(("a", "b")))
    config = {"dev": {"ids": ["plug"]}, "dev_cla": "power", "unit_of_meas": unit}
    topic, text = draw(
        st.sampled_from(
            (
                (
                    "homeassistant/sensor/x/config",
                    json.dumps(config | {"stat_t": f"plugs/{place}"}),
                ),
                ("homeassistant/sensor/x/config", ""),
                (f"plugs/{place}", "5"),
                ("homie/room/n/power/$unit", unit),
                ("homie/room/n/power", "7"),
            )
        )
    )
    return Message(topic, text.encode(), NOW, "mqtt")


@contextmanager
def decoding(folder: Path) -> Iterator[Decoding]:
    """Open the file as a new process does."""
    with closing(DescriptionStore.open(folder / NAME)) as store:
        rebirths = Rebirths(ManualClock(NOW), ["mqtt"])
        yield Decoding(DECODER, lambda: REGISTRY, store, rebirths)


def one_by_one(messages: Sequence[Message]) -> list[Outcome]:
    """Decode them as they come, in one life."""
    with tempfile.TemporaryDirectory() as folder, decoding(Path(folder)) as live:
        return [live.live([place], [one])[0] for place, one in enumerate(messages)]


steps = st.lists(
    st.tuples(st.sampled_from(("series", "alerts")), st.integers(1, 9), st.booleans()), max_size=12
)


@settings(max_examples=40, deadline=None)
@given(st.lists(spoken() | announced(), min_size=1, max_size=30), steps, st.data())
def test_decoding_again_gives_the_same(
    messages: list[Message], taken: list[tuple[str, int, bool]], data: st.DataObject
) -> None:
    """In any batches, by two followers in any order, killed at any time and set back anywhere."""
    expected = one_by_one(messages)
    at = {"series": 0, "alerts": 0}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for follower, count, is_killed in [*taken, ("series", 99, False), ("alerts", 99, True)]:
            begin = at[follower]
            batch = messages[begin : begin + count]
            with decoding(folder) as live:
                positions = range(begin, begin + len(batch))
                assert live.live(positions, batch) == expected[begin : begin + len(batch)]
            at[follower] = begin + len(batch)
            if is_killed:
                at = {one: data.draw(st.integers(0, reached)) for one, reached in at.items()}
