"""Fixtures every layer shares. A missing server skips, or fails under --require-servers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy
from hypothesis import settings

from gatehouse.database import create, migrate
from tests.install_servers import PROGRAMS, find_program
from tests.servers import InfluxDB, Mosquitto, PostgreSQL
from tests.state import empty, open_state


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require-servers",
        action="store_true",
        help="fail instead of skipping when a server is not installed",
    )


settings.register_profile("gatehouse", deadline=None)  # How fast is what the bench asks.
settings.load_profile("gatehouse")

LAYERS = ("scenario", "fault", "browser", "integration", "property", "docs", "unit")
"""In this order workers take files: those that take longest first, so that none is left over."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        tests = Path(__file__).parent
        items.sort(key=lambda item: LAYERS.index(item.path.relative_to(tests).parts[0]))


@pytest.fixture(scope="session")
def program(request: pytest.FixtureRequest):  # type: ignore[no-untyped-def]
    """Return the path of a system program, or skip (fail under --require-servers)."""

    def find(name: str) -> str:
        found = find_program(name)
        if found:
            return found
        sentence = f"{name} is not installed: apt-get install {PROGRAMS.get(name, name)}"
        if request.config.getoption("--require-servers"):
            pytest.fail(sentence)
        pytest.skip(sentence)

    return find


@pytest.fixture
def mosquitto(tmp_path: Path, program) -> Iterator[Mosquitto]:  # type: ignore[no-untyped-def]
    """A real mosquitto, started."""
    program("mosquitto")
    server = Mosquitto(tmp_path / "mosquitto").start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def influxdb_server(
    tmp_path_factory: pytest.TempPathFactory,
    program,  # type: ignore[no-untyped-def]
) -> Iterator[InfluxDB]:
    """A real influxd for a whole module; tests that stop it take ``influxdb``."""
    program("influxd")
    server = InfluxDB(tmp_path_factory.mktemp("influxdb")).start()
    yield server
    server.stop()


@pytest.fixture
def influxdb(tmp_path: Path, program) -> Iterator[InfluxDB]:  # type: ignore[no-untyped-def]
    """A real influxd, started, for one test."""
    program("influxd")
    server = InfluxDB(tmp_path / "influxdb").start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgresql(program) -> Iterator[PostgreSQL]:  # type: ignore[no-untyped-def]
    """A real PostgreSQL for all tests; each takes a database of its own from it."""
    server = PostgreSQL(Path(program("initdb")).parent).start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def migrated_postgresql(postgresql: PostgreSQL) -> str:
    """Address of a database with the service's schema, for all tests that take it empty."""
    url = postgresql.database()
    engine = create(url)
    migrate(engine)
    engine.dispose()
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def state_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sqlalchemy.Engine]:
    """An empty state database of either kind, with the service's schema."""
    if request.param == "sqlite":
        engine = open_state(tmp_path)
    else:
        engine = create(request.getfixturevalue("migrated_postgresql"))
        empty(engine)
    yield engine
    engine.dispose()
