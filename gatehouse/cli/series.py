"""``gatehouse series``: what the time series hold, taken out, built anew, and described."""

import gzip
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TextIO

import msgspec
import typer

from devices.clock import parse_rfc3339, rfc3339
from devices.registry_store import load as load_registry
from gatehouse.database import open_database
from gatehouse.failure import WRONG_USE, Failure
from gatehouse.parts import open_series
from gatehouse.series_rebuild import Rebuild
from gatehouse.settings import Settings, SettingsError, load
from ingest.household_series import Stay
from ingest.measurement import MEASUREMENTS
from ingest.reading import END_OF_TIME
from ingest.rebuild import Account
from ingest.schema import describe
from ingest.series import SeriesStore, StoreHeld
from ingest.series_export import Format, Found, Selection, select, written

EMBEDDED = "embedded"
_TOLD_EVERY_S = 2.0

_series = typer.Typer(
    help="The time series: taken out, built anew, described.", no_args_is_help=True
)


def register(parent: typer.Typer) -> None:
    """Add the group to the command line."""
    parent.add_typer(_series, name="series")


@_series.command("export")
def export(  # noqa: PLR0913, PLR0917 - one argument an option
    measurement: Annotated[
        list[str] | None, typer.Option(help="Only this one; may be said again. Else all.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="Only this device.")] = None,
    household: Annotated[
        str | None, typer.Option(help="Only what stood in this household, while it stood there.")
    ] = None,
    grid: Annotated[str | None, typer.Option(help="Only what was observed in this grid.")] = None,
    since: Annotated[str, typer.Option(help="Like 2020-02-14T20:00:00+08:00; else all.")] = "",
    until: Annotated[str, typer.Option(help="As --since; not included.")] = "",
    form: Annotated[
        Format, typer.Option("--format", help="Line protocol, or CSV for spreadsheets.")
    ] = Format.LINE,
    out: Annotated[
        Path | None, typer.Option(help="A file, compressed if it ends with .gz; else stdout.")
    ] = None,
    source: Annotated[
        str,
        typer.Option(
            "--from",
            help="Another store than the one in use: its address, or `embedded`.",
        ),
    ] = "",
) -> None:
    """Write what a series store holds, as text; beside the running service.

    Everything stored before it began comes once. Line protocol loads into InfluxDB unchanged.

    Example: gatehouse series export --measurement temperature --grid east-3 --format csv

    Example: gatehouse series export --from embedded --out series.lp.gz
    """
    if household is not None and (device is not None or grid is not None):
        raise Failure("--household says which devices; leave --device and --grid", code=WRONG_USE)
    settings = load()
    wanted = Selection(
        measurements=_measurements(measurement),
        since=_time("--since", since, otherwise=0),
        until=_time("--until", until, otherwise=END_OF_TIME),
        device=device,
        grid=grid,
        stays=None if household is None else _stays(settings, household),
    )
    store = open_store_to_read(settings, source)
    progress = _Progress()
    try:
        with _opened(out) as file:
            found = progress.watch(select(store, wanted))
            file.writelines(written(found, wanted.measurements, form))
    except StoreHeld as held:
        raise Failure(f"{held}; nothing was exported" if out else str(held)) from held
    finally:
        store.close()
    progress.end()


@_series.command("schema")
def schema() -> None:
    """Print the schema as Markdown: measurements, tags, fields, units, and what is never in it.

    Example: gatehouse series schema > docs/schema.md
    """
    print(describe(), end="")


@_series.command("rebuild")
def rebuild(
    to: Annotated[
        str, typer.Option(help="Into this store instead: an address like GATEHOUSE_SERIES_URL.")
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be written.")
    ] = False,
    anew: Annotated[
        bool, typer.Option("--anew", help="Do not go on where the last one was cut off.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for scripts.")] = False,
) -> None:
    """Decode the journal again, with today's profiles and registry, after one of them was wrong.

    Without --to, a new embedded store is built beside the running service. Stop the service and run
    the same again: it adds what came since, takes over what was observed before the journal begins,
    and takes the place of the old one. With --to, nothing is deleted there.

    Example: gatehouse series rebuild --dry-run

    Example: gatehouse series rebuild --to influxdb1://influxdb:8086/mended
    """
    settings = load()
    if not to and not dry_run and settings.series_url is not None:
        raise Failure(
            "the time series are not in the embedded store: name a fresh database with --to",
            code=WRONG_USE,
        )
    work = Rebuild(settings, to=to, anew=anew, tell=_tell)
    try:
        account, next_step = (work.rehearse(), "nothing was written") if dry_run else work.run()
    except SettingsError as error:
        raise _of_option("--to", error) from error
    except StoreHeld as held:
        raise Failure(f"{held}; then run the same again: it goes on where it was") from held
    if as_json:
        print(msgspec.json.encode(account).decode())
        return
    for line in _account_lines(account):
        print(line)
    print(next_step)


def _account_lines(account: Account) -> Iterator[str]:
    lost = f", {account.lost} of them lost" if account.lost else ""
    yield f"positions  {account.first} to {account.last}{lost}: {account.messages} messages"
    for title, counts in (
        ("points", account.points),
        ("ignored", account.ignored),
        ("dead", account.dead),
    ):
        words = ", ".join(f"{count} {name}" for name, count in counts.most_common())
        yield f"{title:<10} {words or 'none'}"
    if account.rejected:
        yield f"refused    {account.rejected} points by the store"


def _tell(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


class _Progress:
    """How far a stream of readings is, on standard error."""

    def __init__(self) -> None:
        self._points = 0
        self._told_at = time.monotonic()

    def watch(self, found: Iterable[Found]) -> Iterator[Found]:
        """Pass readings on; tell now and then which one is at hand."""
        for one in found:
            self._points += 1
            if self._points % 1_000 == 0 and time.monotonic() - self._told_at > _TOLD_EVERY_S:
                self._told_at = time.monotonic()
                name, reading = one
                _tell(f"{self._points:,} points, at {name} of {rfc3339(reading.at)}")
            yield one

    def end(self) -> None:
        """Tell the sum."""
        _tell(f"{self._points:,} points exported")


def open_store_to_read(settings: Settings, address: str) -> SeriesStore:
    """Open the store in use, or the one that an option names, to be read only.

    Raises:
        Failure: There is no such store.
    """
    if address:
        url = None if address == EMBEDDED else address
        settings = settings.model_copy(update={"series_url": url})
    if settings.series_url is None and not (settings.data_dir / "series.db").exists():
        raise Failure(
            f"{settings.data_dir / 'series.db'} is not there: nothing was stored in the embedded "
            "store of this GATEHOUSE_DATA_DIR yet"
        )
    try:
        return open_series(settings, read_only=True)
    except SettingsError as error:
        if not address:
            raise
        raise _of_option("--from", error) from error


@contextmanager
def _opened(out: Path | None) -> Iterator[TextIO]:
    """Open standard output, or a file that has its name only once it is complete and on disk."""
    if out is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    part = out.with_name(f"{out.name}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as raw:
            if out.suffix == ".gz":
                with gzip.open(raw, "wt", compresslevel=5, encoding="utf-8", newline="") as file:
                    yield file
            else:
                with open(raw.fileno(), "w", encoding="utf-8", newline="", closefd=False) as file:
                    yield file
            raw.flush()
            os.fsync(raw.fileno())
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


def _of_option(option: str, error: SettingsError) -> Failure:
    """Return what is wrong with an address as said of the option that names it."""
    return Failure(f"{option}: {str(error).partition(': ')[2]}", code=WRONG_USE)


def _measurements(names: list[str] | None) -> list[str]:
    for name in names or ():
        if name not in MEASUREMENTS:
            known = ", ".join(MEASUREMENTS)
            raise Failure(f"--measurement: there is no {name!r}; there are {known}", code=WRONG_USE)
    return list(dict.fromkeys(names or MEASUREMENTS))


def _time(option: str, text: str, *, otherwise: int) -> int:
    if not text:
        return otherwise
    try:
        return parse_rfc3339(text)
    except ValueError as error:
        raise Failure(
            f"{option}: {text!r} is no time with a zone; write it like 2020-02-14T20:00:00+08:00",
            code=WRONG_USE,
        ) from error


def _stays(settings: Settings, household: str) -> list[Stay]:
    database = open_database(settings)
    try:
        registry = load_registry(database)
    finally:
        database.dispose()
    if registry.household_place(household) is None:
        raise Failure(f"--household: there is no household {household!r}", code=WRONG_USE)
    return registry.stays_in(household)
