"""``gatehouse decode`` and ``gatehouse profiles``, run as a person runs them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from devices.profile import built_in, load_profiles


def gatehouse(
    *arguments: str, payload: bytes = b"", folder: Path, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("GATEHOUSE_")}
    return subprocess.run(
        [sys.executable, "-m", "gatehouse", *arguments],
        input=payload,
        capture_output=True,
        cwd=folder,
        env=clean | environment,
        timeout=60,
        check=False,
    )


def test_a_payload_becomes_a_json_observation_a_line(tmp_path: Path) -> None:
    """What is understood is printed line by line, with exit code 0."""
    done = gatehouse(
        *("decode", "--topic", "zigbee2mqtt/bedroom", "--at", "2020-02-14T20:00:00+08:00"),
        payload=b'{"temperature":21.4,"battery":80}\n',
        folder=tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    common = {
        "device_id": "bedroom",
        "observed_at": "2020-02-14T12:00:00Z",
        "received_at": "2020-02-14T12:00:00Z",
        "time_source": "arrival",
    }
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
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
    tmp_path: Path, topic: str, payload: bytes, printed: dict[str, str], code: int
) -> None:
    """Knowingly ignored exits 0, a dead letter 1; one line either way."""
    file = tmp_path / "payload"
    file.write_bytes(payload)
    done = gatehouse("decode", "--topic", topic, str(file), folder=tmp_path)
    assert (done.returncode, done.stderr) == (code, b"")
    assert json.loads(done.stdout) == printed


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--topic", "x", "--profile", "nokia"), "--profile nokia: none of "),
        (("--topic", "x", "--at", "2020-02-14T20:00:00"), "--at: "),
        (("--topic", "x", "nowhere.json"), "nowhere.json: No such file"),
        ((), "--topic"),
    ],
)
def test_wrong_use_exits_2(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    """A mistake on the command line is told from a payload nobody understands."""
    done = gatehouse("decode", *arguments, folder=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr.decode()
    assert done.stdout == b""


def test_profiles_lists_every_family(tmp_path: Path) -> None:
    """The table and the JSON name all that is built in."""
    names = {profile.name for profile in load_profiles(built_in())}
    table = gatehouse("profiles", folder=tmp_path)
    listed = gatehouse("profiles", "--json", folder=tmp_path)
    assert (table.returncode, listed.returncode) == (0, 0)
    assert {line.split()[0] for line in table.stdout.decode().splitlines()[1:]} == names
    assert {row["family"] for row in json.loads(listed.stdout)} == names


def test_an_operators_own_family_is_used(tmp_path: Path) -> None:
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
    done = gatehouse("decode", "--topic", "kettle/1", payload=b'{"w":1900}', folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["power_w"] == 1900
    (own / "kettle.toml").write_text("vendor =\n")
    broken = gatehouse("decode", "--topic", "kettle/1", payload=b"{}", folder=tmp_path)
    assert broken.returncode == 2
    assert "kettle.toml" in broken.stderr.decode()
