"""Messages that could not be used: in groups, one with its outline, and what a person does of it.

A person settles a group at once: the open letters of the same topic, device and reason. Who does,
and why, is recorded before it is done.
"""

from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from dashboards import access, audit
from dashboards.access import Page
from dashboards.audit import Action
from dashboards.console.context import ConsoleContext
from dashboards.console.pages.person import REASON
from dashboards.console.pipeline_status import hear_pipeline
from dashboards.console.view import render
from dashboards.console.visit import Context, SignedIn, Viewer
from dashboards.masked import mask
from devices.outcome import DeadLetterReason
from ingest import dead_letter
from ingest.dead_letter import Letter, Selection
from ingest.ledger_file import NAME, LedgerRefused
from ingest.letter_file import LetterState

router = APIRouter(prefix="/dead-letters")
LAST_POSITION = 2**63 - 1
SHOWN = (LetterState.OPEN, LetterState.EXPIRED)
"""What waits for somebody first, then what is only counted."""


@router.get("")
def show_groups(
    request: Request,
    context: Context,
    viewer: Viewer,
    reason: DeadLetterReason | Literal[""] = "",
    discarded: int = 0,
) -> Response:
    """Show what could not be used and nobody has settled, alike together."""
    _require(viewer)
    try:
        groups = [
            group
            for state in SHOWN
            for group in dead_letter.groups(
                _ledger(context), Selection(reason=reason or None, state=state)
            )
        ]
    except LedgerRefused:
        groups = []
    return render(
        request,
        viewer.visit,
        "dead_letters.html",
        groups=groups,
        total=sum(group.count for group in groups),
        is_cut=len(groups) >= dead_letter.GROUPS,
        reason=reason,
        reasons=tuple(DeadLetterReason),
        discarded=discarded,
    )


@router.get("/{position}")
def show_letter(
    request: Request,
    context: Context,
    viewer: Viewer,
    position: int,
    tried: bool = False,
    asked: int = 0,
) -> Response:
    """Show one: where it came from, why it could not be used, its outline, and those like it.

    ``tried`` says what a replay of its group would come to today, ``asked`` how many letters were
    just asked to be replayed.
    """
    _require(viewer)
    return _render(request, context, viewer, _find(context, position), tried=tried, asked=asked)


@router.post("/{position}/replay")
def replay(context: Context, viewer: Viewer, position: int) -> Response:
    """Ask the service to send the letter's group through today's profiles."""
    _require(viewer)
    letter = _find(context, position, must_be_open=True)
    _record(context, viewer, Action.REPLAYED_LETTERS, letter)
    asked = dead_letter.request_replay(_ledger(context), letter.group)
    return RedirectResponse(f"/dead-letters/{position}?asked={len(asked)}", 303)


@router.post("/{position}/discard")
def discard(
    request: Request,
    context: Context,
    viewer: Viewer,
    position: int,
    reason: Annotated[str, Form(max_length=REASON.stop)] = "",
) -> Response:
    """Give the letter's group up, for a reason; without one nothing is done."""
    _require(viewer)
    letter = _find(context, position, must_be_open=True)
    reason = reason.strip()
    if len(reason) not in REASON:
        return _render(request, context, viewer, letter, problem="reason", status=422)
    _record(context, viewer, Action.DISCARDED_LETTERS, letter, reason=reason)
    count = dead_letter.discard(_ledger(context), letter.group, note=reason)
    return RedirectResponse(f"/dead-letters?discarded={count}", 303)


def _render(
    request: Request,
    context: ConsoleContext,
    viewer: SignedIn,
    letter: Letter,
    *,
    tried: bool = False,
    asked: int = 0,
    problem: str = "",
    status: int = 200,
) -> Response:
    ledger, is_open = _ledger(context), letter.state == LetterState.OPEN
    group = next(iter(dead_letter.groups(ledger, letter.group)), None) if is_open else None
    outcomes = dead_letter.rehearse(ledger, letter.group, context.decode) if tried else None
    return render(
        request,
        viewer.visit,
        "dead_letter.html",
        status=status,
        letter=letter,
        group=group,
        outline=mask(letter.payload),
        outcomes=outcomes,
        asked=asked,
        problem=problem,
        is_running=hear_pipeline(context.data_dir).is_fresh,
    )


def _find(context: ConsoleContext, position: int, *, must_be_open: bool = False) -> Letter:
    """Return the letter of a position, or answer that there is none."""
    try:
        is_position = 0 < position <= LAST_POSITION
        found = dead_letter.letter(_ledger(context), position) if is_position else None
    except LedgerRefused:
        found = None
    if found is None or (must_be_open and found.state != LetterState.OPEN):
        raise HTTPException(404)
    return found


def _record(
    context: ConsoleContext, viewer: SignedIn, action: Action, letter: Letter, reason: str = ""
) -> None:
    with context.database.begin() as connection:
        audit.record(
            connection,
            action,
            account=viewer.account.name,
            now=context.clock.now(),
            about=f"dead_letter:{letter.position}",
            reason=reason,
        )


def _require(viewer: SignedIn) -> None:
    if not access.may_visit(viewer.account, Page.DEAD_LETTERS):
        raise HTTPException(403)


def _ledger(context: ConsoleContext) -> Path:
    return context.data_dir / NAME
