"""``gatehouse devices candidates``, ``accept`` and ``ignore``, as an operator runs them."""

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dashboards import audit
from devices.clock import MINUTE, SECOND, parse_rfc3339, wall_now
from devices.decoder import Decoder
from devices.outcome import DeadLetterReason
from devices.profile import Profile, built_in, load_profile, load_profiles
from devices.registry import PlaceKind
from devices.registry_store import load as load_registry
from gatehouse.cli import accept, candidates
from gatehouse.database import create
from ingest import dead_letter
from ingest.batch_descriptions import BatchDescriptions
from ingest.dead_letter import Selection
from ingest.description_store import DescriptionStore
from ingest.ledger import Ledger
from ingest.letter_draft import LetterDraft
from ingest.letter_sample import ALL_LETTERS
from ingest.message import Message
from ingest.unknown_letters import GROUPS
from tests.command import Done, Run
from tests.intake import publish
from tests.registry_folder import Flat, write_registry
from tests.servers import Mosquitto, wait_until
from tests.service import RunningService
from tests.sparkplug import payload

PLUG = b'{"Time":"2020-02-14T20:00:00","ENERGY":{"Total":3.5,"Power":230}}'
FEVER = "a0:e6:f8:50:72:53/HealthThermometer/TemperatureMeasurement"
FLATS = [Flat("h-1", (("meter-1", "dlt645_gateway"),))]
Letters = Sequence[tuple[str, bytes, str]]
"""Topic, payload and the id of an unknown device; "" where nobody claims the topic."""


class Desk:
    """An operator's shell: a data folder with a registry of two flats, and dead letters in it."""

    def __init__(self, run: Run, folder: Path) -> None:
        self.data_dir = folder / "data"
        self._run = run
        registry = write_registry(folder / "registry", FLATS)
        assert self.says("migrate").code == 0
        assert self.says("registry", "import", str(registry)).code == 0

    def says(self, *words: str) -> Done:
        """Run a command."""
        return self._run(*words, environment={"GATEHOUSE_DATA_DIR": str(self.data_dir)})

    def bury(self, letters: Letters, *, at: int | None = None) -> None:
        """Keep dead letters, the last of which came just now."""
        arrived = wall_now() if at is None else at
        drafts = [
            LetterDraft(
                position=position,
                message=Message(topic, payload, arrived - (len(letters) - position), "mqtt"),
                reason=DeadLetterReason.UNKNOWN_DEVICE if device else "unknown_topic",
                detail=device,
                device=device,
            )
            for position, (topic, payload, device) in enumerate(letters, 1)
        ]
        with closing(Ledger.open(self.data_dir / "ledger.db")) as ledger:
            ledger.commit(journal="j", position=len(drafts), counts={}, letters=drafts)

    def candidates(self, *words: str) -> list[dict[str, Any]]:
        """Return what is proposed."""
        done = self.says("devices", "candidates", "--json", *words)
        assert done.code == 0, done.err
        found: list[dict[str, Any]] = json.loads(done.out)
        return found


@pytest.fixture(scope="module")
def decoder() -> tuple[Decoder, tuple[Profile, ...]]:
    """All families, compiled once: that takes most of a command's time."""
    profiles = load_profiles(built_in())
    return Decoder(profiles, default_zone=ZoneInfo("Asia/Shanghai")), profiles


@pytest.fixture
def desk(
    run: Run,
    tmp_path: Path,
    decoder: tuple[Decoder, tuple[Profile, ...]],
    monkeypatch: pytest.MonkeyPatch,
) -> Desk:
    """An operator's shell."""
    for module in (accept, candidates):
        monkeypatch.setattr(module, "make_decoder", lambda _settings: decoder)
    return Desk(run, tmp_path)


def test_unknown_devices_are_proposed_with_what_they_would_give(desk: Desk) -> None:
    """Family, messages, age and readings of a plug; of a body where, and no temperature."""
    desk.bury(
        [
            *[("who/knows/1", b"?", "")] * 2,
            (FEVER, b"4,38.7,1", "a0:e6:f8:50:72:53"),
            *[("tele/plug1/SENSOR", PLUG, "plug1")] * 96,
            ("tele/plug1/LWT", b"Online", "plug1"),
        ]
    )
    done = desk.says("devices", "candidates")
    assert done.code == 0, done.err
    first, _, topics, *rest = done.out.splitlines()
    assert first.startswith("plug1  looks like tasmota_energy: 97 messages, last ")
    assert " s ago, would give power 230 W, meter reading 3.5 kWh; online" in first
    assert topics.strip() == "tele/plug1/SENSOR, tele/plug1/LWT"
    assert "would give body temperature (Armpit)" in "\n".join(rest)
    assert "38.7" not in done.out + json.dumps(desk.candidates())
    assert "who/knows/+  looks like nothing that is known: 2 messages" in "\n".join(rest)


def test_a_device_that_was_born_before_is_read_by_its_birth(desk: Desk) -> None:
    """What a device said of itself tells what its later messages would give, in its own units."""
    born = {"name": "Temperature", "alias": 7, "dataType": "Double", "value": 20.5}
    birth = payload({"metrics": [{**born, "properties": {"engUnit": "°C"}}]})
    profile = load_profile(built_in() / "sparkplug_b.toml")
    with closing(DescriptionStore.open(desk.data_dir / "descriptions.db")) as store:
        reader = Decoder([profile], default_zone=ZoneInfo("Asia/Shanghai"))
        for position, topic in enumerate(("NBIRTH/edge", "DBIRTH/edge/room"), 1):
            said = BatchDescriptions(store, (position,))
            reader.decode(
                f"spBv1.0/plant/{topic}", birth, received_at=wall_now(), descriptions=said
            )
            said.keep({})
    data = payload({"metrics": [{"alias": 7, "dataType": "Double", "value": 21.5}]})
    desk.bury([("spBv1.0/plant/DDATA/edge/room", data, "plant/edge/room")] * 2)
    gives = {one["id"]: one["looks_like"][0]["gives"] for one in desk.candidates()}
    assert set(gives) <= {"plant/edge/room", "plant/edge"}
    assert gives["plant/edge/room"][0]["celsius"] == 21.5


def test_topics_that_begin_otherwise_are_told_how(desk: Desk) -> None:
    """An operator's prefix is named, with the command that makes a profile of such topics."""
    desk.bury([("home/b3/tele/plug2/SENSOR", PLUG, "")])
    (found,) = desk.candidates()
    assert (found["id"], found["device_id"]) == ("home/b3/plug2", "plug2")
    best = found["looks_like"][0]
    assert (best["profile"], best["prefix"]) == ("tasmota_energy", "home/b3/")
    told = desk.says("devices", "candidates").out
    assert "profiles show tasmota_energy --toml --prefix home/b3/ >" in told
    refused = desk.says("devices", "accept", "home/b3/plug2", "--household", "h-1")
    assert refused.code == 1
    assert "first give its topics a profile: gatehouse profiles show" in refused.err


def test_accepting_binds_a_device_on_record_and_asks_for_its_replay(desk: Desk) -> None:
    """It is said before what would come of it; it stands there since its first message's day."""
    desk.bury(
        [("tele/plug1/SENSOR", PLUG, "plug1")] * 3 + [("tele/plug9/SENSOR", PLUG, "plug9")],
        at=parse_rfc3339("2020-02-14T20:00:00+08:00"),
    )
    arguments = ("devices", "accept", "plug1", "--household", "h-1")
    tried = desk.says(*arguments, "--dry-run")
    assert tried.code == 0, tried.err
    assert "plug1 would be tasmota_energy, household h-1, since 2020-02-13T16:00:00Z" in tried.out
    assert "would come: 3 stored" in tried.out
    assert {one["id"] for one in desk.candidates()} == {"plug1", "plug9"}
    done = desk.says(*arguments, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["waiting"] == 3
    database = create(f"sqlite:///{desk.data_dir / 'state.db'}")
    registry = load_registry(database)
    begins = parse_rfc3339("2020-02-14T00:00:00+08:00")
    place = registry.place("plug1", begins)
    assert place is not None
    assert (place.kind, place.household) == (PlaceKind.HOUSEHOLD, "h-1")
    assert registry.place("plug1", begins - 1) is None
    with database.connect() as connection:
        (entry,) = audit.find(connection, about="device:plug1")
    assert entry.action is audit.Action.ACCEPTED_DEVICE
    database.dispose()
    asked = dead_letter.letters(desk.data_dir / "ledger.db", Selection())
    assert [one.device for one in asked if one.replay] == ["plug1"] * 3
    assert [one["id"] for one in desk.candidates()] == ["plug9"]
    again = desk.says(*arguments)
    assert (again.code, "is no unknown device" in again.err) == (1, True)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("nobody",), 1, "'nobody' is no unknown device"),
        (("plug1", "--profile", "dsmr_reader"), 1, "understands no kept message of plug1"),
        (("plug1", "--household", "h-9", "--site", "s"), 1, "s has no household 'h-9'"),
        (("plug1", "--worker", "x"), 1, "there is no worker 'x'"),
        (("plug1", "--gate", "n", "--site", "mars"), 1, "there is no site 'mars'"),
        (("plug1", "--gate", "n", "--site", "s"), 1, "s has no gate 'n'"),
        (("plug1", "--gateway", "x"), 1, "there is no device 'x', its gateway"),
        (("plug1", "--gate", "n", "--worker", "w"), 2, "say one place: --gate or --worker"),
        (("plug1", "--since", "soon"), 2, "--since soon: write a date"),
    ],
)
def test_what_cannot_be_accepted_changes_nothing(
    desk: Desk, words: tuple[str, ...], code: int, says: str
) -> None:
    """Each mistake is said in a sentence; the device stays proposed and its letter unasked for."""
    desk.bury([("tele/plug1/SENSOR", PLUG, "plug1")])
    done = desk.says("devices", "accept", *words)
    assert (done.code, says in done.err) == (code, True), done.err
    assert [one["id"] for one in desk.candidates()] == ["plug1"]
    (letter,) = dead_letter.letters(desk.data_dir / "ledger.db", Selection())
    assert not letter.replay


def test_what_is_ignored_is_not_proposed_until_that_is_undone(desk: Desk) -> None:
    """Its dead letters stay; it is found among the ignored ones."""
    desk.bury([("router/ping/1", b"1", ""), ("tele/plug1/SENSOR", PLUG, "plug1")])
    for words, proposed, ignored in (
        ((), ["plug1"], ["router/ping/+"]),
        (("--undo",), ["plug1", "router/ping/+"], []),
    ):
        assert desk.says("devices", "ignore", "router/ping/+", *words).code == 0
        assert [one["id"] for one in desk.candidates()] == proposed
        assert [one["id"] for one in desk.candidates("--ignored")] == ignored
    assert len(dead_letter.letters(desk.data_dir / "ledger.db", Selection(state="open"))) == 2


def test_before_the_first_message_there_is_nothing_to_propose(desk: Desk) -> None:
    """A service that has taken nothing in says so in a sentence."""
    done = desk.says("devices", "candidates")
    assert (done.code, "has taken nothing in yet" in done.err) == (1, True)


def test_a_flood_of_unknown_topics_hides_no_device(desk: Desk) -> None:
    """Among 100,000 letters of as many topics a plug that spoke before is found, in time."""
    minute = wall_now() // MINUTE * MINUTE
    with closing(Ledger.open(desk.data_dir / "ledger.db")) as ledger:
        for part in range(5):
            first, at = part * ALL_LETTERS + 1, minute - (5 - part) * MINUTE
            drafts = [
                LetterDraft(
                    position=position,
                    message=Message("tele/plug1/SENSOR", PLUG, at, "mqtt"),
                    reason=DeadLetterReason.UNKNOWN_DEVICE,
                    detail="plug1",
                    device="plug1",
                )
                if part == 0 and position % 400 == 0
                else LetterDraft(
                    position=position,
                    message=Message(f"junk/{position}", PLUG, at, "mqtt"),
                    reason=DeadLetterReason.UNKNOWN_TOPIC,
                    detail="",
                )
                for position in range(first, first + ALL_LETTERS)
            ]
            ledger.commit(journal="j", position=drafts[-1].position, counts={}, letters=drafts)
    began = wall_now()
    found = desk.candidates()
    assert wall_now() - began < 30 * SECOND
    assert (found[0]["id"], found[0]["messages"]) == ("plug1", 50)
    assert len(found) <= GROUPS


async def test_a_plug_that_nobody_registered_finds_its_flat(
    mosquitto: Mosquitto, run: Run, tmp_path: Path
) -> None:
    """What came before it was accepted is in the time series then, as of its household."""
    service = RunningService(tmp_path, mqtt_url=mosquitto.url)
    service.import_registry(write_registry(tmp_path / "r", FLATS), now=wall_now())
    service.start()
    try:
        here = service.settings_environment
        payload = b'{"ENERGY":{"Total":3.5,"Power":230}}'
        await publish(mosquitto, [payload], topic="tele/plug1/SENSOR")
        wait_until(lambda: service.has_caught_up(1), seconds=20, what="the message")
        done = run("devices", "accept", "plug1", "--household", "h-1", "--json", environment=here)
        assert done.code == 0, done.err
        assert json.loads(done.out)["replayed"] == 1
        exported = run("series", "export", "--household", "h-1", environment=here)
        assert "power_w=230" in exported.out
    finally:
        service.stop()
