"""``python -m tests.bench.curves``: how cost follows payload, window, grouping and cardinality.

The first three from the stand-in into the journal and back as an ack; the last from observations
into InfluxDB. Prints tables and writes ``build/curves.json``; never asserted.
"""

import json
import tempfile
from pathlib import Path

from tests.bench.storing import store
from tests.bench.taking_in import from_stand_in

PAYLOAD_BYTES = (50, 200, 1_000, 10_000, 50_000, 200_000)
PICTURE_BYTES = (30_000, 200_000)
WINDOWS = (20, 100, 500, 2_000, 10_000)
GROUPS_MS = (0, 5, 20, 100)
SERIES = (100, 10_000, 100_000, 1_000_000)
_STREAMED_BYTES = 200_000_000
_MOST = 100_000
_STORED = 1_000_000
BUILD = Path("build")

Row = dict[str, float]


def main() -> None:
    """Measure, print, write."""
    curves: dict[str, list[Row]] = {
        "payload_bytes": [
            _row("payload_bytes", size, payload_bytes=size) for size in PAYLOAD_BYTES
        ],
        "picture_bytes": [
            _row("picture_bytes", size, payload_bytes=size, picture=True) for size in PICTURE_BYTES
        ],
        "receive_maximum": [
            _row("receive_maximum", one, "--receive-maximum", str(one)) for one in WINDOWS
        ],
        "group_ms": [_row("group_ms", one, "--group-ms", str(one)) for one in GROUPS_MS],
        "series": [_series_row(series) for series in SERIES],
    }
    BUILD.mkdir(exist_ok=True)
    (BUILD / "curves.json").write_text(json.dumps(curves, indent=2) + "\n")


def _row(
    name: str, value: float, *options: str, payload_bytes: int = 0, picture: bool = False
) -> Row:
    count = min(_MOST, _STREAMED_BYTES // payload_bytes) if payload_bytes else _MOST
    with tempfile.TemporaryDirectory() as folder:
        streamed, cpu_us = from_stand_in(
            Path(folder), count, *options, payload_bytes=payload_bytes, picture=picture
        )
    row = {
        name: value,
        "messages": count,
        "messages_per_second": round(streamed.per_second),
        "mib_per_second": round(streamed.per_second * payload_bytes / 2**20, 1),
        "cpu_us": cpu_us,
        "ack_p50_ms": streamed.ack_p50_ms,
        "ack_p99_ms": streamed.ack_p99_ms,
    }
    return _printed(row)


def _series_row(series: int) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        return _printed({"series": series, **store(Path(folder), "ours", _STORED, series=series)})


def _printed(row: Row) -> Row:
    print("  ".join(f"{key} {one:>10,}" for key, one in row.items()), flush=True)
    return row


if __name__ == "__main__":
    main()
