"""What ``gatehouse migrate`` sets up in an InfluxDB 1.x: retention and continuous queries.

Planning changes nothing. What is changed or dropped is named ``gatehouse_…``, except how long the
policy of the raw points keeps them. A step that is cut off may simply be repeated.

Source: InfluxDB 1.8 documentation, "Manage your database using InfluxQL", "Continuous queries".
"""

# ruff: noqa: S608 - names come from closed lists or are quoted.

import re
from functools import partial
from typing import Any

from devices.clock import DAY, HOUR, MINUTE, SECOND, rfc3339
from ingest.influxdb_address import Address
from ingest.influxdb_connection import Connection
from ingest.measurement import MEASUREMENTS
from ingest.point import NANOSECONDS
from ingest.refusal import StoreHeld
from ingest.retention import Retention, Step, for_days
from ingest.rollup import ROLLUPS, Rollup, Span, window_of
from ingest.rollup_influxql import PREFIX, continuous_queries, identifier, roll_up

_PATIENCE_S = 600.0
"""For rolling up a day; 1.6.7 reads a million points in two seconds."""
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_Policies = dict[str, tuple[int, bool]]
"""By name: how long it keeps, in milliseconds (0: for ever), and whether it is the default."""
_OF_A_NEW_DATABASE: _Policies = {"autogen": (0, True)}


class InfluxSchema1:
    """Retention and rollups of one database; see SeriesSchema."""

    def __init__(self, address: Address, retention: Retention, *, offset: int, now: int) -> None:
        self._connection = Connection(address)
        self._name = address.database
        self._database = identifier(address.database)
        self._raw = dict(address.read_query).get("rp", "")
        self._retention = retention
        self._offset = offset
        self._now = now

    def plan(self, since: int | None = None) -> list[Step]:
        """Return what differs from the settings; see SeriesSchema."""
        found = self._policies()
        policies = found or _OF_A_NEW_DATABASE
        steps = [] if found else [self._step(f"make database {self._name}", "CREATE DATABASE")]
        self._raw = self._raw or next(name for name, (_, default) in policies.items() if default)
        raw = self._keep(policies, self._raw, None)
        steps += [step for step in raw if not step.deletes]
        for span in Span:
            steps += self._keep(policies, span.policy, span)
        wanted, have = continuous_queries(self._name, self._raw, self._offset), self._queries()
        steps += self._follow(wanted, have)
        if since is None and not wanted.keys() & have.keys():
            since = 0
        if self._raw in found and since is not None:
            kept, _ = found[self._raw]
            steps += self._catch_up(since, kept)
        return steps + [step for step in raw if step.deletes]  # When it is rolled up.

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _keep(self, policies: _Policies, policy: str, span: Span | None) -> list[Step]:
        """Return the step that makes a policy keep as long as the settings say, if it does not."""
        wanted, what = self._retention.kept(span), f"{span} rows" if span else "raw points"
        says = f"keep {what} {for_days(wanted)}"
        on = f"RETENTION POLICY {identifier(policy)} ON"
        duration = f"DURATION {wanted // DAY}d"
        if policy not in policies:
            return [self._step(says, f"CREATE {on}", f"{duration} REPLICATION 1")]
        kept, _ = policies[policy]
        if kept == wanted:
            return []
        deletes = (kept == 0 or wanted < kept) and self._is_older(policy, self._now - wanted)
        says = f"{says} instead of {for_days(kept)}"
        return [self._step(says, f"ALTER {on}", duration, deletes=deletes)]

    def _follow(self, wanted: dict[str, str], have: dict[str, str]) -> list[Step]:
        """Return the steps to the continuous queries that are wanted."""
        steps = []
        for name in sorted(have.keys() | wanted.keys()):
            if name in wanted and _bare(have.get(name, "")) == _bare(wanted[name]):
                continue
            drop = f"DROP CONTINUOUS QUERY {identifier(name)} ON {self._database}"
            statements = [drop] if name in have else []
            statements += [wanted[name]] if name in wanted else []
            act = "drop" if name not in wanted else "change" if name in have else "create"
            steps.append(Step(f"{act} continuous query {name}", partial(self._run, *statements)))
        return steps

    def _catch_up(self, since: int, raw_kept: int) -> list[Step]:
        """Return the steps that compute the rollups of what is there, of whole windows only."""
        oldest = self._oldest()
        if oldest is None:
            return []
        if raw_kept:  # Of the oldest day some hours may be gone.
            since = max(since, self._now - raw_kept + DAY)
        steps = []
        for span in Span:
            begin = max(since, oldest, self._now - self._retention.kept(span) + DAY)
            steps += [
                Step(
                    f"roll up {span} {rollup.name} since {rfc3339(begin)[:10]}",
                    partial(self._roll_up, rollup, span, begin),
                )
                for rollup in ROLLUPS
            ]
        return steps

    def _roll_up(self, rollup: Rollup, span: Span, since: int) -> None:
        begin = window_of(since, span, self._offset)
        end = window_of(self._now, span, self._offset)
        for start in range(begin, end, DAY):
            stop = min(start + DAY, end)
            bounds = {"offset": self._offset, "since": start, "until": stop}
            self._run(roll_up(rollup, span, self._name, self._raw, **bounds))

    def _policies(self) -> _Policies:
        """Return the policies, none where there is no database."""
        found = self._ask(f"SHOW RETENTION POLICIES ON {self._database}", missing_is_none=True)
        rows = [
            dict(zip(one["columns"], row, strict=True)) for one in found for row in one["values"]
        ]
        return {row["name"]: (_milliseconds(row["duration"]), row["default"]) for row in rows}

    def _queries(self) -> dict[str, str]:
        """Return our continuous queries of this database as the server lists them, by name."""
        found = self._ask("SHOW CONTINUOUS QUERIES")
        return {
            name: text
            for one in found
            if one["name"] == self._name
            for name, text in one.get("values", [])
            if name.startswith(PREFIX)
        }

    def _is_older(self, policy: str, before: int) -> bool:
        """Return whether a policy has any point, also one of others, from before a time."""
        source = f"{self._database}.{identifier(policy)}./.*/"
        where = f"time < {before * NANOSECONDS}"
        question = f"SELECT * FROM {source} WHERE {where} LIMIT 1"
        return bool(self._ask(question, missing_is_none=True))

    def _oldest(self) -> int | None:
        source = f"{self._database}.{identifier(self._raw)}"
        firsts = [
            row[0] // NANOSECONDS
            for name in MEASUREMENTS
            for one in self._ask(f'SELECT * FROM {source}."{name}" ORDER BY time LIMIT 1')
            for row in one["values"]
        ]
        return min(firsts, default=None)

    def _step(self, says: str, verb: str, rest: str = "", *, deletes: bool = False) -> Step:
        statement = f"{verb} {self._database} {rest}".strip()
        return Step(says, partial(self._run, statement), deletes)

    def _run(self, *statements: str) -> None:
        for statement in statements:
            self._ask(statement)

    def _ask(self, statement: str, *, missing_is_none: bool = False) -> list[dict[str, Any]]:
        """Run one statement; return its series.

        Raises:
            StoreHeld: The server does not answer, or refuses it.
        """
        query = (("db", self._name), ("q", statement), ("epoch", "ns"))
        status, body = self._connection.request("POST", "/query", query, answer_s=_PATIENCE_S)
        result = body if isinstance(body, dict) else {}
        if status == 200 and result.get("results"):
            result = result["results"][0]
        words = str(result.get("error", ""))
        if missing_is_none and "database not found" in words:
            return []
        if status == 200 and not words:
            series: list[dict[str, Any]] = result.get("series", [])
            return series
        if status in (401, 403) or "not authorized" in words:
            raise StoreHeld(
                f"{self._connection.name} refuses ({status}: {words}): its user needs to be an "
                "admin for `gatehouse migrate`; for this command alone, name one in "
                "GATEHOUSE_SERIES_URL"
            )
        raise StoreHeld(f"{self._connection.name} answered {status} to {statement!r}: {words}")


def _bare(statement: str) -> str:
    """Return a statement without the quotes that a server leaves out where it can."""
    return statement.replace('"', "")


def _milliseconds(duration: str) -> int:
    """Return a duration as InfluxDB shows it, like 1080h0m0s."""
    found = _DURATION.fullmatch(duration)
    parts = found.groups() if found else ()
    return sum(
        int(number or 0) * unit for number, unit in zip(parts, (HOUR, MINUTE, SECOND), strict=False)
    )
