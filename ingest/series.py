"""Series stores: what each of them does, and which one an address names."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from ingest.influxdb_address import parse_address
from ingest.point import Point
from ingest.reading import Bucket, Function, Reading
from ingest.refusal import Rejected, StoreHeld
from ingest.rollup import Span
from ingest.sqlite_series import SqliteStore

__all__ = [
    "Bucket",
    "Function",
    "Reading",
    "Rejected",
    "SeriesReader",
    "SeriesStore",
    "StoreHeld",
    "open_store",
]


class SeriesReader(Protocol):
    """Bounded questions, answered alike by every store. Times are milliseconds UTC.

    Every call raises StoreHeld when the store cannot be asked, and ValueError for a measurement
    or field that does not exist.
    """

    def last(
        self,
        measurement: str,
        *,
        device: str | None = None,
        site: str | None = None,
        grid: str | None = None,
        limit: int = 1_000,
    ) -> list[Reading]:
        """Return the newest reading of each device and channel, by device and channel."""
        ...

    def range(
        self,
        measurement: str,
        device: str | None = None,
        *,
        since: int,
        until: int,
        site: str | None = None,
        grid: str | None = None,
        limit: int = 10_000,
    ) -> list[Reading]:
        """Return readings, oldest first; beyond the limit, the newest of them.

        ``since`` is included, ``until`` is not.
        """
        ...

    def scan(
        self,
        measurement: str,
        *,
        since: int,
        until: int,
        device: str | None = None,
        site: str | None = None,
        grid: str | None = None,
    ) -> Iterator[Reading]:
        """Yield every reading of a span, however many, a page at a time.

        What was stored before the first is asked for comes exactly once; what is stored meanwhile
        may come or not. Each series comes in the order of time.
        """
        ...

    def aggregate(  # noqa: PLR0913 - the parts of one question
        self,
        measurement: str,
        field: str,
        function: Function,
        *,
        window: int,
        since: int,
        until: int,
        device: str | None = None,
        channel: str | None = None,
        site: str | None = None,
        grid: str | None = None,
    ) -> list[Bucket]:
        """Return one value a window, oldest first; a window without values is left out.

        Windows are ``window`` milliseconds long and begin at multiples of that since 1970, so the
        first may begin before ``since``; it counts only what is since then, and before ``until``.
        ``channel`` "" is what a device says without one.
        """
        ...

    def rolled_up(
        self,
        rollup: str,
        span: Span,
        *,
        since: int,
        until: int,
        device: str | None = None,
        site: str | None = None,
        grid: str | None = None,
        limit: int = 10_000,
    ) -> list[Reading]:
        """Return what each series came to in each window, oldest first; see ``rollup.py``.

        Of the windows that begin from ``since`` on and before ``until``; beyond the limit, the
        newest of them. Raises ValueError for a rollup that does not exist.
        """
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


class SeriesStore(SeriesReader, Protocol):
    """A store that is also written to, by one follower. Writing a point again changes nothing."""

    def write(self, points: Sequence[Point]) -> Sequence[Rejected]:
        """Store all points durably, except those it returns as rejected for good.

        Raises:
            StoreHeld: Nothing may be dropped; write the same points again later.
        """
        ...

    def check(self) -> None:
        """Write a canary and read it back.

        Raises:
            StoreHeld: What is wrong and how to mend it, in one sentence.
        """
        ...

    def refuses_age(self, age: int) -> str:
        """Return the store's words where it takes no point so old, in milliseconds; "": it does.

        Raises:
            StoreHeld: It cannot be asked.
        """
        ...


def open_store(
    url: str | None, *, token: str | None, data_dir: Path, read_only: bool = False
) -> SeriesStore:
    """Open the store an address names; connects to nothing yet.

    Args:
        url: None: ``series.db`` in the data folder; ``influxdb1://user@host:8086/db?rp=…``,
            ``influxdb2://host:8086/org/bucket``, ``influxdb3://host:8181/db``; with an ``s``
            (``influxdb2s://``) over TLS.
        token: InfluxDB's token, or the password of the address's user on 1.x.
        data_dir: Where the embedded store lives.
        read_only: For the console's process: the embedded store is only read there.

    Raises:
        ValueError: The address is none of these; says what is wrong with it.
    """
    if url is None:
        return SqliteStore(data_dir / "series.db", read_only=read_only)
    from ingest.influxdb import InfluxStore  # noqa: PLC0415 - its client is a third of our start.

    return InfluxStore(parse_address(url, token))
