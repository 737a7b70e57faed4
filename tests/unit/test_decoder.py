"""The decoder: one outcome for any message, by the registry's and the time's rules."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from devices.clock import DAY, MINUTE, parse_rfc3339
from devices.codecs import CODECS
from devices.decoder import MAX_PAYLOAD, Decoder
from devices.history import History
from devices.loop import MAX_MEMBERS
from devices.observation import (
    BodySite,
    Crossing,
    DeviceStatus,
    Electricity,
    Temperature,
    TimeSource,
)
from devices.outcome import DeadLetter, DeadLetterReason, Ignored, IgnoredReason, Outcome
from devices.profile import built_in, load_profile, load_profiles
from devices.registry import Device, Place, PlaceKind, Registry

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW = parse_rfc3339("2020-02-14T12:00:00Z")
DECODER = Decoder(load_profiles(built_in()), default_zone=SHANGHAI)
THERMOMETER = "a0:e6:f8:50:72:53/HealthThermometer/TemperatureMeasurement"
HUAAN = "topic/face/capture/request/abcd"


def decode(
    topic: str,
    payload: bytes | str,
    *,
    registry: Registry | None = None,
    retained: bool = False,
    backlog: bool = False,
    profile: str | None = None,
) -> Outcome:
    return DECODER.decode(
        topic,
        payload.encode() if isinstance(payload, str) else payload,
        received_at=NOW,
        registry=registry,
        retained=retained,
        backlog=backlog,
        profile=profile,
    )


def registered(*devices: tuple[str, str]) -> Registry:
    return Registry(devices={device: Device(device, profile) for device, profile in devices})


def reason(outcome: Outcome) -> DeadLetterReason | IgnoredReason | None:
    return None if isinstance(outcome, tuple) else outcome.reason


@pytest.mark.parametrize(
    ("topic", "payload", "why"),
    [
        ("nobody/knows/this/topic", "{}", DeadLetterReason.UNKNOWN_TOPIC),
        ("zigbee2mqtt/x", "", DeadLetterReason.EMPTY),
        ("zigbee2mqtt/x", "not json", DeadLetterReason.BAD_JSON),
        ("zigbee2mqtt/x", b"\xff\xfe\x00t", DeadLetterReason.BAD_ENCODING),
        ("zigbee2mqtt/x", "[" * 100_000, DeadLetterReason.TOO_DEEP),
        ("zigbee2mqtt/x", '{"temperature":NaN}', DeadLetterReason.BAD_JSON),
        ("zigbee2mqtt/x", '{"temperature":1e999}', DeadLetterReason.OUT_OF_RANGE),
        ("zigbee2mqtt/x", '{"temperature":65535}', DeadLetterReason.OUT_OF_RANGE),
        ("zigbee2mqtt/x", f'{{"energy":{"9" * 400}}}', DeadLetterReason.OUT_OF_RANGE),
        (
            "tele/x/SENSOR",
            f'{{"A":{{"Temperature":{"9" * 400}}},"TempUnit":"F"}}',
            DeadLetterReason.OUT_OF_RANGE,
        ),
        ("zigbee2mqtt/x", '{"temperature":"warm"}', DeadLetterReason.WRONG_TYPE),
        ("zigbee2mqtt/x", '{"temperature":true}', DeadLetterReason.WRONG_TYPE),
        ("zigbee2mqtt/x", '{"temperature":[21]}', DeadLetterReason.WRONG_TYPE),
        ("zigbee2mqtt/x", '{"action":"single"}', DeadLetterReason.MISSING_FIELD),
        ("zigbee2mqtt/x", "[]", DeadLetterReason.MISSING_FIELD),
        ("zigbee2mqtt/x", b"\x00" * (MAX_PAYLOAD + 1), DeadLetterReason.TOO_LARGE),
        (
            "tele/x/SENSOR",
            f'{{"ENERGY":{{"Power":[{",".join("1" * (MAX_MEMBERS + 1))}]}}}}',
            DeadLetterReason.TOO_LARGE,
        ),
        (THERMOMETER, "0,-327.68", DeadLetterReason.OUT_OF_RANGE),
        (THERMOMETER, "0,85.0", DeadLetterReason.OUT_OF_RANGE),
        (THERMOMETER, "0,0", DeadLetterReason.OUT_OF_RANGE),
        (THERMOMETER, "0,24.9", DeadLetterReason.OUT_OF_RANGE),
        (THERMOMETER, "0,45.1", DeadLetterReason.OUT_OF_RANGE),
        (THERMOMETER, "0,inf", DeadLetterReason.WRONG_TYPE),
        (THERMOMETER, "0,3_7.0", DeadLetterReason.WRONG_TYPE),
        ("x\n/Connected", "true", DeadLetterReason.WRONG_TYPE),
        ("x" * 129 + "/Connected", "true", DeadLetterReason.OUT_OF_RANGE),
    ],
)
def test_bad_input_is_a_dead_letter_with_its_reason(
    topic: str, payload: bytes | str, why: DeadLetterReason
) -> None:
    """Whatever is wrong with a message has one reason from the closed list."""
    outcome = decode(topic, payload)
    assert isinstance(outcome, DeadLetter)
    assert outcome.reason is why


@pytest.mark.parametrize(
    ("topic", "payload", "why"),
    [
        ("topic/face/capture/request/c", '{"cmd":"face","person":', DeadLetterReason.BAD_JSON),
        (
            "topic/face/capture/request/c",
            '{"cmd":"face","person":{"temperatur":NaN}}',
            DeadLetterReason.BAD_JSON,
        ),
        ("stat/pow1/STATUS10", '{"StatusSNS":{"ENERGY":{"Power":', DeadLetterReason.BAD_JSON),
        ("shelly/status/switch:0", '{"id":0,"apower":1e999}', DeadLetterReason.OUT_OF_RANGE),
        ("mqtt/face/basic", '{"operator":"Offline"', DeadLetterReason.BAD_JSON),
        ("shellies/em/emeter/0/power", b"\xff\xfe", DeadLetterReason.BAD_ENCODING),
    ],
)
def test_what_cannot_be_read_is_a_dead_letter_where_the_family_leaves_all_else(
    topic: str, payload: bytes | str, why: DeadLetterReason
) -> None:
    """A block that ignores the rest of a topic does not swallow a reading that came damaged."""
    assert reason(decode(topic, payload)) is why


def test_a_dead_letter_names_the_place_and_not_the_value() -> None:
    """Its detail may be shown to anybody: it never quotes what was sent."""
    outcome = decode(
        "gatehouse/v1/s/d", '{"kind":"temperature","celsius":36.5,"body_site":"Mrs Sun"}'
    )
    assert outcome == DeadLetter(DeadLetterReason.WRONG_TYPE, "body_site")


@pytest.mark.parametrize(
    ("payload", "outcome"),
    [
        ("[]", DeadLetter(DeadLetterReason.EMPTY, "an array without observations")),
        ("7", DeadLetter(DeadLetterReason.WRONG_TYPE, "not an observation")),
        ('{"celsius":36.5}', DeadLetter(DeadLetterReason.MISSING_FIELD, "kind")),
        ('{"kind":"smell"}', DeadLetter(DeadLetterReason.WRONG_TYPE, "kind")),
        ('{"kind":"lit_window"}', DeadLetter(DeadLetterReason.MISSING_FIELD, "lit")),
        (
            '{"kind":"electricity"}',
            DeadLetter(DeadLetterReason.MISSING_FIELD, "power_w or energy_wh"),
        ),
        (
            '{"kind":"device_status","battery":101}',
            DeadLetter(DeadLetterReason.OUT_OF_RANGE, "battery"),
        ),
        (
            '{"kind":"device_status","colour":1}',
            DeadLetter(DeadLetterReason.WRONG_TYPE, "colour: unknown"),
        ),
        (
            '[{"kind":"device_status"},{"kind":"lit_window","lit":"yes"}]',
            DeadLetter(DeadLetterReason.WRONG_TYPE, "[1].lit"),
        ),
        (
            '{"kind":"device_status","device_id":"another"}',
            DeadLetter(DeadLetterReason.UNKNOWN_DEVICE, "device_id is not the topic's device"),
        ),
    ],
)
def test_our_own_format_is_taken_strictly(payload: str, outcome: DeadLetter) -> None:
    """Who can choose the format is told what is wrong with it, by field."""
    assert decode("gatehouse/v1/s/d", payload) == outcome


@pytest.mark.parametrize("number", ["25.0", "45.0"])
def test_the_edges_of_what_a_body_can_have_are_taken(number: str) -> None:
    """25.0 and 45.0 °C are possible."""
    assert isinstance(decode(THERMOMETER, f"0,{number}"), tuple)


def test_a_room_is_never_a_body() -> None:
    """A Zigbee sensor at 38.9 °C is a warm room."""
    [observation] = decode("zigbee2mqtt/attic", '{"temperature":38.9}')  # type: ignore[misc]
    assert isinstance(observation, Temperature)
    assert observation.body_site is BodySite.AMBIENT


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("zigbee2mqtt/x", '{"temperature":21}'),
        ("zigbee2mqtt/x/availability", '{"state":"online"}'),
        ("mqtt/face/heartbeat", '{"operator":"HeartBeat","info":{"facesluiceId":"9"}}'),
        ("dtu/g/up", "fefefefe687856341200006891083333343389675634c416"),
        ("gatehouse/v1/s/d", '{"kind":"device_status","online":true}'),
    ],
)
def test_a_device_nobody_registered_is_a_dead_letter(topic: str, payload: str) -> None:
    """Readings and signs of life alike: kept, shown, and replayed once it is registered."""
    assert isinstance(decode(topic, payload), tuple)
    assert reason(decode(topic, payload, registry=registered())) is DeadLetterReason.UNKNOWN_DEVICE


def test_what_says_nothing_needs_no_registered_device() -> None:
    """A log line, an answer and a command are knowingly nothing whoever sent them."""
    nobody = registered()
    assert decode("zigbee2mqtt/bridge/logging", "{", registry=nobody) == Ignored(
        IgnoredReason.LOG_LINE
    )
    assert decode("zigbee2mqtt/x/set", "", registry=nobody) == Ignored(IgnoredReason.COMMAND)


def test_the_registry_chooses_among_families_that_share_a_topic(tmp_path: Path) -> None:
    """Two families that both fit: the device's own reads it; without one, the first by name."""
    for name, field in (("aaa", "power_w"), ("bbb", "energy_wh")):
        (tmp_path / f"{name}.toml").write_text(
            'vendor = "v"\nmodel = "m"\nsource = "s"\n[[message]]\ntopic = "t/{device}"\n'
            f'[[message.observation]]\nkind = "electricity"\n{field} = "x"\n'
            '[[example]]\nsays = "x"\ntopic = "t/d"\npayload = ""\ndead_letter = "empty"\n'
        )
    decoder = Decoder(load_profiles(tmp_path), default_zone=SHANGHAI)

    def power(registry: Registry | None) -> float | None:
        [found] = decoder.decode("t/d", b'{"x":5}', received_at=NOW, registry=registry)  # type: ignore[misc]
        assert isinstance(found, Electricity)
        return found.power_w

    assert power(None) == 5
    assert power(registered(("d", "aaa"))) == 5
    assert power(registered(("d", "bbb"))) is None


def test_a_family_can_be_forced() -> None:
    """Whoever looks at an unknown device says as which family to read it."""
    payload = '{"temperature":21,"power":5}'
    [forced] = decode("zigbee2mqtt/x", payload, profile="zigbee2mqtt_plug")  # type: ignore[misc]
    assert isinstance(forced, Electricity)
    outcome = decode("zigbee2mqtt/x", payload, profile="dlt645_gateway")
    assert reason(outcome) is DeadLetterReason.UNKNOWN_TOPIC


def test_a_retained_reading_without_a_time_gives_nothing() -> None:
    """It may be of any day."""
    assert decode(THERMOMETER, "0,39.5", retained=True) == Ignored(IgnoredReason.RETAINED)


def test_a_retained_message_keeps_its_state_and_what_has_a_time() -> None:
    """Battery and link still tell something; a value with a believed time is of that time."""
    [status] = decode("zigbee2mqtt/x", '{"temperature":21,"battery":80}', retained=True)  # type: ignore[misc]
    assert isinstance(status, DeviceStatus)
    said = f'{{"temperature":21,"last_seen":{NOW - MINUTE}}}'
    [timed] = decode("zigbee2mqtt/x", said, retained=True)  # type: ignore[misc]
    assert timed.observed_at == NOW - MINUTE
    stale = f'{{"temperature":21,"last_seen":{NOW - 8 * DAY}}}'
    assert decode("zigbee2mqtt/x", stale, retained=True) == Ignored(IgnoredReason.RETAINED)


@pytest.mark.parametrize(
    ("backlog", "source"), [(False, TimeSource.ARRIVAL), (True, TimeSource.BACKLOG)]
)
def test_a_message_without_a_time_is_of_its_arrival(backlog: bool, source: TimeSource) -> None:
    """Marked where it waited at the broker while we were away."""
    [one] = decode(THERMOMETER, "0,36.6", backlog=backlog)  # type: ignore[misc]
    assert (one.observed_at, one.time_source) == (NOW, source)


def test_a_local_time_is_of_the_site_of_the_device() -> None:
    """A terminal at a site in another zone is read in that zone."""
    registry = Registry(
        zones={"berlin": ZoneInfo("Europe/Berlin")},
        devices={"pow1": Device("pow1", "tasmota_energy")},
        bindings=History([("pow1", (0, None, Place(PlaceKind.SITE, "berlin")))]),
    )
    payload = '{"Time":"2020-02-14T12:59:00","ENERGY":{"Power":5}}'
    [there] = decode("tele/pow1/SENSOR", payload, registry=registry)  # type: ignore[misc]
    assert there.observed_at == NOW - MINUTE
    [here] = decode("tele/pow1/SENSOR", payload)  # type: ignore[misc]
    assert here.observed_at == NOW - 7 * 60 * MINUTE - MINUTE


def test_two_devices_behind_one_gateway_are_two() -> None:
    """A payload with frames of two meters gives two devices, and both must be registered."""
    one = bytes.fromhex("687856341200006891083333343389675634c416")
    head = bytes.fromhex("6801000000000068910833333433")
    two = head + bytes.fromhex("33343333")
    two += bytes([sum(two) & 0xFF, 0x16])
    found = decode("dtu/g/up", one + two)
    assert isinstance(found, tuple)
    assert [meter.device_id for meter in found] == ["000012345678", "000000000001"]
    half = registered(("000012345678", "dlt645_gateway"))
    assert decode("dtu/g/up", one + two, registry=half) == DeadLetter(
        DeadLetterReason.UNKNOWN_DEVICE, "000000000001"
    )


def test_a_recognised_resident_becomes_a_subject_and_nothing_else_gets_out() -> None:
    """The terminal's id, the name and the picture stay in the decoder."""
    payload = (
        '{"cmd":"face","device_sn":"T1","sequence_no":3,"cap_time":"2020/02/14 19:59:00",'
        '"match_result":90,"match":{"person_id":"H-7","person_name":"Sun Mei"},'
        '"person":{"temperatur":36.6},"closeup_pic":{"data":"/9j/4AAQSkZJRg"}}'
    )
    registry = Registry(
        devices={"T1": Device("T1", "huaan_face_terminal")}, subjects={"H-7": "subject-1"}
    )
    found = decode(HUAAN, payload, registry=registry)
    assert isinstance(found, tuple)
    crossing, temperature = found
    assert isinstance(crossing, Crossing)
    assert isinstance(temperature, Temperature)
    assert crossing.subject == temperature.subject == "subject-1"
    assert not crossing.stranger
    for secret in ("H-7", "Sun Mei", "/9j/"):
        assert secret not in repr(found)


def test_a_codec_that_fails_costs_one_message(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A bug in a codec is a dead letter with a digest that is the same every time."""

    def broken(payload: bytes) -> object:
        raise ZeroDivisionError(payload)

    monkeypatch.setitem(CODECS, "text", broken)
    decoder = Decoder([load_profile(built_in() / "shelly_gen1_em.toml")], default_zone=SHANGHAI)
    outcomes = {
        decoder.decode("shellies/x/online", payload, received_at=NOW)
        for payload in (b"true", b"secret")
    }
    [outcome] = outcomes
    assert isinstance(outcome, DeadLetter)
    assert outcome.reason is DeadLetterReason.DECODER_FAILED
    assert outcome.detail.startswith("ZeroDivisionError ")
    assert "secret" not in outcome.detail


def test_a_terminal_is_answered_with_what_it_sent() -> None:
    """Sequence number and time come back as they were, the number as a number."""
    payload = b'{"cmd":"face","sequence_no":7,"cap_time":"2020/02/14 19:59:00.001"}'
    assert DECODER.reply(HUAAN, payload) == (
        "topic/face/capture/response/abcd",
        b'{"reply":"ACK","cmd":"face","code":0,"sequence_no":7,'
        b'"cap_time":"2020/02/14 19:59:00.001"}',
    )


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (HUAAN, b'{"cmd":"face","sequence_no":7}'),
        (HUAAN, b'{"cmd":"heart"}'),
        (HUAAN, b"garbage"),
        (HUAAN, b""),
        ("zigbee2mqtt/x", b'{"temperature":21}'),
        ("nobody/knows", b"{}"),
        ("mqtt/face/basic", b'{"operator":"Online","info":{"facesluiceId":"a/b"}}'),
        ("mqtt/face/basic", b'{"operator":"Online","info":{"facesluiceId":"#"}}'),
        ("mqtt/face/basic", b'{"operator":"Online","info":{"facesluiceId":["a"]}}'),
    ],
)
def test_nothing_is_answered_where_nothing_is_due(topic: str, payload: bytes) -> None:
    """No reply declared, a value missing, garbage, or a topic that is not the device's own."""
    assert DECODER.reply(topic, payload) is None


PACK = '[{"n":"urn:dev:ow:10e2073a01080063","u":"Cel","v":23.1}]'


def test_a_self_describing_pack_is_read_on_a_topic_that_nobody_claims() -> None:
    """And where those who claim it do not understand it."""
    for topic in ("sensors/1", "a/b/c/d", "meter/json"):
        outcome = decode(topic, PACK)
        assert isinstance(outcome, tuple)
        assert outcome[0].device_id == "urn:dev:ow:10e2073a01080063"


@pytest.mark.parametrize("payload", ["", "{}", "[]", "no json", '{"n":"x","v":1}', "\x87"])
def test_what_is_no_such_pack_leaves_a_topic_unknown(payload: str) -> None:
    """Who may be asked of any topic claims none."""
    assert reason(decode("sensors/1", payload)) is DeadLetterReason.UNKNOWN_TOPIC


def test_a_claimed_topic_is_not_blamed_on_who_may_be_asked_of_any() -> None:
    """The dead letter names the families whose topic it is, and their problem."""
    assert decode("tele/plug/LWT2", "{") == DeadLetter(DeadLetterReason.UNKNOWN_TOPIC)
    assert decode("tele/plug/SENSOR", "{") == DeadLetter(DeadLetterReason.BAD_JSON, "cut short")
    unread = decode("acme", "1", profile="senml_json")
    assert reason(unread) is DeadLetterReason.UNKNOWN_TOPIC
    other = decode("shellies/x/emeter/0/power", '["a"]')
    assert isinstance(other, DeadLetter)
    assert "senml" not in other.detail


def test_a_registered_device_is_read_by_families_that_name_its_topic() -> None:
    """Those that look at any topic are for devices that nobody has registered."""
    plug = registered(("plug", "zigbee2mqtt_plug"))
    assert isinstance(decode("zigbee2mqtt/plug", PACK), tuple)
    outcome = decode("zigbee2mqtt/plug", PACK, registry=plug)
    assert reason(outcome) is DeadLetterReason.MISSING_FIELD


def test_who_posts_a_pack_speaks_for_itself_only() -> None:
    """The credential's device, whatever the names in the pack say."""
    outcome = decode("http/t-17", PACK, registry=registered(("t-17", "senml_json")))
    assert isinstance(outcome, tuple)
    assert [one.device_id for one in outcome] == ["t-17"]


def test_topics_seen_once_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache of topics is bounded, and what falls out of it is still decoded."""
    monkeypatch.setattr("devices.claim.MAX_TOPICS", 10)
    decoder = Decoder(load_profiles(built_in()), default_zone=SHANGHAI)
    for number in range(100):
        assert isinstance(decoder.decode(f"m{number}/Connected", b"true", received_at=NOW), tuple)
    assert len(decoder._claims._known) <= 10


FRIGATE = (
    b'{"type":"end","after":{"id":"1.1-a","camera":"cam","label":"person","start_time":1581681595,'
    b'"sub_label":["H-0041",0.93],"false_positive":false}}'
)


def standing(kind: PlaceKind) -> Registry:
    """Return a register in which the camera stands at a place, and one resident is known."""
    return Registry(
        devices={"cam": Device("cam", "frigate")},
        bindings=History([("cam", (0, None, Place(kind, site="sun")))]),
        subjects={"H-0041": "7f3a90c1"},
    )


@pytest.mark.parametrize("kind", [PlaceKind.GATE, PlaceKind.CHECKPOINT])
def test_a_camera_at_a_gate_sees_a_crossing(kind: PlaceKind) -> None:
    """Whom it recognised is known by a random id."""
    [crossing] = decode("frigate/events", FRIGATE, registry=standing(kind))
    assert isinstance(crossing, Crossing)
    assert (crossing.subject, crossing.stranger) == ("7f3a90c1", False)


@pytest.mark.parametrize("kind", [PlaceKind.SITE, PlaceKind.HOUSEHOLD])
def test_a_camera_elsewhere_sees_no_crossing(kind: PlaceKind) -> None:
    """Somebody in a hall or a flat goes through no gate: knowingly nothing."""
    outcome = decode("frigate/events", FRIGATE, registry=standing(kind))
    assert outcome == Ignored(IgnoredReason.OTHER_CONTENT)


def test_a_camera_that_nobody_registered_is_a_dead_letter() -> None:
    """It is said which device is unknown, as of every other family."""
    outcome = decode("frigate/events", FRIGATE, registry=Registry())
    assert reason(outcome) is DeadLetterReason.UNKNOWN_DEVICE


@pytest.mark.parametrize("family", ["frigate", "double_take"])
def test_a_recognised_persons_name_stays_in_the_decoder(family: str) -> None:
    """Whatever the register knows, no field of what comes out holds a name of the payload."""
    names = ("John Smith", "John", "Bob", "david", "ufo", "ABC12345")
    for example in load_profile(built_in() / f"{family}.toml").examples:
        for registry in (None, standing(PlaceKind.GATE)):
            found = repr(decode(example.topic, example.bytes, registry=registry))
            assert not [name for name in names if name in found]


def test_an_infrared_sensor_is_a_forehead_reader_only_where_it_is_registered_as_one() -> None:
    """Over a room it raises no fever, whatever warm thing it looks at."""
    payload = b'{"Time":"2020-02-14T19:59:00","MLX90614":{"OBJTMP":38.4,"AMBTMP":22.7}}'
    sites = {}
    for family in ("tasmota_ir_mlx", "tasmota_ir_mlx_forehead", "tasmota_temperature"):
        outcome = decode("tele/m/SENSOR", payload, registry=registered(("m", family)))
        found = outcome if isinstance(outcome, tuple) else ()
        sites[family] = {one.body_site for one in found if isinstance(one, Temperature)}
    assert sites == {
        "tasmota_ir_mlx": {BodySite.AMBIENT},
        "tasmota_ir_mlx_forehead": {BodySite.FOREHEAD},
        "tasmota_temperature": set(),
    }


def test_a_post_that_nobody_knows_says_what_was_looked_for() -> None:
    """Each family that reads posts, with the keys by which it knows its messages."""
    unknown = decode("http/gate", '{"door":"open"}')
    assert isinstance(unknown, DeadLetter)
    for words in ("gatehouse (kind", "hikvision_isapi (eventType", "huaan_face_terminal (cmd)"):
        assert words in unknown.detail
    assert "senml_json: no SenML pack" in unknown.detail
    cut = decode("http/gate", '{"door":"op')
    assert cut == DeadLetter(DeadLetterReason.BAD_JSON, "cut short")
