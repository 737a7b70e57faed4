"""Bringing a series store to the retention and the rollups of the settings, whatever it is."""

import sqlite3
from functools import partial
from pathlib import Path

from devices.clock import HOUR, rfc3339
from ingest import rollup_sql, series_sql
from ingest.influxdb_address import parse_address
from ingest.refusal import StoreHeld
from ingest.retention import Retention, SeriesSchema, Step

_BUSY_SECONDS = 5.0


def open_schema(
    url: str | None,
    *,
    token: str | None,
    data_dir: Path,
    retention: Retention,
    offset: int,
    now: int,
) -> SeriesSchema | None:
    """Open what an address names; connects to nothing yet.

    Args:
        url: As for open_store.
        token: As for open_store.
        data_dir: Where the embedded store lives.
        retention: What is wanted.
        offset: When a day begins, as from day_offset.
        now: Milliseconds UTC.

    Returns:
        None for InfluxDB 3 Core, which has neither tasks nor continuous queries.

    Raises:
        ValueError: The address is none; says what is wrong with it.
    """
    if url is None:
        return EmbeddedSchema(data_dir / "series.db", now=now)
    address = parse_address(url, token)
    if address.version == 1:
        from ingest.influxdb1_schema import InfluxSchema1  # noqa: PLC0415 - as in open_store

        return InfluxSchema1(address, retention, offset=offset, now=now)
    if address.version == 2:
        from ingest.influxdb2_schema import InfluxSchema2  # noqa: PLC0415 - as in open_store

        return InfluxSchema2(address, retention, offset=offset, now=now)
    return None


class EmbeddedSchema:
    """``series.db``: the service keeps to the settings by itself (series_upkeep)."""

    def __init__(self, path: Path, *, now: int) -> None:
        self._path = path
        self._now = now

    def plan(self, since: int | None = None) -> list[Step]:
        """Return what differs from the settings; see SeriesSchema."""
        if since is None or not self._path.exists():
            return []
        says = f"have the service roll up again since {rfc3339(since)[:10]}"
        return [Step(says, partial(self._mark, since))]

    def close(self) -> None:
        """Nothing is open."""

    def _mark(self, since: int) -> None:
        connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS)
        try:
            series_sql.prepare(connection)
            with connection:
                rollup_sql.mark(connection, range(since // HOUR, self._now // HOUR + 1))
        except sqlite3.Error as error:
            raise StoreHeld(f"{self._path}: {error}; check the disk's space") from error
        finally:
            connection.close()
