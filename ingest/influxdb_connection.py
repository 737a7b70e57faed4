"""HTTP to one InfluxDB: what it answers, told apart into accepted, refused and held."""

import gzip
import json
from http.client import HTTPException
from typing import Any

from influxdb_client import InfluxDBClient
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from ingest.influxdb_address import Address
from ingest.refusal import StoreHeld

_CONNECT_MS, _ANSWER_MS = 5_000, 30_000
_REFUSED = (400, 413, 422)
_LIMITS = ("max-series-per-database", "max-values-per-tag")
_WORDS_MAX = 500


class Connection:
    """A kept-alive connection. Its sentences name host and database, never a secret."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._client = InfluxDBClient(
            url=address.base, token="", timeout=(_CONNECT_MS, _ANSWER_MS), retries=False
        )
        self._headers = {"Authorization": address.authorization} if address.authorization else {}

    @property
    def name(self) -> str:
        """What messages call the server."""
        return f"InfluxDB at {self._address.base}"

    def send(self, lines: str) -> str:
        """Write lines; return "" when they are stored, or the server's words when refused.

        Raises:
            StoreHeld: Anything that is about the server and not about the lines.
        """
        headers = {
            "Content-Type": "text/plain; charset=utf-8",
            "Content-Encoding": "gzip",
        }
        body = gzip.compress(lines.encode("utf-8"), 1)
        path, query = self._address.write_path, self._address.write_query
        status, answer = self._call("POST", path, query, headers, body)
        if status == 204:
            return ""
        words = _words(answer)
        if status in _REFUSED and words and not any(limit in words for limit in _LIMITS):
            return words
        raise StoreHeld(self._trouble(status, words))

    def ask(self, influxql: str) -> list[dict[str, Any]]:
        """Run one InfluxQL statement; return its series, none when nothing matches.

        Raises:
            StoreHeld: The server does not answer, or refuses the question.
        """
        query = (*self._address.read_query, ("q", influxql), ("epoch", "ns"))
        status, answer = self._call("GET", "/query", query, {"Accept": "application/json"}, None)
        if status != 200:
            raise StoreHeld(self._trouble(status, _words(answer)))
        try:
            result = answer["results"][0]
            if "error" not in result:
                series: list[dict[str, Any]] = result.get("series", [])
                return series
        except (LookupError, TypeError) as error:
            raise StoreHeld(self._trouble(status, "")) from error
        words = str(result["error"])[:_WORDS_MAX]
        missing = "database not found" in words
        raise StoreHeld(self._trouble(404 if missing else 400, words))

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _call(
        self,
        method: str,
        path: str,
        query: tuple[tuple[str, str], ...],
        headers: dict[str, str],
        body: bytes | None,
    ) -> tuple[int, Any]:
        """Make one request; return status and body (parsed where it is JSON), whatever it is."""
        try:
            answer, status, _ = self._client.api_client.call_api(
                path,
                method,
                query_params=list(query),
                header_params={**self._headers, **headers},
                body=body,
                response_type="object",
                urlopen_kw={"redirect": False},
            )
        except ApiException as error:
            if not error.status:  # A TLS failure has no answer.
                raise StoreHeld(
                    f"{self.name}: {_first_line(error.reason)}; check its TLS"
                ) from error
            return int(error.status), _parsed(error.body or "")
        except (HTTPError, HTTPException, OSError, UnicodeError) as error:
            cause = _first_line(error)
            raise StoreHeld(f"{self.name} does not answer ({cause}); is it running?") from error
        return int(status), answer

    def _trouble(self, status: int, words: str) -> str:
        database = self._address.database
        said = f": {words}" if words else ""
        if status in (401, 403):
            return (
                f"{self.name} refuses our credentials ({status}{said}); check GATEHOUSE_SERIES_URL "
                f"and GATEHOUSE_SERIES_TOKEN, and that they may read and write {database}"
            )
        if status == 404:
            return f"{self.name} has no {database} ({status}{said}); create it there"
        if any(limit in words for limit in _LIMITS):
            return f"{self.name} has reached a limit of its configuration ({words}); raise it"
        if status == 429 or status >= 500:
            return f"{self.name} is failing or overloaded ({status}{said}); see its log"
        return (
            f"{self.name} answered {status}{said}, which no InfluxDB does here; "
            "is GATEHOUSE_SERIES_URL the address of something else?"
        )


def _parsed(body: str) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body


def _words(answer: Any) -> str:
    """Return the error InfluxDB put into an answer, or "" when the answer is not one of its own."""
    if not isinstance(answer, dict):
        return ""
    return str(answer.get("error") or answer.get("message") or "")[:_WORDS_MAX]


def _first_line(error: object) -> str:
    return str(error).strip().partition("\n")[0][:_WORDS_MAX]
