"""HTTP to one InfluxDB: what it answers, told apart into accepted, refused and held.

Bodies and answers are bounded in bytes, and an answer in time, however slowly it drips. Two
threads may send at once, each over a connection that is kept.
"""

import gzip
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import Any, NamedTuple
from urllib.parse import urlencode

from influxdb_client import InfluxDBClient
from urllib3 import BaseHTTPResponse, Timeout
from urllib3.exceptions import HTTPError, ReadTimeoutError, SSLError

from devices.clock import SECOND, wall_now
from ingest.influxdb_address import Address
from ingest.influxdb_refusal import Refusal, read_refusal
from ingest.refusal import StoreHeld
from ingest.timed_pool import bound_answers

BODY_MAX = 8 * 2**20
"""Bytes of lines in a request, before compression; 1.x takes 25 MB by default, nginx 1 MB
compressed."""
_ANSWER_MAX = 32 * 2**20
_CONNECT_S, _ANSWER_S = 5.0, 30.0
_REFUSED = (400, 422)
_LIMITS = ("max-series-per-database", "max-values-per-tag")
_WORDS_MAX = 500
_LINES = {"Content-Type": "text/plain; charset=utf-8", "Content-Encoding": "gzip"}
_QUESTION = {"Accept": "application/json"}
_JSON = {"Accept": "application/json", "Content-Type": "application/json"}


class _Answer(NamedTuple):
    """Status, body parsed where it is JSON, and how long to wait, in seconds."""

    status: int
    body: Any
    retry_after: float = 0.0


class Connection:
    """Kept-alive connections to one server. Sentences name host and database, never a secret."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._client = InfluxDBClient(
            url=address.base,
            token="",
            retries=False,
            connection_pool_maxsize=2,
        )
        # The client's own call reads an answer of any length, for any time.
        self._pool = self._client.api_client.rest_client.pool_manager
        bound_answers(self._pool)
        self._headers = {"Authorization": address.authorization} if address.authorization else {}

    @property
    def name(self) -> str:
        """What messages call the server."""
        return f"InfluxDB at {self._address.base}"

    def send(self, lines: str) -> Refusal | None:
        """Write lines; return None when they are stored, else what the server said of them.

        Raises:
            StoreHeld: Anything that is about the server and not about the lines.
        """
        text = lines.encode("utf-8")
        if len(text) > BODY_MAX:
            return Refusal(f"{len(text)} bytes are more than the {BODY_MAX} we send")
        path, query = self._address.write_path, self._address.write_query
        answer = self._call("POST", path, query, _LINES, gzip.compress(text, 1))
        if answer.status == 204:
            return None
        refusal = read_refusal(answer.body)
        if answer.status == 413:  # A proxy's too, in any words.
            return refusal or Refusal("413: too large")
        words = refusal.words[:_WORDS_MAX] if refusal else ""
        if refusal and answer.status in _REFUSED and not any(limit in words for limit in _LIMITS):
            return refusal
        raise StoreHeld(self._trouble(answer.status, words), retry_after=answer.retry_after)

    def ask(self, influxql: str) -> list[dict[str, Any]]:
        """Run one InfluxQL statement; return its series, none when nothing matches.

        Raises:
            StoreHeld: The server does not answer, or refuses the question.
        """
        query = (*self._address.read_query, ("q", influxql), ("epoch", "ns"))
        status, body, retry_after = self._call("GET", "/query", query, _QUESTION, None)
        if status != 200:
            refusal = read_refusal(body)
            words = refusal.words[:_WORDS_MAX] if refusal else ""
            raise StoreHeld(self._trouble(status, words), retry_after=retry_after)
        try:
            result = body["results"][0]
            if "error" not in result:
                series: list[dict[str, Any]] = result.get("series", [])
                return series
        except (LookupError, TypeError) as error:
            raise StoreHeld(self._trouble(status, "")) from error
        words = str(result["error"])[:_WORDS_MAX]
        missing = "database not found" in words
        raise StoreHeld(self._trouble(404 if missing else 400, words))

    def request(
        self,
        method: str,
        path: str,
        query: tuple[tuple[str, str], ...] = (),
        content: object = None,
        *,
        answer_s: float | None = None,
    ) -> tuple[int, Any]:
        """Make any other request, with ``content`` as JSON; return status and parsed body.

        Raises:
            StoreHeld: The server does not answer within ``answer_s`` seconds, 30 where not given.
        """
        body = None if content is None else json.dumps(content).encode()
        answer = self._call(method, path, query, _JSON, body, answer_s=answer_s)
        return answer.status, answer.body

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _call(
        self,
        method: str,
        path: str,
        query: tuple[tuple[str, str], ...],
        headers: dict[str, str],
        body: bytes | None,
        *,
        answer_s: float | None = None,
    ) -> _Answer:
        """Make one request; return its answer, whatever it is."""
        patience = answer_s or _ANSWER_S
        try:
            answer = self._pool.request(
                method,
                f"{self._address.base}{path}?{urlencode(query)}",
                body=body,
                headers={**self._headers, **headers},
                redirect=False,
                preload_content=False,
                timeout=Timeout(connect=_CONNECT_S, read=patience),
            )
            try:
                said = _read(answer)
            finally:
                answer.close()
        except ReadTimeoutError as error:
            raise StoreHeld(
                f"{self.name} does not answer (timed out: its answer has not "
                f"come to an end within {patience:g} s); is it running?"
            ) from error
        except SSLError as error:
            raise StoreHeld(f"{self.name}: {_first_line(error)}; check its TLS") from error
        except (HTTPError, HTTPException, OSError) as error:
            raise StoreHeld(
                f"{self.name} does not answer ({_first_line(error)}); is it running?"
            ) from error
        return _Answer(answer.status, _parsed(said), _wait(answer.headers))

    def _trouble(self, status: int, words: str) -> str:
        database = self._address.database
        said = f": {words}" if words else ""
        if status in (401, 403):
            return (
                f"{self.name} refuses our credentials ({status}{said}); check GATEHOUSE_SERIES_URL "
                f"and GATEHOUSE_SERIES_TOKEN, and that they may read and write {database}"
            )
        if status == 404 or "retention policy not found" in words:
            return (
                f"{self.name} has no {database} ({status}{said}); create it there; where it was "
                "dropped, gatehouse series rebuild --to writes what the journal still has"
            )
        if any(limit in words for limit in _LIMITS):
            return f"{self.name} has reached a limit of its configuration ({words}); raise it"
        if "no space left" in words:
            return (
                f"{self.name} has no room on its disk ({status}{said}); make some, then restart "
                "it: 1.x takes nothing before"
            )
        if status == 429 or status >= 500:
            return f"{self.name} is failing or overloaded ({status}{said}); see its log"
        return (
            f"{self.name} answered {status}{said}, which no InfluxDB does here; "
            "is GATEHOUSE_SERIES_URL the address of something else?"
        )


def _read(answer: BaseHTTPResponse) -> bytes:
    """Return an answer's body.

    Raises:
        OSError: It is too long.
        HTTPError: It takes too long, or breaks off.
    """
    body = bytearray()
    while chunk := answer.read1(2**16):
        body += chunk
        if len(body) > _ANSWER_MAX:
            raise OSError(f"its answer is longer than {_ANSWER_MAX} bytes")
    return bytes(body)


def _wait(headers: Mapping[str, str]) -> float:
    """Return for how many seconds a server wants to be left alone; 0: it does not say.

    A date is taken by the server's clock where its answer tells it, else by ours. Source: RFC 9110,
    10.2.3 and 6.6.1.
    """
    said = headers.get("Retry-After", "")
    if said.isdecimal():
        return float(said)
    until = _moment(said)
    if until is None:
        return 0.0
    now = _moment(headers.get("Date", "")) or datetime.fromtimestamp(wall_now() / SECOND, UTC)
    return max(0.0, (until - now).total_seconds())


def _moment(date: str) -> datetime | None:
    """Return the moment of an HTTP date; None where it is none."""
    try:
        said = parsedate_to_datetime(date)
    except (ValueError, OverflowError):
        return None
    return said if said.tzinfo else said.replace(tzinfo=UTC)


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _first_line(error: object) -> str:
    return str(error).strip().partition("\n")[0][:_WORDS_MAX]
