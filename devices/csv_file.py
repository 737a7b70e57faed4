"""A CSV file as lines of text cells, whichever program saved it, or refused by line and reason.

UTF-8 with or without a byte order mark, UTF-16 with one (Excel's "Unicode text"), else GB 18030
(what a Chinese Excel saves) if the whole file is that and reads like it. A file is never half one
and half the other. Commas, semicolons or tabs separate its cells: whichever its top has most of.
"""

import codecs
import csv
import io
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from devices.csv_sheet import Grid, RefusedLine

MAX_BYTES = 64 * 1024 * 1024
_TOP_LINES = 10
_WORKBOOK_STARTS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""Of a zip (.xlsx) and of an OLE2 file (.xls)."""
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CHINESE = re.compile("[\u4e00-\u9fff]")


def read_csv(path: Path) -> Grid:
    """Read a file of separated values.

    Raises:
        RefusedLine: It is too large, no text, or in no encoding that is known.
    """
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise RefusedLine(1, f"larger than {MAX_BYTES // 1024 // 1024} MiB; split it")
    if content.startswith(_WORKBOOK_STARTS):
        raise RefusedLine(1, "is an Excel workbook, not CSV; let its name end with .xlsx or .xls")
    if not content.startswith(_UTF16) and 16 * content.count(b"\0") > len(content):
        raise RefusedLine(1, "is UTF-16 without its mark, or no CSV file; save it as CSV UTF-8")
    text, encoding = _decode(content)
    notes = [f"read as {encoding}"] if encoding != "UTF-8" else []
    return Grid(path.name, path.stem, "line", _records(text), notes)


def _decode(content: bytes) -> tuple[str, str]:
    """Return the text and the name of its encoding."""
    if content.startswith(_UTF16):
        try:
            return content.decode("utf-16"), "UTF-16"
        except UnicodeDecodeError as error:
            raise RefusedLine(1, "is cut off or no UTF-16; save it as CSV UTF-8") from error
    try:
        return content.decode("utf-8-sig"), "UTF-8"
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        if content.startswith(codecs.BOM_UTF8) or _says_chinese_in_utf8(content):
            reason = "not UTF-8, though other lines are: two encodings in one file, or cut off"
            raise RefusedLine(line, reason) from error
    return _decode_gb18030(content, line), "GB 18030"


def _says_chinese_in_utf8(content: bytes) -> bool:
    """Return whether any line is Chinese in UTF-8, which GB 18030 hardly ever looks like."""
    for line in content.splitlines():
        if line.isascii():
            continue
        try:
            if _CHINESE.search(line.decode("utf-8")):
                return True
        except UnicodeDecodeError:
            continue
    return False


def _decode_gb18030(content: bytes, first_not_ascii: int) -> str:
    try:
        text = content.decode("gb18030")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        reason = "neither UTF-8 nor GB 18030; save it as CSV UTF-8"
        raise RefusedLine(line, reason) from error
    signs = {sign for sign in set(text) if not sign.isascii()}
    if any(unicodedata.category(sign) in {"Cc", "Cn", "Co"} for sign in signs) or 2 * sum(
        map(_is_in_gb2312, signs)
    ) < len(signs):
        reason = "not UTF-8, and no Chinese in GB 18030 either; save it as CSV UTF-8"
        raise RefusedLine(first_not_ascii, reason)
    return text


def _is_in_gb2312(sign: str) -> bool:
    """Return whether a sign is one of the 7,445 that nearly every Chinese text is made of."""
    try:
        sign.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each record's cells with the line it begins on."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=_separator(text))
    while True:
        line = reader.line_num + 1
        try:
            yield line, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise RefusedLine(line, str(error)) from error


def _separator(text: str) -> str:
    top = text[: 64 * 1024].splitlines()[:_TOP_LINES]
    return max(",;\t", key=lambda separator: sum(line.count(separator) for line in top))
