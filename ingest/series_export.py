"""What a series store holds as a stream of text: line protocol, or CSV.

The lines are those that a store takes: loaded into InfluxDB unchanged they give the same points.
Nothing here grows with the number of points.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from functools import lru_cache

import msgspec

from devices.clock import rfc3339
from ingest import household_series
from ingest.household_series import Stay
from ingest.line_protocol import series_key
from ingest.measurement import MEASUREMENTS, TAGS, FieldKind
from ingest.reading import Reading, Value
from ingest.series import SeriesReader

_SERIES_KEPT = 100_000

Found = tuple[str, Reading]
"""A measurement's name, and one reading of it."""


class Format(StrEnum):
    """How readings are written."""

    LINE = "line"
    CSV = "csv"


class Selection(msgspec.Struct, frozen=True):
    """Which readings.

    Attributes:
        measurements: Names, in the order in which they come.
        since, until: Milliseconds UTC; until is excluded.
        stays: Of a household, in the place of a device and a grid; None: of no household.
    """

    measurements: Sequence[str]
    since: int
    until: int
    device: str | None = None
    grid: str | None = None
    stays: Sequence[Stay] | None = None


def select(store: SeriesReader, wanted: Selection) -> Iterator[Found]:
    """Yield what a store holds of a selection; see SeriesReader.scan."""
    since, until, stays = wanted.since, wanted.until, wanted.stays
    for name in wanted.measurements:
        if stays is None:
            found = store.scan(
                name, device=wanted.device, grid=wanted.grid, since=since, until=until
            )
        else:
            found = household_series.scan(store, stays, name, since=since, until=until)
        for reading in found:
            yield name, reading


def written(found: Iterable[Found], measurements: Sequence[str], form: Format) -> Iterator[str]:
    """Yield the text of each reading, with its line end; CSV begins with its heading."""
    return _rows(found, measurements) if form is Format.CSV else map(_line, found)


def _line(found: Found) -> str:
    name, reading = found
    key = _key(name, reading.device, reading.channel, reading.site, reading.grid)
    kinds = _KINDS[name]
    fields = [f"{field}={_literal(kinds[field], value)}" for field, value in reading.fields.items()]
    return f"{key} {','.join(fields)} {reading.time}\n"


@lru_cache(_SERIES_KEPT)
def _key(measurement: str, *tags: str) -> str:
    return series_key(measurement, zip(TAGS, tags, strict=True))


def _literal(kind: FieldKind, value: Value) -> str:
    if kind is FieldKind.TEXT:
        return '"{}"'.format(str(value).replace("\\", r"\\").replace('"', r"\""))
    return f"{value}i" if kind is FieldKind.INTEGER else repr(value)


def _rows(found: Iterable[Found], measurements: Sequence[str]) -> Iterator[str]:
    fields = [field for name in measurements for field in _KINDS[name]]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("measurement", "time", *TAGS, *fields))
    yield _taken(buffer)
    for name, one in found:
        tags = (one.device, one.channel, one.site, one.grid)
        said = (one.fields.get(field, "") for field in fields)
        writer.writerow((name, rfc3339(one.at), *tags, *said))
        yield _taken(buffer)


def _taken(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text


_KINDS = {
    name: {field.name: field.kind for field in measurement.fields}
    for name, measurement in MEASUREMENTS.items()
}
