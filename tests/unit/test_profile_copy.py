"""A profile's text for topics that begin otherwise."""

import re
from pathlib import Path

import pytest

from devices.example import check_examples
from devices.profile import Profile, built_in, load_profile, load_profiles
from devices.profile_copy import with_prefix

_PROFILES = load_profiles(built_in())


@pytest.mark.parametrize("profile", _PROFILES, ids=lambda profile: profile.name)
def test_every_family_is_read_with_a_prefix(profile: Profile, tmp_path: Path) -> None:
    """With two levels before every topic each of its examples still gives what it gave."""
    text = with_prefix(Path(profile.file).read_text(encoding="utf-8"), "home/b3")
    file = tmp_path / f"{profile.name}_own.toml"
    file.write_text(text, encoding="utf-8")
    copied = load_profile(file)
    topics = [topic for message in copied.message for topic in message.topic]
    assert all(topic == "#" or topic.startswith("home/b3/") for topic in topics)
    assert check_examples(copied) == []


def test_a_beginning_takes_the_place_of_another(tmp_path: Path) -> None:
    """Where a base topic was renamed, the family's own is no longer claimed."""
    [profile] = [one for one in _PROFILES if one.name == "zigbee2mqtt_plug"]
    text = with_prefix(Path(profile.file).read_text("utf-8"), "z2m/", instead_of="zigbee2mqtt/")
    file = tmp_path / "own.toml"
    file.write_text(text, encoding="utf-8")
    copied = load_profile(file)
    assert {topic.split("/")[0] for one in copied.message for topic in one.topic} == {"z2m"}
    assert check_examples(copied) == []


@pytest.mark.parametrize(
    ("prefix", "instead_of", "says"),
    [
        ("", "", "a prefix is"),
        ("a/#", "", "leave out"),
        ('a"', "", "leave out"),
        ("a", "tele", "none of its topics"),
    ],
)
def test_what_is_no_beginning_is_refused(prefix: str, instead_of: str, says: str) -> None:
    """No file is made whose topics would be none, or the same as before."""
    with pytest.raises(ValueError, match=re.escape(says)):
        with_prefix('topic = "zigbee2mqtt/{device}"', prefix, instead_of=instead_of)
