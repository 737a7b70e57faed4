"""The last stage of a message's way: pages, counted in the state database."""

from alerts.attempt import Result
from alerts.delivery import Totals
from alerts.page import PageState
from ingest.stage import Stage


def outbox_stage(totals: Totals) -> Stage:
    """Return what became of all pages, as a stage like the others; see ingest/stage.py."""
    pages, attempts = totals.pages, totals.attempts
    failed = sum(count for (_, result), count in attempts.items() if result == Result.FAILED)
    ended = (PageState.FAILED, PageState.CANCELLED)
    return Stage(
        "pages",
        sum(pages.values()),
        pages.get(PageState.SENT, 0),
        {"attempt_failed": failed} if failed else {},
        {state.value: pages[state] for state in ended if pages.get(state)},
    )
