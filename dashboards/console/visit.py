"""Who is asking: the cookie, the session behind it, the form token made from it.

One cookie holds a random id. Signed in, its digest is a row of ``session``; before that it only
ties the sign-in form to the browser. Signing in always makes a new id, so one planted earlier is
worth nothing. The form token is a digest of the id under another name: a page of another site can
neither read the cookie nor make the token.
"""

import hashlib
import hmac
import secrets
from typing import Annotated

import msgspec
from fastapi import Depends, HTTPException, Request, Response

from dashboards import session
from dashboards.account import Account
from dashboards.console.context import ConsoleContext
from dashboards.console.language import choose
from devices.clock import SECOND, wall_now

LANGUAGE_COOKIE = "language"
TOKEN_FIELD = "csrf"  # noqa: S105 - the name of a form field
TOKEN_HEADER = "X-CSRF-Token"  # noqa: S105 - the name of a header
_READS = frozenset({"GET", "HEAD"})
_SECRET_LENGTH = 200


class SignInNeeded(Exception):
    """The page is only for people who signed in; ``path`` is where they wanted to go."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class Visit(msgspec.Struct, frozen=True):
    """One request's browser.

    Attributes:
        secret: The cookie's random id; empty before the first form.
        account: Who signed in, or None.
        language: ``en`` or ``zh``.
        mark: What the live stream had seen before anything was read for the page.
    """

    secret: str
    account: Account | None
    language: str
    mark: str = ""

    @property
    def token(self) -> str:
        """The form token of this browser; empty before it has a cookie."""
        return form_token(self.secret) if self.secret else ""


class SignedIn(msgspec.Struct, frozen=True):
    """A visit of somebody who signed in."""

    visit: Visit
    account: Account


def form_token(secret: str) -> str:
    """Return the token every form of a browser carries."""
    return hashlib.sha256(f"form:{secret}".encode()).hexdigest()


def cookie_name(context: ConsoleContext) -> str:
    """Return the cookie's name; ``__Host-`` makes browsers refuse it from anywhere else."""
    return "__Host-gatehouse" if context.secure else "gatehouse"


def set_cookie(response: Response, context: ConsoleContext, secret: str) -> None:
    """Hand a browser its random id, for no longer than a session may last."""
    response.set_cookie(
        cookie_name(context),
        secret,
        max_age=session.LASTS // SECOND,
        httponly=True,
        samesite="lax",
        secure=context.secure,
    )


def new_secret() -> str:
    """Return a random id for a browser that has not signed in."""
    return secrets.token_urlsafe(32)


def context_of(request: Request) -> ConsoleContext:
    """Return what the console was given."""
    context: ConsoleContext = request.app.state.context
    return context


def unknown(request: Request) -> Visit:
    """Return the browser as it is known without asking the database: nobody, in its language.

    It keeps its cookie, so that whoever signed in stays so once the database answers again.
    """
    context, mark = context_of(request), str(request.app.state.live.mark)
    language = choose(
        request.cookies.get(LANGUAGE_COOKIE),
        request.headers.get("Accept-Language", ""),
        context.language,
    )
    secret = request.cookies.get(cookie_name(context), "")
    is_ours = 20 <= len(secret) <= _SECRET_LENGTH
    return Visit(secret if is_ours else "", None, language, mark)


def visit(request: Request) -> Visit:
    """Find out who is asking, and keep their session awake."""
    context, asking = context_of(request), unknown(request)
    if not asking.secret:
        return asking
    with context.database.connect() as connection:
        found = session.resume(connection, asking.secret, now=wall_now())
    if found is None:
        return asking
    who, is_due = found
    if is_due:
        with context.database.begin() as connection:
            session.mark_seen(connection, asking.secret, now=wall_now())
    return msgspec.structs.replace(asking, account=who)


def signed_in(request: Request, found: Annotated[Visit, Depends(visit)]) -> SignedIn:
    """Return who is asking, or send them to the sign-in page.

    Raises:
        SignInNeeded: Nobody signed in here, or the session has ended.
    """
    if found.account is None:
        raise SignInNeeded(request.url.path if request.method in _READS else "/")
    return SignedIn(found, found.account)


async def require_token(request: Request) -> None:
    """Refuse whatever changes something without the browser's form token."""
    if request.method in _READS:
        return
    secret = request.cookies.get(cookie_name(context_of(request)), "")
    given = request.headers.get(TOKEN_HEADER)
    if given is None:
        given = str((await request.form()).get(TOKEN_FIELD, ""))
    if not secret or not hmac.compare_digest(form_token(secret).encode(), given.encode()):
        raise HTTPException(403, "form")


AnyVisit = Annotated[Visit, Depends(visit)]
Viewer = Annotated[SignedIn, Depends(signed_in)]
Context = Annotated[ConsoleContext, Depends(context_of)]
