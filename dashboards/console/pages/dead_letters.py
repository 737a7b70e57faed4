"""Messages that could not be used: in groups, and one with the outline of its payload."""

from pathlib import Path
from typing import Literal

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from dashboards import access
from dashboards.access import Page
from dashboards.console.view import render
from dashboards.console.visit import Context, SignedIn, Viewer
from dashboards.masked import mask
from devices.outcome import DeadLetterReason
from ingest import dead_letter
from ingest.dead_letter import Selection
from ingest.ledger_file import NAME, LedgerRefused

router = APIRouter(prefix="/dead-letters")
LAST_ID = 2**63 - 1
SHOWN = ("open", "expired")
"""What waits for somebody first, then what was too large to keep and is only counted."""


@router.get("")
def show_groups(
    request: Request, context: Context, viewer: Viewer, reason: DeadLetterReason | Literal[""] = ""
) -> Response:
    """Show what could not be used and nobody has settled, alike together."""
    _require(viewer)
    try:
        ledger = _ledger(context.data_dir)
        groups = [
            group
            for state in SHOWN
            for group in dead_letter.groups(ledger, Selection(reason=reason, state=state))
        ]
    except LedgerRefused:
        groups = []
    return render(
        request,
        viewer.visit,
        "dead_letters.html",
        groups=groups,
        total=sum(group.count for group in groups),
        reason=reason,
        reasons=tuple(DeadLetterReason),
    )


@router.get("/{number}")
def show_letter(request: Request, context: Context, viewer: Viewer, number: int) -> Response:
    """Show one: where it came from, why it could not be used, and its outline."""
    _require(viewer)
    try:
        is_id = 0 < number <= LAST_ID
        found = dead_letter.letter(_ledger(context.data_dir), number) if is_id else None
    except LedgerRefused:
        found = None
    if found is None:
        raise HTTPException(404)
    return render(
        request, viewer.visit, "dead_letter.html", letter=found, outline=mask(found.payload)
    )


def _require(viewer: SignedIn) -> None:
    if not access.may_visit(viewer.account, Page.DEAD_LETTERS):
        raise HTTPException(403)


def _ledger(data_dir: Path) -> Path:
    return data_dir / NAME
