"""Profiles: the built-in families do what their files say, and a wrong file is refused by name."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from devices.block import (
    CrossingBlock,
    DeviceStatusBlock,
    ElectricityBlock,
    LitWindowBlock,
    MessageBlock,
    Number,
    Reply,
    TemperatureBlock,
    Time,
    Word,
)
from devices.clock import HOUR
from devices.codecs import CODECS
from devices.decoder import Decoder
from devices.description import Remembered
from devices.example import check_examples
from devices.measure import CELSIUS, ENERGY_WH, PERCENT, POWER_W, SHARE
from devices.outcome import Outcome
from devices.profile import (
    Example,
    Poll,
    Profile,
    ProfileError,
    built_in,
    load_profile,
    load_profiles,
)
from devices.profile_table import as_markdown
from devices.registry import Device, Registry

BUILT_IN = load_profiles(built_in())
ZONE = Example.model_fields["zone"].default
README = Path(__file__).parents[2] / "devices" / "README.md"
LANGUAGE = built_in() / "README.md"

PLUG = """\
vendor = "Acme"
model = "Plug"
source = "its manual"
silent_after = "2h"

[[message]]
topic = "acme/{device}"

[[message.observation]]
kind = "electricity"
power_w = "power"

[[example]]
says = "a load"
topic = "acme/p1"
payload = '{"power": 12}'
gives = [{ kind = "electricity", device_id = "p1", power_w = 12.0 }]
"""


def write(folder: Path, text: str, name: str = "acme_plug") -> Path:
    file = folder / f"{name}.toml"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize("profile", BUILT_IN, ids=lambda profile: profile.name)
def test_every_example_gives_what_it_says(profile: Profile) -> None:
    """What stands in a family's file is what the decoder makes of its payloads."""
    assert check_examples(profile) == []


@pytest.mark.parametrize(
    ("block", "payload", "gives"),
    [
        pytest.param(
            'kind = "electricity"\npower_w = { path = "p", range = [0, inf] }',
            '{"p": 5}',
            '{ kind = "electricity", power_w = 5.0 }',
            id="a range without an end",
        ),
        pytest.param('kind = "device_status"', "{}", None, id="a block that says nothing"),
        pytest.param(
            f'kind = "electricity"\npower_w = {[f"p{n}" for n in range(150)]}',
            '{"p149": "7"}',
            '{ kind = "electricity", power_w = 7.0 }',
            id="very many alternatives",
        ),
        pytest.param(
            'kind = "electricity"\npower_w = """p\'"x"""',
            """{"p'\\"x": 5}""",
            '{ kind = "electricity", power_w = 5.0 }',
            id="a key full of quotes",
        ),
        pytest.param(
            'kind = "electricity"\npower_w = "p"\nevent_id = "{n}"',
            '{"p": 5, "id": "m"}',
            '{ kind = "electricity", power_w = 5.0 }',
            id="an own event that is absent",
        ),
        pytest.param(
            'kind = "electricity"\npower_w = { path = "p", absent = [0, [-999, -990]] }',
            '{"p": "-995.5"}',
            None,
            id="a span that means there is none",
        ),
        pytest.param(
            'kind = "electricity"\npower_w = { path = "p", absent = [0, [-999, -990]] }',
            '{"p": -989.9}',
            '{ kind = "electricity", power_w = -989.9 }',
            id="just beyond the span",
        ),
        pytest.param(
            'kind = "electricity"\npower_w = { path = "a.p", absent = [9999] }\nenergy_wh = "a.e"',
            '{"a": {"p": "9999", "e": " 1.5 "}}',
            '{ kind = "electricity", energy_wh = 1.5 }',
            id="a text of the number that means there is none",
        ),
        pytest.param(
            'kind = "electricity"\npower_w = ["a.p", "a.q"]\nenergy_wh = ["b.e", "a.e"]',
            '{"a": {"p": " -- ", "q": "7", "e": 8}}',
            '{ kind = "electricity", power_w = 7.0, energy_wh = 8.0 }',
            id="alternatives in what is there and what is not",
        ),
        pytest.param(
            'kind = "electricity"\npower_w = "a.1"\nenergy_wh = "b.1"',
            '{"a": [5, 6], "b": {"1": 7}}',
            '{ kind = "electricity", power_w = 6.0, energy_wh = 7.0 }',
            id="a place in an array, or a key that is a number",
        ),
        pytest.param(
            'kind = "electricity"\npower_w = "a.1"\nenergy_wh = "a.0.x"',
            '{"a": [{"x": 5}]}',
            '{ kind = "electricity", energy_wh = 5.0 }',
            id="beyond the end of an array",
        ),
        pytest.param(
            'kind = "electricity"\npower_w = { sum = "a.*" }',
            '{"a": [5, "6", 0.5]}',
            '{ kind = "electricity", power_w = 11.5 }',
            id="the sum of an array",
        ),
        pytest.param(
            'kind = "electricity"\npower_w = { sum = "a.*" }',
            '{"a": [5, null]}',
            None,
            id="a sum of which one is absent",
        ),
        pytest.param(
            'kind = "electricity"\npower_w = "p"\nunless = { "*" = "*" }',
            '{"a": null, "b": "--"}',
            None,
            id="members that say nothing",
        ),
        pytest.param(
            'kind = "electricity"\npower_w = "p"\nwhen = { "*.total" = "*" }',
            '{"p": 5, "a": 1, "b": {"total": null}, "c": {"total": 7}}',
            '{ kind = "electricity", power_w = 5.0 }',
            id="a key of any member",
        ),
        pytest.param(
            'kind = "electricity"\npower_w = "p"\n'
            'when = [{ "m.*.total" = "*" }, { "m.*.sum" = "*" }]',
            '{"p": 5, "total": 1, "sum": 1, "m": {"total": 1, "x": {"total": "--"}}}',
            None,
            id="a key that no member has",
        ),
        pytest.param(
            'kind = "temperature"\ncelsius = "c"\n'
            'body_site = { path = "{device}", map = { 1 = "oral" } }',
            '{"c": 37}',
            '{ kind = "temperature", celsius = 37.0, body_site = "oral" }',
            id="a name of the topic",
        ),
    ],
)
def test_an_odd_block_is_read_as_it_is_written(
    tmp_path: Path, block: str, payload: str, gives: str | None
) -> None:
    """What no built-in family writes is compiled too, and means what the language says."""
    text = PLUG[: PLUG.index("[[message.observation]]")].replace(
        'topic = "acme/{device}"',
        'topic = "acme/{device}"\nevent_id = "{id}"\nnothing = "other_content"',
    )
    outcome = f"gives = [{gives}]" if gives else 'ignored = "other_content"'
    example = f'[[example]]\nsays = "it"\ntopic = "acme/1"\npayload = {json.dumps(payload)}\n'
    profile = load_profile(
        write(tmp_path, f"{text}[[message.observation]]\n{block}\n{example}{outcome}\n")
    )
    assert check_examples(profile) == []


TOGETHER = Decoder(BUILT_IN, default_zone=ZONE)
BY_REGISTER = {"tasmota_ir_mlx_forehead": 1, "shelly_ht": 0}
"""Families that speak like another one: only the register tells which a device is, by the place of
its name in the topic."""


@pytest.mark.parametrize("profile", BUILT_IN, ids=lambda profile: profile.name)
def test_all_families_together_read_an_example_alike(profile: Profile) -> None:
    """No other family takes a family's messages away, however many claim the same topic."""
    alone = Decoder([profile], default_zone=ZONE)
    at = 1_581_681_600_000
    for example in profile.examples:
        said: dict[str, Any] = {"received_at": at, "retained": example.retained}
        outcome = alone.decode(example.topic, example.bytes, descriptions=told(example), **said)
        if profile.name in BY_REGISTER:
            device = example.topic.split("/")[BY_REGISTER[profile.name]]
            said["registry"] = Registry(devices={device: Device(device, profile.name)})
        said["descriptions"] = told(example)
        assert TOGETHER.decode(example.topic, example.bytes, **said) == outcome, example.says


def told(example: Example) -> Remembered:
    """Return what the device of an example had said of itself."""
    descriptions, everybody = Remembered(), TOGETHER
    for earlier in example.before:
        everybody.decode(earlier.topic, earlier.bytes, received_at=0, descriptions=descriptions)
    return descriptions


SHARED = sorted((built_in() / "shared").glob("*.toml"))
"""What several families read alike."""


VALUES = "celsius|ambient_celsius|power_w|energy_wh|battery|signal|online"
"""Fields that are measured."""


def broken(file: Path) -> list[str]:
    """Return a family's file with one value unread, or one unit, site, sentinel or state wrong."""
    text = file.read_text(encoding="utf-8")
    head, mark, examples = text.partition("[[example]]")
    return [
        head[: match.start()] + match.expand(wrong) + head[match.end() :] + mark + examples
        for said, wrong in (
            (rf"(?m)^({VALUES}) = .+$", r'\1 = "not there"'),
            (r', unit = "\w+"', ""),
            (r', unit_from = (\[[^]]*\]|"[^"]*")', ""),
            (r'body_site = "ambient"', 'body_site = "unknown"'),
            (r'body_site = "forehead"', 'body_site = "ambient"'),
            (r"\b[Oo]nline = true, [Oo]ffline = false", "x = true"),
            (r", absent = \[-?\d+\]", ""),
            (r'(?<== )"in"', '"out"'),
            (r'(?<== )"out"', '"in"'),
            (r"-1 = true", "-1 = false"),
        )
        for match in re.finditer(said, head)
    ]


@pytest.mark.parametrize("profile", BUILT_IN, ids=lambda profile: profile.name)
def test_a_wrong_value_unit_or_body_site_is_seen_in_an_example(
    tmp_path: Path, profile: Profile
) -> None:
    """Each place that reads or scales a value, or says whose it is, has an example."""
    right, lines = outcomes(profile), Path(profile.file).read_text(encoding="utf-8").splitlines()
    unseen = []
    for text in broken(Path(profile.file)):
        file = write(tmp_path, text, name=profile.name)
        if outcomes(load_profile(file)) == right:
            changed = zip(lines, text.splitlines(), strict=True)
            unseen += [f"{n + 1}: {was}" for n, (was, now) in enumerate(changed) if was != now]
    assert unseen == []


@pytest.mark.parametrize("shared", SHARED, ids=lambda file: file.stem)
def test_a_wrong_unit_or_body_site_that_families_share_is_seen(
    tmp_path: Path, shared: Path
) -> None:
    """Each such place in a shared file has an example in one of the families that use it."""
    (tmp_path / "shared").mkdir()
    families = [
        profile
        for profile in BUILT_IN
        if any(message.shared == shared.stem for message in profile.message)
    ]
    right = [outcomes(profile) for profile in families]
    lines, unseen = shared.read_text(encoding="utf-8").splitlines(), []
    for text in broken(shared):
        (tmp_path / "shared" / shared.name).write_text(text, encoding="utf-8")
        files = [Path(profile.file) for profile in families]
        if [outcomes(load_profile(file, [tmp_path])) for file in files] == right:
            changed = zip(lines, text.splitlines(), strict=True)
            unseen += [f"{n + 1}: {was}" for n, (was, now) in enumerate(changed) if was != now]
    assert families
    assert unseen == []


BODY_SITES = {
    "body": "unknown",
    "body_temperature": "unknown",
    **dict.fromkeys(("armpit", "axillary", "axillary_temperature"), "axillary"),
    **dict.fromkeys(("mouth", "oral", "oral_temperature"), "oral"),
    **dict.fromkeys(("ear", "tympanum", "tympanic", "tympanic_temperature"), "tympanic"),
    **dict.fromkeys(("forehead", "forehead_temperature"), "forehead"),
    **dict.fromkeys(("wrist", "wrist_temperature"), "wrist"),
    **dict.fromkeys(("rectum", "rectal", "rectal_temperature"), "rectal"),
}
"""What the words of all families mean, whatever their files say."""


def test_each_word_for_a_place_of_the_body_means_that_place() -> None:
    """Half a degree lies between an armpit and an ear: a slip here is a fever, or none."""
    words = [
        (profile.name, *said)
        for profile in BUILT_IN
        for message in profile.message
        for block in message.observation
        if isinstance(block, TemperatureBlock) and isinstance(block.body_site, Word)
        for said in (block.body_site.map or {}).items()
    ]
    assert words
    assert [one for one in words if BODY_SITES.get(one[1]) != one[2]] == []


def outcomes(profile: Profile) -> list[Outcome]:
    decoder = Decoder([profile], default_zone=ZONE)
    return [
        decoder.decode(
            example.topic,
            example.bytes,
            received_at=1_581_681_600_000,
            descriptions=told(example),
        )
        for example in profile.examples
    ]


def test_an_operators_profile_works_like_a_built_in_one(tmp_path: Path) -> None:
    """A folder of the operator's own is read the same way and joins the built-in families."""
    write(tmp_path, PLUG)
    profiles = load_profiles(built_in(), tmp_path)
    own = next(profile for profile in profiles if profile.name == "acme_plug")
    assert len(profiles) == len(BUILT_IN) + 1
    assert own.silent_after == 2 * HOUR
    assert check_examples(own) == []


def test_an_operators_profile_replaces_its_namesake(tmp_path: Path) -> None:
    """A family that the operator describes otherwise is read as the operator says."""
    write(tmp_path, PLUG, name="tasmota_energy")
    profiles = load_profiles(built_in(), tmp_path)
    assert len(profiles) == len(BUILT_IN)
    assert next(one for one in profiles if one.name == "tasmota_energy").vendor == "Acme"


def share(folder: Path, block: str) -> Path:
    """Write a shared file of one block, and a family that has nothing else."""
    (folder / "shared").mkdir()
    (folder / "shared" / "plugs.toml").write_text(f"[[observation]]\n{block}", encoding="utf-8")
    own = PLUG[PLUG.index("[[message.observation]]") : PLUG.index("[[example]]")]
    return write(folder, PLUG.replace(own, 'shared = "plugs"\n\n'))


POWER = 'kind = "electricity"\npower_w = "power"\n'


def test_what_families_share_is_read_as_if_it_stood_in_the_file(tmp_path: Path) -> None:
    """A family finds its shared blocks beside it."""
    assert check_examples(load_profile(share(tmp_path, POWER))) == []


def test_an_operators_shared_file_replaces_ours_for_our_families(tmp_path: Path) -> None:
    """A name of the operator's own is added once, and every family that shares has it."""
    (tmp_path / "shared").mkdir()
    text = (built_in() / "shared" / "lorawan.toml").read_text(encoding="utf-8")
    own = text.replace('"TempC_SHT", "temp"', '"Room", "temp"', 1)
    assert own != text
    (tmp_path / "shared" / "lorawan.toml").write_text(own, encoding="utf-8")
    decoder = Decoder(load_profiles(built_in(), tmp_path), default_zone=ZONE)
    for topic, key in (
        ("application/a/device/0101010101010101/event/up", "object"),
        ("v3/a/devices/d/up", "uplink_message"),
    ):
        decoded = {"Room": 21.5} if key == "object" else {"decoded_payload": {"Room": 21.5}}
        outcome = decoder.decode(topic, json.dumps({key: decoded}).encode(), received_at=0)
        assert isinstance(outcome, tuple)
        assert [getattr(one, "celsius", None) for one in outcome] == [21.5]


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        (POWER.replace("power_w", "watts"), "line 3: observation.0.watts: unknown key"),
        (POWER.replace('"power"', ""), "Invalid value"),
    ],
)
def test_a_wrong_shared_file_is_refused_by_its_own_name(
    tmp_path: Path, block: str, reason: str
) -> None:
    """The mistake is named where it stands, not where it is used."""
    family = share(tmp_path, block)
    with pytest.raises(ProfileError) as refused:
        load_profile(family)
    assert str(refused.value).startswith(str(tmp_path / "shared" / "plugs.toml"))
    assert reason in str(refused.value)


@pytest.mark.parametrize("name", ["pluggs", "../acme_plug"])
def test_a_shared_file_that_is_not_there_is_refused(tmp_path: Path, name: str) -> None:
    """Nor may a name lead out of the folder."""
    family = share(tmp_path, POWER)
    family.write_text(family.read_text().replace('"plugs"', f'"{name}"'), encoding="utf-8")
    with pytest.raises(ProfileError, match="shared: there is no"):
        load_profile(family)


def test_a_wrong_example_is_named(tmp_path: Path) -> None:
    """An example that does not hold is reported with file, example and both values."""
    file = write(tmp_path, PLUG.replace("power_w = 12.0", "power_w = 12000.0"))
    [problem] = check_examples(load_profile(file))
    assert problem.startswith(f"{file}: example.0 (a load): ")
    assert "12.0" in problem
    assert "12000.0" in problem


def test_an_example_that_leaves_a_field_out_is_wrong(tmp_path: Path) -> None:
    """A value that nobody expected is as wrong as a missing one."""
    file = write(tmp_path, PLUG.replace(", power_w = 12.0", ""))
    assert len(check_examples(load_profile(file))) == 1


@pytest.mark.parametrize(
    ("was", "becomes", "line", "reason"),
    [
        ("silent_after", "silent_afterwards", 4, "silent_afterwards: unknown key"),
        ('"2h"', '"2 hours"', 4, "silent_after: write a duration"),
        ('power_w = "power"', 'watts = "power"', 11, "watts: unknown key"),
        ('power_w = "power"', 'power_w = { path = "power", unti = "kW" }', 11, "unti: unknown key"),
        ('power_w = "power"', 'power_w = { unit = "kW" }', 11, "power_w: needs either path or sum"),
        ('"electricity"\npower', '"power"\npower', 9, "kind"),
        ('"acme/{device}"', '"acme/{device"', 6, "is neither text nor {name}"),
        ('vendor = "Acme"', "", None, "vendor: missing"),
        ('says = "a load"', "", 13, "says: missing"),
        ("power_w = 12.0", "power_w = ", 17, "Invalid value"),
    ],
)
def test_a_wrong_profile_is_refused_with_line_and_reason(
    tmp_path: Path, was: str, becomes: str, line: int | None, reason: str
) -> None:
    """Whoever wrote the file reads in one line which file, where in it, and what is wrong."""
    assert was in PLUG
    file = write(tmp_path, PLUG.replace(was, becomes, 1))
    with pytest.raises(ProfileError) as refused:
        load_profile(file)
    words = str(refused.value)
    assert words.startswith(str(file))
    assert reason in words
    assert "\n" not in words
    if line is not None:
        assert f"line {line}" in words


@pytest.mark.parametrize(
    ("was", "becomes", "reason"),
    [
        ('"power"', '{ path = "power", unit = "KW" }', "unit 'KW' is none of W, kW"),
        ("acme/{device}", "acme/{name}", "no {device} in the topic"),
        ('topic = "acme/{device}"', 'topic = "a/{device}"\nformat = "xml"', "format 'xml'"),
        (
            'kind = "electricity"\npower_w = "power"',
            'kind = "temperature"\ncelsius = "t"\nbody_site = "elbow"',
            "body_site: 'elbow' is none of axillary",
        ),
    ],
)
def test_what_cannot_be_compiled_is_refused(
    tmp_path: Path, was: str, becomes: str, reason: str
) -> None:
    """A unit, format or word that does not exist is refused at start, not at the first message."""
    profile = load_profile(write(tmp_path, PLUG.replace(was, becomes, 1)))
    with pytest.raises(ProfileError, match=re.escape(reason)) as refused:
        Decoder([profile], default_zone=ZONE)
    assert str(refused.value).startswith(profile.file)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    """A folder that is not there is a mistake, not an empty one."""
    with pytest.raises(ProfileError, match="no such folder"):
        load_profiles(tmp_path / "nowhere")


def test_the_table_of_supported_devices_is_up_to_date() -> None:
    """The README's table is the one that ``gatehouse profiles --markdown`` prints."""
    assert as_markdown(BUILT_IN) in README.read_text(encoding="utf-8")


def test_every_word_of_the_language_is_documented() -> None:
    """Each key, format and unit a profile may use stands on the language's one page."""
    page = LANGUAGE.read_text(encoding="utf-8")
    models = [
        *(Profile, MessageBlock, Example, Number, Word, Time, Reply, Poll),
        *(TemperatureBlock, CrossingBlock, ElectricityBlock, LitWindowBlock, DeviceStatusBlock),
    ]
    keys = {field.alias or name for model in models for name, field in model.model_fields.items()}
    units = {unit for one in (CELSIUS, POWER_W, ENERGY_WH, SHARE, PERCENT) for unit in one.units}
    words = (keys - {"name", "file"}) | set(CODECS) | units
    assert sorted(word for word in words if f"`{word}`" not in page) == []
