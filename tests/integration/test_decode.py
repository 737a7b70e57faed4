"""``gatehouse decode`` and ``gatehouse profiles``, run as a person runs them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from devices.profile import built_in, load_profiles
from tests.command import Run


def test_it_reads_a_pipe(tmp_path: Path) -> None:
    """As a process of its own, with the payload on standard input."""
    done = subprocess.run(
        [sys.executable, "-m", "gatehouse", "decode", "--topic", "zigbee2mqtt/x"],
        input=b'{"temperature":21.4}\n',
        capture_output=True,
        cwd=tmp_path,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["celsius"] == 21.4


def test_a_payload_becomes_a_json_observation_a_line(run: Run) -> None:
    """What is understood is printed line by line, with exit code 0."""
    done = run(
        *("decode", "--topic", "zigbee2mqtt/bedroom", "--at", "2020-02-14T20:00:00+08:00"),
        payload=b'{"temperature":21.4,"battery":80}\n',
    )
    assert (done.code, done.err) == (0, "")
    common = {
        "device_id": "bedroom",
        "observed_at": "2020-02-14T12:00:00Z",
        "received_at": "2020-02-14T12:00:00Z",
        "time_source": "arrival",
    }
    assert [json.loads(line) for line in done.out.splitlines()] == [
        {"kind": "temperature", "celsius": 21.4, "body_site": "ambient", **common},
        {"kind": "device_status", "battery": 80.0, **common},
    ]


@pytest.mark.parametrize(
    ("topic", "payload", "printed", "code"),
    [
        ("zigbee2mqtt/bridge/logging", b"{}", {"ignored": "log_line"}, 0),
        ("zigbee2mqtt/x", b"{", {"dead_letter": "bad_json", "detail": "cut short"}, 1),
        ("who/knows", b"{}", {"dead_letter": "unknown_topic", "detail": ""}, 1),
        (
            "zigbee2mqtt/x",
            b"[" * 20_000_000,
            {"dead_letter": "too_large", "detail": "more than 1048576 bytes"},
            1,
        ),
    ],
    ids=["ignored", "not JSON", "unknown topic", "20 MB"],
)
def test_what_gives_nothing_says_why(
    run: Run, tmp_path: Path, topic: str, payload: bytes, printed: dict[str, str], code: int
) -> None:
    """Knowingly ignored exits 0, a dead letter 1; one line either way."""
    file = tmp_path / "payload"
    file.write_bytes(payload)
    done = run("decode", "--topic", topic, str(file))
    assert (done.code, done.err) == (code, "")
    assert json.loads(done.out) == printed


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--topic", "x", "--profile", "nokia"), "--profile nokia: none of "),
        (("--topic", "x", "--at", "2020-02-14T20:00:00"), "--at: "),
        (("--topic", "x", "nowhere.json"), "nowhere.json: No such file"),
        ((), "--topic"),
    ],
)
def test_wrong_use_exits_2(run: Run, arguments: tuple[str, ...], says: str) -> None:
    """A mistake on the command line is told from a payload nobody understands."""
    done = run("decode", *arguments)
    assert done.code == 2
    assert says in done.err
    assert done.out == ""


def test_profiles_lists_every_family(run: Run) -> None:
    """The table and the JSON name all that is built in."""
    names = {profile.name for profile in load_profiles(built_in())}
    table = run("profiles")
    listed = run("profiles", "--json")
    assert (table.code, listed.code) == (0, 0)
    assert {line.split()[0] for line in table.out.splitlines()[1:]} == names
    assert {row["family"] for row in json.loads(listed.out)} == names


def test_one_family_is_shown_whole(run: Run) -> None:
    """Its topics, what its examples give and its source; as its own file it can be changed."""
    page = run("profiles", "show", "tasmota_energy")
    assert page.code == 0, page.err
    for said in ("tele/{device}/SENSOR", "→ electricity", "arendst/Tasmota", "2h"):
        assert said in page.out
    [profile] = [one for one in load_profiles(built_in()) if one.name == "tasmota_energy"]
    text = run("profiles", "show", "tasmota_energy", "--toml")
    assert text.out == Path(profile.file).read_text(encoding="utf-8")
    moved = run("profiles", "show", "tasmota_energy", "--toml", "--prefix", "home/b3")
    assert 'topic = "home/b3/tele/{device}/SENSOR"' in moved.out
    assert json.loads(run("profiles", "show", "frigate", "--json").out)["family"] == "frigate"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("nokia",), "there is no profile nokia: one of "),
        (("frigate", "--prefix", "a"), "add --toml"),
        (("frigate", "--toml", "--prefix", "a/+"), "--prefix: "),
    ],
)
def test_a_family_that_cannot_be_shown_so_exits_2(
    run: Run, words: tuple[str, ...], says: str
) -> None:
    """Each mistake is told in a sentence."""
    done = run("profiles", "show", *words)
    assert (done.code, done.out, says in done.err) == (2, "", True)


def test_an_operators_own_family_is_used(run: Run, tmp_path: Path) -> None:
    """A file in ``profiles_dir`` is all it takes."""
    own = tmp_path / "mine"
    own.mkdir()
    (own / "kettle.toml").write_text(
        'vendor = "v"\nmodel = "m"\nsource = "s"\n[[message]]\ntopic = "kettle/{device}"\n'
        '[[message.observation]]\nkind = "electricity"\npower_w = "w"\n'
        '[[example]]\nsays = "on"\ntopic = "kettle/1"\npayload = \'{"w":2000}\'\n'
        'gives = [{ kind = "electricity", power_w = 2000.0 }]\n'
    )
    (tmp_path / "gatehouse.toml").write_text('profiles_dir = "mine"\n')
    done = run("decode", "--topic", "kettle/1", payload=b'{"w":1900}')
    assert done.code == 0, done.err
    assert json.loads(done.out)["power_w"] == 1900
    (own / "kettle.toml").write_text("vendor =\n")
    broken = run("decode", "--topic", "kettle/1", payload=b"{}")
    assert broken.code == 2
    assert "kettle.toml" in broken.err
