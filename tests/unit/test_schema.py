"""The schema document says what is written, and nothing that may not be written is."""

from typing import Any

import msgspec
import pytest

from devices.history import History
from devices.observation import Observation
from devices.registry import Device, Place, PlaceKind, Registry
from ingest.line_protocol import encode_lines
from ingest.measurement import CANARY, FORBIDDEN, MEASUREMENT_OF
from ingest.message import Message
from ingest.point import PointEncoder
from ingest.rollup import ROLLUPS
from ingest.schema import describe
from tests.docs.documents import read

NOON = 1_581_681_600_000
SECRET = "SECRET"


def test_the_document_is_what_the_code_says() -> None:
    """Whoever changes a measurement writes the document anew: `gatehouse series schema`."""
    assert read("docs/schema.md") == describe()


def test_whatever_may_be_found_in_a_store_is_described() -> None:
    """Each rollup with the points it is of, and the one measurement that no device writes."""
    document = describe()
    for rollup in ROLLUPS:
        field, values = rollup.where or ("", ())
        [row] = [
            line
            for line in document.splitlines()
            if line.startswith(f"| `{rollup.name}` | `{rollup.measurement}`")
        ]
        assert f"`{field}`" in row or not values
        assert all(value in row for value in values)
    assert f"`{CANARY}`" in document


@pytest.mark.parametrize("kind", MEASUREMENT_OF, ids=lambda kind: kind.__name__)
def test_nothing_forbidden_is_in_a_line(kind: type[Observation]) -> None:
    """Whatever text an observation, its message or the registry holds: a line has ids and words.

    Every text of the observation that is not of a closed list, topic, payload, household,
    building, gate, worker, profile and gateway are marked; no mark is in the line.
    """
    place = Place(
        PlaceKind.HOUSEHOLD,
        "site",
        grid="grid",
        building=f"{SECRET} building",
        household=f"{SECRET} household",
        gate=f"{SECRET} gate",
        worker=f"{SECRET} worker",
    )
    registry = Registry(
        devices={"device": Device("device", f"{SECRET} vendor", f"{SECRET} gateway")},
        bindings=History([("device", (0, None, place))]),
        residents={f"{SECRET} household": (f"{SECRET} subject",)},
    )
    message = Message(
        *(f"{SECRET}/topic", SECRET.encode(), NOON),
        source=f"{SECRET} source",
        properties=((SECRET, SECRET),),
    )
    [line] = encode_lines(PointEncoder().encode([_full(kind)], message, 1, registry))
    assert SECRET not in line
    keys = {part.partition("=")[0] for part in line.replace(" ", ",").split(",")}
    assert not keys & {word.replace(" ", "_") for word in FORBIDDEN}
    assert line.startswith(f"{MEASUREMENT_OF[kind].name},device=device,channel=c,site=site,grid=")


def _full(kind: type[Observation]) -> Observation:
    """Return an observation that says all it can, with a mark in each free text."""
    ids = {"device_id": "device", "channel": "c", "observed_at": NOON, "received_at": NOON}
    said: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        types = set(getattr(field.type, "__args__", (field.type,)))
        if str in types:
            said[field.name] = f"{SECRET} {field.name}"
        elif types & {int, float, bool}:
            said[field.name] = True if bool in types else 1
    return kind(**(said | ids))


def test_every_free_text_of_an_observation_is_marked() -> None:
    """The test above would say nothing if it forgot the texts that name somebody."""
    marked = {
        name
        for kind in MEASUREMENT_OF
        for name, value in msgspec.structs.asdict(_full(kind)).items()
        if isinstance(value, str) and value.startswith(SECRET)
    }
    assert marked == {"subject", "event_id", "household"}
    assert all(name.replace("_", " ") in FORBIDDEN for name in marked)
