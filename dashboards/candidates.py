"""Unknown devices as people deal with them: proposed, given a place, left alone.

They are made of the dead letters of topics that nobody claims and devices that nobody registered.
Registering one, and the record of who did it, commit together; the replay of what was kept is
asked for after that, so that a crash in between leaves letters that may be replayed, and no more.
"""

import hashlib
import shlex
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import msgspec
from sqlalchemy import Connection, Engine, delete, insert, select

from dashboards import audit
from dashboards.audit import Action
from dashboards.tables import ignored_candidate
from devices.csv_rows import DeviceRow
from devices.enrolment import enrol
from devices.matcher import Match, Matcher, Prefix, measured_first
from devices.registry import Registry
from ingest.batch_descriptions import BatchDescriptions
from ingest.dead_letter import request_replay
from ingest.description_store import NAME as DESCRIPTIONS
from ingest.description_store import DescriptionStore
from ingest.unknown_letters import GROUPS, UnknownGroup, unknown_groups

TOPICS = 5
"""Topics that are shown of one."""
ID_LENGTH = 128
_DIGEST = 16


class Candidate(msgspec.Struct, frozen=True):
    """Something unknown that sends messages; times of arrival, milliseconds UTC.

    Attributes:
        id: How people name it: the device's own id, with the operator's prefix before where its
            topics have one; where no family understands it, its topics, the last level a ``+``.
        device: The id that its messages bear; empty where no family understands them.
        topics: Some of its topics, those with the most messages first.
        messages: How many came, with those that were counted and not kept.
        sampled: How many of them were looked at.
        matches: What it looks like, the best first.
        groups: Its letters.
    """

    id: str
    device: str
    topics: tuple[str, ...]
    messages: int
    sampled: int
    first_at: int
    last_at: int
    matches: tuple[Match, ...]
    groups: tuple[UnknownGroup, ...]
    is_ignored: bool

    @property
    def key(self) -> str:
        """A digest of the id, for addresses of pages."""
        return hashlib.sha256(self.id.encode()).hexdigest()[:_DIGEST]

    @property
    def families(self) -> tuple[str, ...]:
        """The families it can be registered as: those that claim its topics as they are."""
        return tuple(one.family for one in self.matches if not one.prefix)


class Candidates(msgspec.Struct, frozen=True):
    """What was found; ``is_cut`` where there are more topics than were looked at."""

    found: tuple[Candidate, ...]
    is_cut: bool


def copy_command(match: Match) -> str:
    """Return the command that prints a profile for topics that begin otherwise, for a shell."""
    words = ["gatehouse", "profiles", "show", match.family, "--toml", "--prefix"]
    words.append(match.prefix.found)
    if match.prefix.expected:
        words += ["--instead-of", match.prefix.expected]
    return shlex.join(words)


def find_candidates(
    ledger: Path, matcher: Matcher, registry: Registry, ignored: Mapping[str, int]
) -> Candidates:
    """Return unknown devices, those that look like something first, then by how many they sent.

    Raises:
        LedgerRefused: There is no ledger yet.
    """
    groups = unknown_groups(ledger)
    gathered: dict[str, list[tuple[UnknownGroup, list[Match]]]] = {}
    with closing(DescriptionStore.copy(ledger.with_name(DESCRIPTIONS))) as store:
        for group in groups:
            last = BatchDescriptions(store, (0,), newest=True)  # Told things, it keeps none.
            matches = matcher.match(group.topic, group.sample, last)
            for candidate_id, alike in _of_group(group, matches, registry):
                gathered.setdefault(candidate_id, []).append((group, alike))
    found = [
        _candidate(candidate_id, parts, is_ignored=candidate_id in ignored)
        for candidate_id, parts in gathered.items()
    ]
    found.sort(key=lambda one: (not one.matches, -one.messages, one.id))
    return Candidates(tuple(found), is_cut=len(groups) >= GROUPS)


def read_ignored(connection: Connection) -> dict[str, int]:
    """Return which candidates are to be left alone, and since when."""
    return {row.id: row.at for row in connection.execute(select(ignored_candidate))}


def accept(
    engine: Engine, ledger: Path, candidate: Candidate, row: DeviceRow, *, since: int,
    account: str, now: int,
) -> list[int]:  # fmt: skip
    """Register a candidate, ask for the replay of its letters, and return their positions.

    Args:
        engine: The state database.
        ledger: The ledger's file.
        candidate: Whose letters are replayed.
        row: What it is and where it stands; the id is the candidate's device.
        since: From when it has stood there; milliseconds UTC.
        account: Who does it.
        now: By the community's clock.

    Raises:
        EnrolmentRefused: Nothing was changed.
    """
    with engine.begin() as connection:
        enrol(connection, row, since=since)
        connection.execute(delete(ignored_candidate).where(ignored_candidate.c.id == candidate.id))
        _record(connection, Action.ACCEPTED_DEVICE, candidate, account=account, now=now)
    return [one for group in candidate.groups for one in request_replay(ledger, group.open)]


def ignore(connection: Connection, candidate: Candidate, *, account: str, now: int) -> None:
    """Leave a candidate out of what is proposed; its letters stay what they are."""
    connection.execute(delete(ignored_candidate).where(ignored_candidate.c.id == candidate.id))
    connection.execute(insert(ignored_candidate).values(id=candidate.id, at=now))
    _record(connection, Action.IGNORED_DEVICE, candidate, account=account, now=now)


def restore(connection: Connection, candidate: Candidate, *, account: str, now: int) -> None:
    """Propose a candidate again."""
    connection.execute(delete(ignored_candidate).where(ignored_candidate.c.id == candidate.id))
    _record(connection, Action.RESTORED_DEVICE, candidate, account=account, now=now)


def _record(
    connection: Connection, action: Action, candidate: Candidate, *, account: str, now: int
) -> None:
    audit.record(connection, action, account=account, now=now, about=f"device:{candidate.id}")


def _of_group(
    group: UnknownGroup, found: Iterable[Match], registry: Registry
) -> Iterable[tuple[str, list[Match]]]:
    """Yield the candidates that letters of one topic belong to, with what each looks like.

    A device that is registered by now is none: its letters wait for their replay.
    """
    by_device: dict[str, list[Match]] = {}
    for match in found:
        by_device.setdefault(match.device, []).append(match)
    for device, matches in by_device.items():
        prefix = matches[0].prefix
        if prefix or registry.device(device) is None:
            alike = [match for match in matches if match.prefix == prefix]
            yield _short(f"{prefix.found}{device}"), alike
    if not by_device and registry.device(group.device) is None:
        yield _short(group.device or _device_like(group.topic)), []


def _candidate(
    candidate_id: str, parts: Sequence[tuple[UnknownGroup, list[Match]]], *, is_ignored: bool
) -> Candidate:
    groups = [group for group, _ in parts]
    matches = _merge([match for _, some in parts for match in some])
    return Candidate(
        id=candidate_id,
        device=matches[0].device if matches else "",
        topics=tuple(dict.fromkeys(group.topic for group in groups))[:TOPICS],
        messages=sum(group.count for group in groups),
        sampled=sum(len(group.sample) for group in groups),
        first_at=min(group.first_at for group in groups),
        last_at=max(group.last_at for group in groups),
        matches=tuple(matches),
        groups=tuple(groups),
        is_ignored=is_ignored,
    )


def _merge(matches: Iterable[Match]) -> list[Match]:
    """Return one match for each family of what topics of one device look like, the best first."""
    merged: dict[tuple[str, Prefix], Match] = {}
    for match in matches:
        before = merged.get((match.family, match.prefix))
        merged[match.family, match.prefix] = match if before is None else _sum(before, match)
    return sorted(merged.values(), key=lambda match: match.rank)


def _sum(one: Match, other: Match) -> Match:
    told = {(given["kind"], given.get("channel")): given for given in (*other.gives, *one.gives)}
    return msgspec.structs.replace(
        one,
        understood=one.understood + other.understood,
        measured=one.measured + other.measured,
        gives=measured_first(told),
    )


def _device_like(topic: str) -> str:
    """Return what topics of one device may have in common: all levels but the last of several."""
    levels = topic.split("/")
    return topic if len(levels) < 3 else "/".join((*levels[:-1], "+"))


def _short(candidate_id: str) -> str:
    """Return an id that fits a column, still its own."""
    if len(candidate_id) <= ID_LENGTH:
        return candidate_id
    digest = hashlib.sha256(candidate_id.encode()).hexdigest()[:_DIGEST]
    return f"{candidate_id[: ID_LENGTH - _DIGEST - 1]}~{digest}"
