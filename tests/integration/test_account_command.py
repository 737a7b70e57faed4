"""``gatehouse accounts`` on a real database."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from dashboards import account
from devices.clock import wall_now
from gatehouse.cli import make_app
from gatehouse.database import create, migrate
from gatehouse.failure import Failure

PASSWORD = "a long enough password"


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh, migrated state database that the settings name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEHOUSE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("GATEHOUSE_CONSOLE_URL", "https://gate.example")
    engine = create(f"sqlite:///{tmp_path / 'state.db'}")
    migrate(engine)
    engine.dispose()
    return tmp_path


def run(*arguments: str, typed: str = "") -> Result:
    result = CliRunner().invoke(make_app(), ["accounts", *arguments], input=typed)
    if isinstance(result.exception, Failure):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def hire(name: str = "sun") -> Result:
    return run(
        *("create", name, "--role", "grid_worker", "--site", "xhk", "--grid", "g1"),
        "--password-stdin",
        typed=f"{PASSWORD}\n",
    )


def test_an_account_is_made_and_listed(data_dir: Path) -> None:
    """The password from standard input opens it, and no list shows it."""
    hire()
    [listed] = json.loads(run("list", "--json").output)
    assert (listed["name"], listed["role"], listed["grids"]) == ("sun", "grid_worker", ["g1"])
    assert not any("password" in key for key in listed)
    engine = create(f"sqlite:///{data_dir / 'state.db'}")
    with engine.connect() as connection:
        assert account.verify(connection, "sun", PASSWORD) is not None
    engine.dispose()


def test_a_password_is_made_when_none_is_given(data_dir: Path) -> None:
    """It is printed once and works."""
    output = run("create", "ops", "--role", "operator").output
    made = output.partition("(shown only now): ")[2].strip()
    engine = create(f"sqlite:///{data_dir / 'state.db'}")
    with engine.connect() as connection:
        assert account.verify(connection, "ops", made) is not None
    engine.dispose()


def test_a_link_is_printed_and_works_once(data_dir: Path) -> None:
    """The address is the console's own, and its token signs in."""
    hire()
    address = run("link", "sun").output.strip()
    assert address.startswith("https://gate.example/sign-in/link/")
    engine = create(f"sqlite:///{data_dir / 'state.db'}")
    with engine.begin() as connection:
        found = account.consume_link(connection, address.rpartition("/")[2], now=wall_now())
    engine.dispose()
    assert found is not None
    assert found.name == "sun"


def test_a_disabled_account_stays_listed_and_gets_no_link() -> None:
    """What somebody did stays theirs; they do not come back in."""
    hire()
    run("disable", "sun")
    assert "disabled" in run("list").output
    with pytest.raises(Failure, match="disabled"):
        run("link", "sun")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("create", "sun", "--role", "operator", "--without-password"), "exists already"),
        (("create", "li", "--role", "secretary", "--without-password"), "needs a site"),
        (("create", "L i", "--role", "operator", "--without-password"), "a-z"),
        (
            ("create", "li", "--role", "operator", "--without-password", "--password-stdin"),
            "choose one",
        ),
        (("disable", "wu"), "no account"),
        (("link", "wu"), "no account"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(arguments: tuple[str, ...], says: str) -> None:
    """The sentence names what is wrong."""
    hire()
    with pytest.raises(Failure, match=says) as refused:
        run(*arguments)
    assert "\n" not in str(refused.value)
