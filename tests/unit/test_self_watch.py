"""What the operator is told of the service itself."""

import msgspec
import pytest

from alerts.finding import Action, IncidentKind, Severity
from gatehouse.self_watch import alarms_of
from ingest.answer import AnswerStatus
from ingest.books import balance
from ingest.journal_room import JournalStatus
from ingest.ledger_file import Account
from ingest.pipeline import PipelineStatus
from ingest.status import ServiceStatus

NOW = 1_581_681_600_000
JOURNAL = JournalStatus(
    id="j",
    base=1,
    head=10,
    bytes=1,
    max_bytes=100,
    unread_bytes=1,
    limit_bytes=100,
    level="",
    hours_left=71.6,
    problem="",
    files=1,
    damaged_files=0,
    damaged_rows=0,
)


def status(*, stored: int = 10, lost: int = 0, **journal: object) -> ServiceStatus:
    """Return a service that has taken in ten messages and accounted for so many."""
    parts = PipelineStatus(
        sources=[],
        journal=msgspec.structs.replace(JOURNAL, **journal),
        followers={},
        answers=AnswerStatus(0, 0, 0),
        repeats=0,
        in_flight_bytes=0,
        paused=False,
        problem="",
        frontier=NOW,
    )
    account = Account("j", 10, {"stored": stored, "lost": lost})
    return ServiceStatus(
        at=NOW,
        wall_at=NOW,
        version="0",
        broker="b",
        pipeline=parts,
        books=balance(account, head=10),
        judged={},
    )


def test_a_service_that_is_well_raises_nothing() -> None:
    """Balanced books and an empty journal are no alarm."""
    assert alarms_of(status()) == {}


@pytest.mark.parametrize(
    ("level", "filled", "severity"),
    [
        ("half", "50 %", Severity.MINOR),
        ("high", "80 %", Severity.MAJOR),
        ("full", "100 %", Severity.CRITICAL),
    ],
)
def test_a_filling_journal_rises_with_its_level(
    level: str, filled: str, severity: Severity
) -> None:
    """The operator is told at 50 %, 80 % and when it is full, with the hours left."""
    found = alarms_of(status(level=level))["journal_filling"]
    assert (found.action, found.kind, found.severity) == (
        Action.OPEN,
        IncidentKind.SYSTEM,
        severity,
    )
    assert found.evidence == {"filled": filled, "hours_left": "0" if level == "full" else "72"}


def test_a_journal_that_takes_nothing_is_full_whatever_its_level() -> None:
    """A disk that refuses to write is as urgent as a bound that is reached."""
    found = alarms_of(status(problem="no space left"))["journal_filling"]
    assert found.severity is Severity.CRITICAL


@pytest.mark.parametrize("account", [{"stored": 9}, {"stored": 9, "lost": 1}])
def test_books_that_do_not_balance_are_told(account: dict[str, int]) -> None:
    """A message that is nowhere, and one lost with a damaged file, are both an alarm."""
    assert set(alarms_of(status(**account))) == {"books_unbalanced"}
