"""Our clock: within the program's life, not set back, and as the series store's."""

from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

import msgspec

from devices.clock import DAY, MINUTE, SECOND, rfc3339, wall_now
from gatehouse.doctor.found import Found
from gatehouse.settings import Settings
from ingest.influxdb_address import parse_address
from ingest.status import read_status

WRITTEN = 1_767_225_600_000
"""2026-01-01: the program is younger, so a clock that shows less was never set."""
OUTLIVED = WRITTEN + 20 * 366 * DAY
"""20 years later: nobody runs it for so long, so a clock beyond was set wrong."""
APART = MINUTE
"""What the clocks of two machines may differ by; further apart, one has no NTP."""
PATIENCE_S = 10.0


def clock(settings: Settings) -> list[Found]:
    """Compare our clock with when the service last ran, and with the series store's."""
    try:
        last = read_status(settings.data_dir)
    except (OSError, msgspec.DecodeError):
        last = None  # Said under "service"; one that runs replaces it.
    stores = _clock_of_store(settings)
    return [judge_clock(wall_now(), ran_at=last.wall_at if last else None, stores=stores)]


def judge_clock(now: int, *, ran_at: int | None, stores: int | None) -> Found:
    """Say whether a clock can be right.

    Args:
        now: What it shows; milliseconds UTC.
        ran_at: What it showed when the service last ran, or None where it has not.
        stores: What the series store's shows, or None where it does not say.
    """
    name, ahead = "clock", ran_at - now if ran_at is not None else 0
    if not WRITTEN <= now < OUTLIVED:
        return Found.wrong(name, f"says {rfc3339(now)}: set it, and keep it with NTP")
    if ahead > MINUTE:
        said = f"was {ahead // SECOND} s ahead when the service last ran: it has been set back"
        return Found.wrong(name, said)
    if stores is not None and abs(now - stores) > APART:
        side = "ahead of" if now > stores else "behind"
        apart = abs(now - stores) // SECOND
        return Found.wrong(name, f"is {apart} s {side} the series store's: keep both with NTP")
    return Found.fine(name, rfc3339(now // SECOND * SECOND))


def _clock_of_store(settings: Settings) -> int | None:
    """Return the ``Date`` of an InfluxDB's answer; None where there is no answer or none in it."""
    token = settings.series_token.get_secret_value() if settings.series_token else None
    try:
        base = urlsplit(parse_address(settings.series_url or "", token).base)
    except ValueError:
        return None
    kind = HTTPSConnection if base.scheme == "https" else HTTPConnection
    connection = kind(base.hostname or "", base.port, timeout=PATIENCE_S)
    try:
        connection.request("GET", "/ping")
        date = connection.getresponse().headers["Date"]
        return round(parsedate_to_datetime(date).timestamp() * SECOND)
    except (HTTPException, OSError, TypeError, ValueError):
        return None
    finally:
        connection.close()
