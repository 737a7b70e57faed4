"""``gatehouse credentials`` on a real database, and the snapshot that the intake asks."""

import json
import re
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert
from typer.testing import CliRunner, Result

from devices import registry_store
from devices.credential import SECRET_LENGTH, hash_for_digest, hash_secret
from devices.csv_import import import_folder
from devices.registry_store import RegistryCache
from devices.tables import device
from gatehouse.cli import make_app
from gatehouse.database import create, migrate
from gatehouse.failure import Failure
from tests.registry_folder import Flat, write_registry
from tests.servers import wait_until


@pytest.fixture(autouse=True)
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """A migrated state database with two devices, which the settings name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEHOUSE_DATA_DIR", str(tmp_path))
    engine = create(f"sqlite:///{tmp_path / 'state.db'}")
    migrate(engine)
    with engine.begin() as connection:
        for name in ("gate-1", "a0:e6:f8", "hall/2"):
            connection.execute(insert(device).values(id=name, profile="hikvision_isapi"))
    return engine


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(make_app(), ["credentials", *arguments])
    if isinstance(result.exception, Failure):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def make(*arguments: str) -> str:
    """Make a credential and return its secret."""
    found = re.search(r"\(shown only now\): (\S+)$", run("create", *arguments).output)
    assert found
    return found[1]


def test_a_secret_is_shown_once_and_kept_as_a_hash(database: Engine, tmp_path: Path) -> None:
    """It fits the password of a camera; neither the database nor a list shows it."""
    secret = make("gate-1")
    assert len(secret) == SECRET_LENGTH == 16
    kept = registry_store.load(database).credentials["gate-1"]
    assert (kept.secret_hash, kept.digest_hash) == (hash_secret(secret), None)
    [listed] = json.loads(run("list", "--json").output)
    assert (listed["device"], listed["digest"]) == ("gate-1", False)
    assert secret not in run("list").output
    database.dispose()
    files = [path for path in tmp_path.iterdir() if path.is_file()]
    assert files
    assert not any(secret.encode() in path.read_bytes() for path in files)


def test_the_path_is_one_that_can_be_typed_into_a_terminal(database: Engine) -> None:
    """An id of any letters is written as a URL has it; a MAC address stays as it is."""
    with database.begin() as connection:
        connection.execute(insert(device).values(id="北门 1", profile="gatehouse"))
    assert run("create", "北门 1").output.startswith("path /intake/%E5%8C%97%E9%97%A8%201  user")
    assert run("create", "a0:e6:f8").output.startswith("path /intake/a0:e6:f8  user a0:e6:f8")


def test_digest_is_kept_only_where_it_was_asked_for(database: Engine) -> None:
    """What Digest needs is as good as the secret, so a terminal has to insist."""
    secret = make("a0:e6:f8", "--digest")
    kept = registry_store.load(database).credentials["a0:e6:f8"]
    assert kept.digest_hash == hash_for_digest("a0:e6:f8", secret)
    assert "digest" in run("list").output


def test_a_new_credential_voids_the_old_one_when_that_is_said(database: Engine) -> None:
    """Nobody shuts a terminal out by repeating a command."""
    first = make("gate-1")
    with pytest.raises(Failure, match="'gate-1' has a credential; --replace voids that one"):
        run("create", "gate-1")
    second = make("gate-1", "--replace")
    kept = registry_store.load(database).credentials["gate-1"].secret_hash
    assert hash_secret(first) != kept == hash_secret(second)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("create", "gate-9"), "there is no device 'gate-9'; register it first"),
        (("create", "hall/2"), "'hall/2' cannot post: its id may not hold"),
        (("revoke", "gate-1"), "device 'gate-1' has no credential"),
    ],
)
def test_what_cannot_be_done_says_why(arguments: tuple[str, ...], sentence: str) -> None:
    """One line that tells what to do."""
    with pytest.raises(Failure, match=re.escape(sentence)):
        run(*arguments)


def test_a_running_service_notices(database: Engine) -> None:
    """Its snapshot has a new credential, and loses a revoked one, without a restart."""
    cache = RegistryCache(database)
    make("gate-1")
    wait_until(lambda: "gate-1" in cache.current().credentials)
    run("revoke", "gate-1")
    wait_until(lambda: not cache.current().credentials)


def test_a_database_of_the_version_before_is_brought_along(tmp_path: Path) -> None:
    """Its devices stay, and none of them may post until somebody says so."""
    engine = create(f"sqlite:///{tmp_path / 'before.db'}")
    migrate(engine, target="0001")
    with engine.begin() as connection:
        connection.execute(insert(device).values(id="gate-1", profile="huaan_face_terminal"))
    assert migrate(engine) == "0001"
    registry = registry_store.load(engine)
    assert (set(registry.devices), registry.credentials) == ({"gate-1"}, {})
    engine.dispose()


def test_an_import_leaves_credentials_alone(database: Engine, tmp_path: Path) -> None:
    """They are no part of the files, and survive whatever those say."""
    make("gate-1")
    folder = write_registry(tmp_path / "registry", [Flat("h1", (("gate-1", "gatehouse"),))])
    import_folder(database, folder, now=1_600_000_000_000)
    assert set(registry_store.load(database).credentials) == {"gate-1"}
