"""What ``gatehouse migrate`` sets up in an InfluxDB 2.x: buckets and tasks.

Planning changes nothing. Made and changed are the bucket of the raw points, those of the rollups,
and two tasks named ``gatehouse_…``; nothing is deleted. The requests are what the documentation
says, tried on a stand-in.

Source: InfluxDB OSS 2.7 API reference: GET /orgs, GET, POST and PATCH /buckets and /tasks, POST
/tasks/{taskID}/runs (its ``scheduledFor`` is the script's now()).
"""

# ruff: noqa: S608 - names come from closed lists.

from functools import partial
from typing import Any

from devices.clock import DAY, SECOND, rfc3339
from ingest.influxdb_address import Address
from ingest.influxdb_connection import Connection
from ingest.measurement import MEASUREMENTS
from ingest.point import NANOSECONDS
from ingest.refusal import StoreHeld
from ingest.retention import Retention, Step, for_days
from ingest.rollup import LATE_DAYS, Span
from ingest.rollup_flux import LATE_TASK, bucket_of, tasks

_Json = dict[str, Any]


class InfluxSchema2:
    """Retention and rollups of one bucket; see SeriesSchema."""

    def __init__(self, address: Address, retention: Retention, *, offset: int, now: int) -> None:
        self._connection = Connection(address)
        self._bucket = address.database
        self._organisation = dict(address.write_query)["org"]
        self._retention = retention
        self._offset = offset
        self._now = now

    def plan(self, since: int | None = None) -> list[Step]:
        """Return what differs from the settings; see SeriesSchema."""
        organisation = self._organisation_id()
        raw = self._find("buckets", self._bucket)
        keep_raw = self._keep(self._bucket, raw, None, organisation)
        steps = [step for step in keep_raw if not step.deletes]
        for span in Span:
            name = bucket_of(self._bucket, span)
            steps += self._keep(name, self._find("buckets", name), span, organisation)
        wanted = tasks(self._bucket, self._organisation, self._offset)
        have = {name: task for name in wanted if (task := self._find("tasks", name))}
        for name, flux in wanted.items():
            steps += self._follow(name, flux, have.get(name), organisation)
        if since is None and not have:
            since = 0
        shorten = [step for step in keep_raw if step.deletes]
        if raw and since is not None and (runs := self._catch_up(since, _kept(raw))):
            steps += runs
            shorten = [Step(step.says, self._wait, deletes=True) for step in shorten]
        return steps + shorten

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _keep(
        self, name: str, found: _Json | None, span: Span | None, organisation: str
    ) -> list[Step]:
        """Return the step that makes a bucket keep as long as the settings say, if it does not."""
        wanted, what = self._retention.kept(span), f"{span} rows" if span else "raw points"
        rules = [{"type": "expire", "everySeconds": wanted // SECOND}]
        says = f"keep {what} {for_days(wanted)}"
        if found is None:
            content = {"orgID": organisation, "name": name, "retentionRules": rules}
            return [self._step(f"make bucket {name}: {says}", "POST", "/buckets", content)]
        kept = _kept(found)
        if kept == wanted:
            return []
        deletes = (kept == 0 or wanted < kept) and self._is_older(name, self._now - wanted)
        says = f"{says} instead of {for_days(kept)}"
        path, content = f"/buckets/{found['id']}", {"retentionRules": rules}
        return [self._step(says, "PATCH", path, content, deletes=deletes)]

    def _follow(self, name: str, flux: str, found: _Json | None, organisation: str) -> list[Step]:
        """Return the step to the task that is wanted."""
        content = {"flux": flux, "status": "active"}
        if found is None:
            content["orgID"] = organisation
            return [self._step(f"create task {name}", "POST", "/tasks", content)]
        if found["flux"].strip() == flux.strip() and found["status"] == "active":
            return []
        return [self._step(f"change task {name}", "PATCH", f"/tasks/{found['id']}", content)]

    def _catch_up(self, since: int, raw_kept: int) -> list[Step]:
        """Return the step that runs the late task for each span of days that it looks back."""
        oldest = self._oldest()
        if oldest is None:
            return []
        if raw_kept:  # Of the oldest day some hours may be gone.
            since = max(since, self._now - raw_kept + DAY)
        # A run that writes an hour which its bucket no longer takes would fail.
        hourly = self._now - self._retention.kept(Span.HOURLY) + (LATE_DAYS + 1) * DAY
        begin = max(since, oldest, hourly)
        runs = list(range(self._now, begin, -LATE_DAYS * DAY))
        says = f"roll up since {rfc3339(begin)[:10]}: {len(runs)} runs of task {LATE_TASK}"
        return [Step(says, partial(self._run, runs))]

    def _run(self, moments: list[int]) -> None:
        task = self._find("tasks", LATE_TASK)
        if task is None:
            raise StoreHeld(f"{self._connection.name} has no task {LATE_TASK}; run it again")
        for moment in moments:
            content = {"scheduledFor": rfc3339(moment // SECOND * SECOND)}
            self._ask("POST", f"/tasks/{task['id']}/runs", content=content)

    def _wait(self) -> None:
        raise StoreHeld(
            f"{self._connection.name} is rolling up what is there: let it keep less when the runs "
            f"of task {LATE_TASK} are over, with `gatehouse migrate --delete-older` again"
        )

    def _is_older(self, bucket: str, before: int) -> bool:
        """Return whether a bucket has any point, also one of others, from before a time."""
        database, _, policy = bucket.partition("/")
        source = f'"{database}"."{policy or "autogen"}"./.*/'
        where = f"time < {before * NANOSECONDS}"
        return bool(self._connection.ask(f"SELECT * FROM {source} WHERE {where} LIMIT 1"))

    def _oldest(self) -> int | None:
        firsts = [
            row[0] // NANOSECONDS
            for name in MEASUREMENTS
            for one in self._connection.ask(f'SELECT * FROM "{name}" ORDER BY time LIMIT 1')
            for row in one["values"]
        ]
        return min(firsts, default=None)

    def _organisation_id(self) -> str:
        found = self._ask("GET", "/orgs", org=self._organisation).get("orgs", [])
        if not found:
            raise StoreHeld(
                f"{self._connection.name} shows no organisation {self._organisation}: see its name "
                "in GATEHOUSE_SERIES_URL, and that the token may read it"
            )
        return str(found[0]["id"])

    def _find(self, kind: str, name: str) -> _Json | None:
        """Return our bucket or task of a name, if there is one."""
        found = self._ask("GET", f"/{kind}", org=self._organisation, name=name).get(kind, [])
        return next((one for one in found if one["name"] == name), None)

    def _step(
        self, says: str, method: str, path: str, content: _Json, *, deletes: bool = False
    ) -> Step:
        return Step(says, partial(self._ask, method, path, content=content), deletes)

    def _ask(self, method: str, path: str, *, content: object = None, **query: str) -> _Json:
        """Make a request of the API; return its answer.

        Raises:
            StoreHeld: The server does not answer, or refuses it.
        """
        status, body = self._connection.request(
            method, f"/api/v2{path}", tuple(query.items()), content
        )
        answer = body if isinstance(body, dict) else {}
        words = str(answer.get("message", ""))
        if status == 404 and method == "GET":
            return {}
        if status in (401, 403):
            raise StoreHeld(
                f"{self._connection.name} refuses ({status}: {words}): the token needs to read the "
                "organisation and to read and write buckets and tasks for `gatehouse migrate`; for "
                "this command alone, set another as GATEHOUSE_SERIES_TOKEN"
            )
        if not 200 <= status < 300:
            raise StoreHeld(f"{self._connection.name} answered {status} to {path}: {words}")
        return answer


def _kept(bucket: _Json) -> int:
    """Return how long a bucket keeps, in milliseconds; 0 is for ever."""
    return sum(int(rule["everySeconds"]) for rule in bucket["retentionRules"]) * SECOND
