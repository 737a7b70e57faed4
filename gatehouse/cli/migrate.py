"""``gatehouse migrate``: databases and stores brought to what program and settings want."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Annotated

import typer
from sqlalchemy.exc import SQLAlchemyError

from devices.clock import parse_rfc3339
from gatehouse.database import connect, explain, migrate, newest_revision, revision
from gatehouse.failure import WRONG_USE, Failure
from gatehouse.parts import open_series_schema
from gatehouse.settings import Settings, load
from ingest.refusal import StoreHeld
from ingest.retention import SeriesSchema

_SERIES = "series store"


@dataclass(frozen=True, slots=True)
class _Told:
    """One thing, and whether it is done; ``deletes`` where stored points would be gone."""

    subject: str
    says: str
    done: bool = True
    deletes: bool = False

    @property
    def line(self) -> str:
        """The line people read."""
        mark = "done " if self.done else "would"
        return f"{mark} {self.subject}: {self.says}{' (deletes points)' if self.deletes else ''}"


def register(parent: typer.Typer) -> None:
    """Add the command to the command line."""
    parent.command("migrate")(migrate_)


def migrate_(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")
    ] = False,
    delete_older: Annotated[
        bool,
        typer.Option("--delete-older", help="Also let InfluxDB keep less where that deletes."),
    ] = False,
    roll_up_since: Annotated[
        str, typer.Option(help="Roll up again what is there since, like 2020-02-14T00:00:00Z.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for scripts.")] = False,
) -> None:
    """Set up the state database, and the series store's retention and rollups.

    May be run again at any time: it changes what differs from the settings, and nothing that it
    has not made. Exits 1 where something is left. InfluxDB needs a user or token that may do this,
    for this command only.

    Example: gatehouse migrate --dry-run

    Example: gatehouse migrate --roll-up-since 2020-02-01T00:00:00+08:00
    """
    settings, since, told = load(), _moment(roll_up_since), []
    try:
        for one in _bring(settings, since, dry_run=dry_run, delete_older=delete_older):
            told.append(one)
            if not as_json:
                print(one.line)
    except StoreHeld as error:
        raise Failure(str(error)) from error
    if as_json:
        print(json.dumps([asdict(one) for one in told], ensure_ascii=False))
    left = [one.says for one in told if not one.done]
    if left and not dry_run:
        raise Failure(f"left, as points would be deleted, for --delete-older: {'; '.join(left)}")


def _moment(text: str) -> int | None:
    try:
        return parse_rfc3339(text) if text else None
    except ValueError as error:
        raise Failure(f"--roll-up-since: {error}", code=WRONG_USE) from error


def _bring(
    settings: Settings, since: int | None, *, dry_run: bool, delete_older: bool
) -> Iterator[_Told]:
    """Do one thing after the other, and yield each when it is done."""
    if dry_run:
        yield _look(settings)
    else:
        settings.make_data_dir()
        before = migrate(connect(settings))
        yield _Told("state database", f"schema {newest_revision()} (before: {before or 'empty'})")
    schema = open_series_schema(settings)
    if schema is None:
        yield _Told(_SERIES, "InfluxDB 3 keeps as it was told to when its database was made")
        return
    try:
        yield from _follow(schema, since, dry_run=dry_run, delete_older=delete_older)
    finally:
        schema.close()


def _follow(
    schema: SeriesSchema, since: int | None, *, dry_run: bool, delete_older: bool
) -> Iterator[_Told]:
    steps = schema.plan(since)
    for step in steps:
        is_done = not dry_run and (delete_older or not step.deletes)
        if is_done:
            step.act()
        yield _Told(_SERIES, step.says, is_done, step.deletes)
    if not steps:
        yield _Told(_SERIES, "retention and rollups are as the settings say")


def _look(settings: Settings) -> _Told:
    """Say what would become of the state database, making none."""
    is_new = settings.database_url is None and not (settings.data_dir / "state.db").exists()
    engine = connect(settings)
    try:
        found = None if is_new else revision(engine)
    except SQLAlchemyError as error:
        raise Failure(f"the state database cannot be opened: {explain(error)}") from error
    wanted = newest_revision()
    says = f"schema {wanted} (now: {found or 'empty'})"
    return _Told("state database", says, done=found == wanted)
