"""Labels: what stands on them, and what their codes say."""

import re
from pathlib import Path

import pytest
import segno

from gatehouse.label import Label, address, as_svg, write_label, write_sheet

LABEL = Label("plug <17>", ("household", "lakeside b1", "broker.example:1883"), "mqtt://a@b/c")


@pytest.mark.parametrize(
    ("user", "path", "secret", "expected"),
    [
        ("a", "tele/a/SENSOR", None, "mqtt://a@b:1883/tele/a/SENSOR"),
        ("a%3Ab", "x/a:b", "s", "mqtt://a%253Ab:s@b:1883/x/a:b"),
        ("a", "门/# ?", None, "mqtt://a@b:1883/%E9%97%A8/%23%20%3F"),
    ],
)
def test_an_address_can_be_read_back(
    user: str, path: str, secret: str | None, expected: str
) -> None:
    """Whatever an id or topic holds, the address has one user, one password and one path."""
    assert address("mqtt://b:1883", path, user=user, secret=secret) == expected


def test_a_label_is_drawn_whole() -> None:
    """Every module of the code, and texts that are no markup."""
    drawn = as_svg(LABEL)
    matrix = segno.make_qr(LABEL.code, error="m", encoding="utf-8").matrix
    strokes = re.findall(r"h(\d+)", drawn.partition('d="')[2].partition('"')[0])
    assert sum(map(int, strokes)) == sum(map(sum, matrix))
    assert "plug &lt;17&gt;" in drawn
    assert ">lakeside b1</text>" in drawn


def test_a_long_id_goes_on_in_the_next_line() -> None:
    """Nothing of it is cut off; Chinese letters take the room of two."""
    for letter, most in (("x", 20), ("门", 10)):
        drawn = as_svg(LABEL._replace(device=letter * 64))
        lines = re.findall(rf">({letter}+)<", drawn)
        assert (sum(map(len, lines)), max(map(len, lines))) == (64, most)
    assert as_svg(LABEL._replace(device="x" * 128)).count("x" * 20) == 6


def test_files_are_private(tmp_path: Path) -> None:
    """A label may hold a password."""
    for name in ("a.svg", "a.png"):
        write_label(LABEL, tmp_path / name)
    write_sheet([LABEL, LABEL], tmp_path / "all.html")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "all.html").read_text().count("<text ") == 8
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
