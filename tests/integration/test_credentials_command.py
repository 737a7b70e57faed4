"""``gatehouse credentials`` on a real database, and the snapshot that the intake asks."""

import json
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert, update
from typer.testing import CliRunner, Result

from devices import registry_store
from devices.clock import wall_now
from devices.credential import (
    SECRET_LENGTH,
    CredentialError,
    hash_for_digest,
    hash_secret,
    issue,
    read_broker_hashes,
)
from devices.csv_import import import_folder
from devices.registry_store import RegistryCache, bump
from devices.tables import device, device_credential
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


def make(database: Engine, name: str, *, digest: bool = False, replace: bool = False) -> str:
    """Give a device a credential and return its secret."""
    with database.begin() as connection:
        secret = issue(connection, name, digest=digest, replace=replace, now=wall_now())
        bump(connection)
    return secret


def test_a_secret_is_kept_as_hashes(database: Engine) -> None:
    """It fits the password of a camera; what Digest needs is kept only where it was asked for."""
    secret = make(database, "gate-1")
    assert len(secret) == SECRET_LENGTH == 16
    kept = registry_store.load(database).credentials["gate-1"]
    assert (kept.secret_hash, kept.digest_hash) == (hash_secret(secret), None)
    secret = make(database, "a0:e6:f8", digest=True)
    kept = registry_store.load(database).credentials["a0:e6:f8"]
    assert kept.digest_hash == hash_for_digest("a0:e6:f8", secret)
    listed = json.loads(run("list", "--json").output)
    assert [(one["device"], one["digest"]) for one in listed] == [
        ("a0:e6:f8", True),
        ("gate-1", False),
    ]
    assert "digest" in run("list").output


def test_a_new_credential_voids_the_old_one_when_that_is_said(database: Engine) -> None:
    """Nobody shuts a terminal out by repeating a command."""
    first = make(database, "gate-1")
    with pytest.raises(CredentialError, match="has a credential; --replace voids that one"):
        make(database, "gate-1")
    second = make(database, "gate-1", replace=True)
    kept = registry_store.load(database).credentials["gate-1"].secret_hash
    assert hash_secret(first) != kept == hash_secret(second)


def test_what_cannot_be_done_says_why(database: Engine) -> None:
    """One line that tells what to do."""
    with pytest.raises(CredentialError, match="there is no device 'gate-9'; register it first"):
        make(database, "gate-9")
    with pytest.raises(CredentialError, match="'hall/#' cannot sign in: its id may not hold"):
        make(database, "hall/#")
    with pytest.raises(Failure, match="device 'gate-1' has no credential"):
        run("revoke", "gate-1")


def test_a_credential_from_before_the_broker_knew_it_opens_posts_only(database: Engine) -> None:
    """And the list says so: a new one opens both."""
    make(database, "gate-1")
    with database.begin() as connection:
        connection.execute(update(device_credential).values(broker_hash=None))
        assert read_broker_hashes(connection) == {}
    assert "posts only" in run("list").output
    make(database, "gate-1", replace=True)
    with database.connect() as connection:
        assert set(read_broker_hashes(connection)) == {"gate-1"}
    assert "posts only" not in run("list").output


def test_a_running_service_notices(database: Engine) -> None:
    """Its snapshot has a new credential, and loses a revoked one, without a restart."""
    cache = RegistryCache(database)
    make(database, "gate-1")
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
    make(database, "gate-1")
    folder = write_registry(tmp_path / "registry", [Flat("h1", (("gate-1", "gatehouse"),))])
    import_folder(database, folder, now=1_600_000_000_000)
    assert set(registry_store.load(database).credentials) == {"gate-1"}
