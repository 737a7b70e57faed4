"""Labels of devices: what an installer enters, as text and as a QR code that says the same.

A label names the device and where it stands, never a person or a flat. The code is an address,
like ``mqtt://plug-17@broker.example:1883/tele/plug-17/SENSOR``; its user's password is in it only
where that was asked for.
"""

import io
from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path
from typing import NamedTuple
from unicodedata import east_asian_width
from urllib.parse import quote, urlsplit

import segno

from ingest.private_file import replace_private

_WIDTH, _HEIGHT, _CODE = 70, 32, 30
"""Millimetres: three columns of eight on A4; the code's side."""
_LINE = 20
"""Letters that fit beside the code; a Chinese one takes the room of two."""
_LINES = 8
_STEP = 3.6
_STYLE = (
    "@page{margin:8mm}body{margin:0}svg{width:62mm;height:28.4mm;padding:1mm;"
    "border:.1mm dashed #999;break-inside:avoid}"
)
_PNG_SCALE = 8


class Label(NamedTuple):
    """What stands on it.

    Attributes:
        device: The device's id.
        lines: What else is to be read, a line each.
        code: What its QR code says.
    """

    device: str
    lines: tuple[str, ...]
    code: str


def address(base: str, path: str, *, user: str, secret: str | None = None) -> str:
    """Return an address with a user, and a password if one is given.

    Args:
        base: Scheme, host and port.
        path: Topic, or path of posts; percent-encoded here.
        user: Of the device.
        secret: Its password.
    """
    scheme, _, host = base.partition("://")
    who = quote(user, safe="") + (f":{quote(secret, safe='')}" if secret else "")
    before = urlsplit(base).path.rstrip("/")
    return f"{scheme}://{who}@{host.rstrip('/') if before else host}/{quote(path, safe='/+:@')}"


def write_label(label: Label, path: Path) -> None:
    """Write a label as SVG, or its code alone as PNG, readable by its owner only.

    Raises:
        ValueError: The file's name ends otherwise.
        OSError: It cannot be written.
    """
    if path.suffix == ".svg":
        replace_private(path, as_svg(label).encode())
    elif path.suffix == ".png":
        replace_private(path, _as_png(label.code))
    else:
        raise ValueError("a label's file ends in .svg, or in .png for the code alone")


def print_code(label: Label) -> None:
    """Show a label's code in the terminal."""
    _code_of(label.code).terminal(compact=True)


def write_sheet(labels: Iterable[Label], path: Path) -> None:
    """Write a page of labels to print, as HTML that needs nothing else.

    Raises:
        OSError: It cannot be written.
    """
    replace_private(path, "".join(_sheet(labels)).encode())


def as_svg(label: Label) -> str:
    """Return a label as SVG, 70 by 32 mm."""
    said = _wrapped(label.device)
    bold = len(said)
    said += [part for line in label.lines for part in _wrapped(line)]
    texts = "".join(
        f'<text x="{_CODE + 2}" y="{4 + _STEP * number:g}" font-size="2.9" '
        f'font-weight="{700 if number < bold else 400}">{escape(text)}</text>'
        for number, text in enumerate(said[:_LINES])
    )
    code = _code_of(label.code).svg_inline(border=2, omitsize=True, svgclass=None, lineclass=None)
    placed = code.replace("<svg ", f'<svg x="0" y="1" width="{_CODE}" height="{_CODE}" ', 1)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}mm" height="{_HEIGHT}mm" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="monospace">{placed}{texts}</svg>\n'
    )


def _sheet(labels: Iterable[Label]) -> Iterator[str]:
    yield '<!doctype html><html><head><meta charset="utf-8"><title>Gatehouse</title>'
    yield f"<style>{_STYLE}</style></head><body>\n"
    for label in labels:
        yield as_svg(label)
    yield "</body></html>\n"


def _wrapped(text: str) -> list[str]:
    """Return a text in lines that fit."""
    lines, room = [""], _LINE
    for letter in text:
        width = 2 if east_asian_width(letter) in {"W", "F"} else 1
        if width > room:
            lines.append("")
            room = _LINE
        lines[-1] += letter
        room -= width
    return lines


def _as_png(text: str) -> bytes:
    out = io.BytesIO()
    _code_of(text).save(out, kind="png", scale=_PNG_SCALE)
    return out.getvalue()


def _code_of(text: str) -> segno.QRCode:
    return segno.make_qr(text, error="m", encoding="utf-8")
