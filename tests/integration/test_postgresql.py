"""What only PostgreSQL can show: its own types and locks, under everything that is kept there."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, insert, select, text
from sqlalchemy.exc import IntegrityError

import alerts.tables
import dashboards.tables
import devices.tables
from alerts import attribution, record
from alerts.attribution import Answer, Whose
from alerts.engine import Engine as RuleEngine
from alerts.incident import ActRefused
from alerts.tables import incident, page, rule_state
from alerts.thresholds import Thresholds
from alerts.timeline import EventKind, add_event
from devices import registry_store
from devices.clock import HOUR, ManualClock
from devices.csv_import import import_folder
from devices.outcome import Outcome
from gatehouse.database import create, migrate, newest_revision, revision
from tests.console import make_world
from tests.console_http import submit, visit
from tests.family import Family
from tests.judging import at, community, temperature
from tests.office import NOW, Office
from tests.servers import PostgreSQL, wait_until

SAMPLE = Path(devices.tables.__file__).parent / "sample_community"
TABLES = [devices.tables.metadata, alerts.tables.metadata, dashboards.tables.metadata]
FEVER: list[Outcome] = [(temperature(37.5, at("07:40")),), (temperature(37.6, at("07:55")),)]


@pytest.fixture
def database(postgresql: PostgreSQL) -> Iterator[Engine]:
    engine = create(postgresql.database())
    migrate(engine)
    yield engine
    engine.dispose()


def start(database: Engine) -> RuleEngine:
    """Start the rules, as after a crash: whatever others had in memory is gone."""
    registry = community()
    return RuleEngine(
        database=database,
        journal="j",
        registry=lambda: registry,
        thresholds=Thresholds(),
        silent_after=lambda _: HOUR,
        clock=ManualClock(at("07:55")),
    )


def test_the_migration_makes_the_tables(database: Engine) -> None:
    """After it there is nothing that the rooms' tables still ask for, and asking again is fine."""
    with database.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, TABLES) == []
    migrate(database)
    assert revision(database) == newest_revision()


def test_a_community_is_imported_and_read_back(database: Engine) -> None:
    """The sample community becomes a snapshot; importing it again changes nothing."""
    assert import_folder(database, SAMPLE, now=NOW)
    registry = registry_store.load(database)
    assert registry.version == 1
    assert registry.rota
    assert registry.devices
    assert not import_folder(database, SAMPLE, now=NOW + HOUR)


def test_a_fever_is_judged_once_over_a_crash(database: Engine) -> None:
    """Incident, pages owed, states and cursor are there, and what comes again changes nothing."""
    engine = start(database)
    engine.handle(1, FEVER)
    engine.tick(at("07:56"))
    engine.flush()
    assert engine.cursor() == ("j", 2)
    again = start(database)
    assert again.cursor() == ("j", 2)
    again.handle(1, FEVER)
    again.flush()
    with database.connect() as connection:
        (found,) = connection.execute(select(incident)).all()
        assert (found.key, found.watch, found.late) == ("subject:s-sun", False, False)
        assert connection.execute(select(page.c.worker)).scalars().all() == ["grid_worker"]
        assert "fever" in connection.execute(select(rule_state.c.rule)).scalars().all()


def test_what_a_device_writes_stops_nothing(database: Engine) -> None:
    """A subject that no column could hold is nobody's: the reading is judged as the flat's."""
    engine = start(database)
    engine.handle(1, [(temperature(38.4, at("07:40"), device="family", subject="x\0" * 100),)])
    with database.connect() as connection:
        assert connection.execute(select(incident.c.key)).scalars().all() == ["household:h3"]


def test_two_who_add_to_a_timeline_may_both_change_its_case(database: Engine) -> None:
    """Two senders of one case settle at once: neither waits for the other's line first."""
    office = Office(database)
    opened = office.open_fever()
    with database.connect() as first, database.connect() as second:
        for connection in (first, second):
            connection.execute(text("SET lock_timeout = '2s'"))
            add_event(connection, opened, EventKind.NOTE, now=NOW, note="seen")
        record.change(first, record.load(first, opened, to_change=True), late=True)
        first.commit()
        record.change(second, record.load(second, opened, to_change=True), late=False)
        second.commit()
    office.close()


def test_a_refused_statement_is_told_without_its_values(state_database: Engine) -> None:
    """Names and phones do not follow the statement into an error, and so not into a log."""
    row = {"subject": "s", "external_id": None, "name": "Sun Mei", "phone": "555"}
    with pytest.raises(IntegrityError) as refused, state_database.begin() as connection:
        connection.execute(insert(devices.tables.resident), row)
    statement = str(refused.value).partition("[SQL")[2]
    assert "INSERT INTO resident" in statement
    assert "Sun Mei" not in statement


async def test_the_console_works_on_it(tmp_path: Path, postgresql: PostgreSQL) -> None:
    """Signing in, a case, a note and a name are as on SQLite."""
    world = make_world(tmp_path, database_url=postgresql.database())
    case = world.find()
    async with visit(world, "worker") as client:
        assert case in (await client.get("/")).text
        assert (await submit(client, f"/incidents/{case}/acknowledge")).status_code == 303
        assert (await submit(client, f"/incidents/{case}/note", note="门口")).status_code == 303
        opened = await submit(client, f"/incidents/{case}/person", reason="fever")
        assert opened.status_code == 200
        assert "门口" in (await client.get(f"/incidents/{case}")).text
    world.engine.dispose()


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/sign-in", {"name": "a\0b", "password": "x" * 12}),
        ("/incidents/CASE/person", {"reason": "fever\0"}),
        ("/reading/person", {"building": "b3", "flat": "1\0"}),
    ],
)
async def test_text_it_cannot_keep_is_refused(
    path: str, fields: dict[str, str], tmp_path: Path, postgresql: PostgreSQL
) -> None:
    """A zero character, which SQLite keeps and PostgreSQL does not, is bad input and no crash."""
    world = make_world(tmp_path, database_url=postgresql.database())
    path = path.replace("CASE", world.find())
    async with visit(world, "worker") as client:
        assert (await submit(client, path, **fields)).status_code == 422
    world.engine.dispose()


def test_of_two_answers_at_once_the_second_is_refused(
    postgresql: PostgreSQL, tmp_path: Path
) -> None:
    """Whose a reading is, said twice at one moment: it is never two people's."""
    world = make_world(tmp_path, database_url=postgresql.database())
    family, engine, registry = Family(world), world.engine, world.context.registry()

    def answer(connection: Connection) -> int:
        shared = attribution.find_readings(connection, registry, "h-502")
        said = Answer(shared[0].name, Whose.VISITOR, None, 0)
        return attribution.attribute(
            connection, registry, family.case.id, [said], actor="worker-1", now=NOW
        )

    def answer_later() -> int:
        with engine.begin() as connection:
            return answer(connection)

    waits = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as first, engine.connect() as watching:
            assert answer(first) == 1
            second = pool.submit(answer_later)
            wait_until(
                lambda: second.done() or watching.scalar(waits),
                seconds=20,
                what="the second answer to wait",
            )
        with pytest.raises(ActRefused, match="answered meanwhile"):
            second.result(20)
    engine.dispose()
