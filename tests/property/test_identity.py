"""What an event is: sent again it is the same point, another one of the same second is another.

Real payloads through the real decoder into real stores, over restarts and decoding again.
"""

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from devices.clock import HOUR, SECOND, rfc3339
from devices.decoder import Decoder
from devices.history import History
from devices.profile import built_in, load_profiles
from devices.registry import Device, Place, PlaceKind, Registry
from ingest.message import Message
from ingest.point import PointEncoder
from ingest.series import SeriesStore, open_store
from tests.messages import NOON
from tests.servers import InfluxDB

PROFILES = [one for one in load_profiles(built_in()) if one.name == "gatehouse"]
DEVICES = ("gun", "gate")
REGISTRY = Registry(
    devices={name: Device(name, "gatehouse") for name in DEVICES},
    bindings=History(
        (name, (0, None, Place(kind=PlaceKind.CHECKPOINT, site="river"))) for name in DEVICES
    ),
)


class Event(NamedTuple):
    """Something that happened once: told by its id, else by its time and what was seen."""

    device: str
    kind: str
    at: int
    id: str | None
    value: int

    @property
    def payload(self) -> bytes:
        said: dict[str, Any] = {"kind": self.kind, "observed_at": rfc3339(NOON + self.at)}
        if self.id is not None:
            said["event_id"] = self.id
        if self.kind == "temperature":
            said["celsius"] = 36 + self.value / 100
        elif self.kind == "crossing":
            said["score"] = self.value / 100
        else:
            said["power_w"] = self.value
        return json.dumps(said).encode()


KINDS = ("temperature", "crossing", "electricity")
DEVICE = st.sampled_from(DEVICES)
TIMES = st.integers(0, 3).map(lambda quarter: quarter * 250) | st.integers(0, 2 * SECOND)
NUMBERED = st.builds(
    Event, DEVICE, st.sampled_from(KINDS), TIMES, st.integers(1, 9_999).map(str), st.integers(0, 3)
)
UNNUMBERED = st.builds(Event, DEVICE, st.sampled_from(KINDS), TIMES, st.none(), st.integers(0, 99))
EVENTS = st.lists(
    NUMBERED | UNNUMBERED,
    min_size=1,
    max_size=20,
    unique_by=lambda event: event[:2] + ((event.id,) if event.id else event[2:]),
)


class Stores:
    """What writes messages as the series follower does, and can be begun anew at any moment."""

    def __init__(self, store: SeriesStore) -> None:
        self.store = store
        self.position = 0
        self.restart()

    def restart(self) -> None:
        """Forget all that is in memory."""
        self._decoder = Decoder(PROFILES, default_zone=ZoneInfo("Asia/Shanghai"))
        self._encoder = PointEncoder()

    def write(self, events: Sequence[Event], *, received_at: int) -> None:
        """Take in a batch."""
        points = []
        for event in events:
            self.position += 1
            topic = f"gatehouse/v1/river/{event.device}"
            message = Message(topic, event.payload, received_at)
            outcome = self._decoder.decode(
                topic, event.payload, received_at=received_at, registry=REGISTRY
            )
            assert isinstance(outcome, tuple), outcome
            points += self._encoder.encode(outcome, message, self.position, REGISTRY)
        assert not self.store.write(points)

    def read(self) -> Iterator[tuple[str, str, int]]:
        """Yield device, kind and time of every point that is stored."""
        for kind in KINDS:
            for device in DEVICES:
                for one in self.store.range(
                    kind, device, since=NOON - HOUR, until=NOON + HOUR, limit=1_000
                ):
                    yield device, kind, one.at - NOON


def happened(events: Sequence[Event]) -> list[tuple[str, str, int]]:
    return sorted(event[:3] for event in events)


@settings(max_examples=25, deadline=None)
@given(
    events=EVENTS,
    sent=st.lists(st.tuples(st.integers(0, 19), st.integers(0, HOUR), st.booleans()), max_size=30),
)
def test_an_event_is_one_point_however_often_it_comes(
    events: list[Event], sent: list[tuple[int, int, bool]]
) -> None:
    """In any order, later, in other batches, decoded by another process: stored once each."""
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(None, token=None, data_dir=Path(folder))
        with closing(store):
            stores = Stores(store)
            for place, later, restarts in sent:
                stores.write([events[place % len(events)]] * 2, received_at=NOON + later)
                if restarts:
                    stores.restart()
            stores.write(events, received_at=NOON + HOUR)
            assert sorted(stores.read()) == happened(events)


def test_an_event_is_one_point_on_an_influxdb(influxdb_server: InfluxDB) -> None:
    """The same on a real InfluxDB: a hundred events of two seconds, each three times."""
    events = [
        Event(device, kind, at, id, value)
        for device in DEVICES
        for kind in KINDS
        for at in (0, 999, 1_000)
        for id, value in (("1", 0), ("2", 0), ("3", 0), (None, 4), (None, 5), (None, 6))  # noqa: A001
    ]
    events = [
        event._replace(id=f"{event.id}-{event.at}") if event.id else event for event in events
    ]
    store = open_store(influxdb_server.database("identity"), token=None, data_dir=Path())
    with closing(store):
        stores = Stores(store)
        for later in (SECOND, 2 * SECOND, HOUR):
            stores.write(events, received_at=NOON + later)
            stores.restart()
            events = events[::-1]
        assert sorted(stores.read()) == happened(events)
