"""Accounts, sessions and sign-in links on a real database."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from dashboards import account, audit, session, tables
from dashboards.account import Account, AccountError
from devices.clock import MINUTE
from devices.registry import Role
from gatehouse.database import create

NOW = 1_700_000_000_000
PASSWORD = "correct horse battery"
SUN = Account(name="sun", role=Role.SECRETARY, site="xhk", worker="w-1")


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    engine = create(f"sqlite:///{tmp_path / 'state.db'}")
    with engine.begin() as opened:
        tables.metadata.create_all(opened)
        account.create(opened, SUN, password=PASSWORD, now=NOW)
        yield opened
    engine.dispose()


def test_right_password_opens_the_account(connection: Connection) -> None:
    """The account comes back as it was made; a wrong password or name gives nothing."""
    assert account.verify(connection, "sun", PASSWORD) == SUN
    assert account.verify(connection, "sun", PASSWORD + "x") is None
    assert account.verify(connection, "wu", PASSWORD) is None


def test_password_is_not_kept(connection: Connection) -> None:
    """What stands in the database is an argon2id hash."""
    kept = connection.execute(select(tables.account.c.password_hash)).scalar_one()
    assert kept.startswith("$argon2id$")
    assert PASSWORD not in kept


@pytest.mark.parametrize(
    ("new", "password", "says"),
    [
        (SUN, PASSWORD, "exists already"),
        (Account(name="Sun!", role=Role.OPERATOR), PASSWORD, "a-z"),
        (Account(name="li", role=Role.OPERATOR), "short", "at least 10"),
        (Account(name="li", role=Role.GRID_WORKER, site="xhk"), PASSWORD, "grid"),
        (Account(name="li", role=Role.SECRETARY), PASSWORD, "site"),
    ],
)
def test_odd_accounts_are_refused(
    connection: Connection, new: Account, password: str, says: str
) -> None:
    """An account that could see nothing, or be guessed, is not made."""
    with pytest.raises(AccountError, match=says):
        account.create(connection, new, password=password, now=NOW)


def test_account_without_password_is_entered_by_links_only(connection: Connection) -> None:
    """No password, not even an empty one, opens it."""
    account.create(connection, Account(name="demo", role=Role.OPERATOR), password=None, now=NOW)
    assert account.verify(connection, "demo", "") is None
    token = account.issue_link(connection, "demo", now=NOW)
    used = account.consume_link(connection, token, now=NOW)
    assert used is not None
    assert used.name == "demo"


def test_link_works_once(connection: Connection) -> None:
    """The second use of a link finds nothing."""
    token = account.issue_link(connection, "sun", now=NOW)
    assert account.consume_link(connection, token, now=NOW) == SUN
    assert account.consume_link(connection, token, now=NOW) is None


def test_link_expires(connection: Connection) -> None:
    """A link found in an old message signs nobody in."""
    token = account.issue_link(connection, "sun", now=NOW, lasts=MINUTE)
    assert account.consume_link(connection, token, now=NOW + MINUTE) is None


def test_link_is_kept_as_a_digest(connection: Connection) -> None:
    """Whoever reads the database cannot use its links."""
    token = account.issue_link(connection, "sun", now=NOW)
    kept = connection.execute(select(tables.sign_in_link.c.token_hash)).scalar_one()
    assert kept != token
    assert account.consume_link(connection, kept, now=NOW) is None


def test_disabling_ends_sessions_and_links(connection: Connection) -> None:
    """From that moment neither password, session nor link opens the account; it stays listed."""
    secret = session.begin(connection, "sun", now=NOW)
    token = account.issue_link(connection, "sun", now=NOW)
    account.disable(connection, "sun")
    assert session.resume(connection, secret, now=NOW) is None
    assert account.consume_link(connection, token, now=NOW) is None
    assert account.verify(connection, "sun", PASSWORD) is None
    with pytest.raises(AccountError, match="disabled"):
        account.issue_link(connection, "sun", now=NOW)
    assert [one.disabled for one in account.find_all(connection)] == [True]


def test_session_ends_when_idle_and_after_its_longest(connection: Connection) -> None:
    """Use keeps it awake, but not for ever."""
    secret = session.begin(connection, "sun", now=NOW)
    assert session.resume(connection, secret, now=NOW + session.IDLE - 1) is not None
    assert session.resume(connection, secret, now=NOW + session.IDLE) is None
    at = NOW
    while at < NOW + session.LASTS - session.IDLE:
        at += session.IDLE - 1
        assert session.resume(connection, secret, now=at) == (SUN, True)
        session.mark_seen(connection, secret, now=at)
    assert session.resume(connection, secret, now=NOW + session.LASTS) is None


def test_reading_a_page_seldom_writes(connection: Connection) -> None:
    """A session just seen is not marked again within the minute."""
    secret = session.begin(connection, "sun", now=NOW)
    assert session.resume(connection, secret, now=NOW + session.SEEN_EVERY - 1) == (SUN, False)


def test_session_id_is_kept_as_a_digest_and_ends(connection: Connection) -> None:
    """The row is of no use in a cookie, and signing out removes it."""
    secret = session.begin(connection, "sun", now=NOW)
    kept = connection.execute(select(tables.session.c.id_hash)).scalar_one()
    assert session.resume(connection, kept, now=NOW) is None
    session.end(connection, secret)
    assert session.resume(connection, secret, now=NOW) is None


def test_ended_sessions_are_forgotten(connection: Connection) -> None:
    """The table does not grow with every sign-in of every day."""
    for day in range(5):
        session.begin(connection, "sun", now=NOW + day * session.LASTS)
    assert len(connection.execute(select(tables.session)).all()) == 1


def test_audit_tells_who_what_and_why(connection: Connection) -> None:
    """Entries come back newest first, of one object or of all."""
    for number, about in enumerate(("incident:A", "incident:B", "incident:A")):
        audit.record(
            connection,
            audit.Action.OPENED_PERSON,
            account="sun",
            now=NOW + number,
            about=about,
            reason=f"reason {number}",
        )
    assert [one.reason for one in audit.find(connection, about="incident:A")] == [
        "reason 2",
        "reason 0",
    ]
    assert audit.find(connection, limit=1) == [
        audit.Entry(
            NOW + 2, "sun", audit.Action.OPENED_PERSON, object="incident:A", reason="reason 2"
        )
    ]
