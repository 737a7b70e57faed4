"""The state database: reached, with our schema, and with the sites that the settings name."""

from collections.abc import Iterator

from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError

from devices.tables import site
from gatehouse.database import connect, explain, newest_revision, revision
from gatehouse.doctor.found import Found
from gatehouse.settings import Settings

NAME = "state database"


def database(settings: Settings) -> list[Found]:
    """Connect, and look for our schema and for the sites named in the settings."""
    engine = connect(settings)
    try:
        schema = _schema(revision(engine), newest_revision())
        return [schema, *_sites(engine, settings)] if schema.well else [schema]
    except SQLAlchemyError as error:
        return [Found.wrong(NAME, explain(error))]
    finally:
        engine.dispose()


def _schema(found: str | None, wanted: str | None) -> Found:
    if found is None:
        return Found.wrong(NAME, "empty: run `gatehouse migrate`")
    if found != wanted:
        return Found.wrong(NAME, f"schema {found}, wanted {wanted}: run `gatehouse migrate`")
    return Found.fine(NAME, f"reached, schema {found}")


def _sites(engine: Engine, settings: Settings) -> Iterator[Found]:
    """Yield the names in ``[thresholds.sites]`` that would never apply."""
    with engine.connect() as connection:
        known = set(connection.scalars(select(site.c.id)))
    for name in sorted(set(settings.thresholds.sites) - known):
        said = f"[thresholds.sites.{name}]: the registry has no such site; known are "
        yield Found.wrong("thresholds", said + (", ".join(sorted(known)) or "none"))
