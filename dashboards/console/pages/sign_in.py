"""Signing in by password or by a single-use link, signing out, choosing the language."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from dashboards import account, audit, session
from dashboards.account import Account
from dashboards.console.context import ConsoleContext
from dashboards.console.language import LANGUAGES
from dashboards.console.view import render
from dashboards.console.visit import (
    LANGUAGE_COOKIE,
    AnyVisit,
    Context,
    Viewer,
    Visit,
    cookie_name,
    set_cookie,
)
from dashboards.throttle import Throttle
from devices.clock import DAY, MINUTE, SECOND, wall_now

router = APIRouter()
Text = Annotated[str, Form(max_length=200)]


@router.get("/sign-in")
def show(request: Request, visit: AnyVisit, then: str = "/") -> Response:
    """Show the sign-in form."""
    if visit.account is not None:
        return RedirectResponse(_local(then), 303)
    return render(request, visit, "sign_in.html", then=_local(then), problem="", name="")


@router.post("/sign-in")
def sign_in(
    request: Request,
    context: Context,
    visit: AnyVisit,
    name: Text = "",
    password: Text = "",
    then: Text = "/",
) -> Response:
    """Sign in by name and password."""
    throttle: Throttle = request.app.state.throttle
    name, address, now = name.strip().lower(), _address(request), wall_now()
    wait = throttle.wait(name, address, now=now)
    if wait:
        return _ask_to_wait(request, visit, "sign_in.html", wait, then=then, name=name)
    with context.database.connect() as connection:
        found = account.verify(connection, name, password)
    if found is None:
        throttle.failed(name, address, now=now)
        _record(context, audit.Action.SIGN_IN_REFUSED, name)
        problem = "wrong"
        return render(
            request,
            visit,
            "sign_in.html",
            status=403,
            then=_local(then),
            name=name,
            problem=problem,
        )
    throttle.succeeded(name, address)
    return _begin(context, visit, found, then)


@router.get("/sign-in/link/{token}")
def show_link(request: Request, visit: AnyVisit, token: str) -> Response:
    """Show a button: opening the link, as previews do, does not use it up."""
    return render(request, visit, "sign_in_link.html", link=token[:200], problem="")


@router.post("/sign-in/link")
def use_link(request: Request, context: Context, visit: AnyVisit, link: Text = "") -> Response:
    """Sign in by a link, once."""
    throttle: Throttle = request.app.state.throttle
    address, now = _address(request), wall_now()
    wait = throttle.wait(None, address, now=now)
    if wait:
        return _ask_to_wait(request, visit, "sign_in_link.html", wait, link=link)
    with context.database.begin() as connection:
        found = account.consume_link(connection, link, now=now)
    if found is None:
        throttle.failed(None, address, now=now)
        return render(request, visit, "sign_in_link.html", link="", problem="used", status=403)
    return _begin(context, visit, found, "/")


@router.post("/sign-out")
def sign_out(context: Context, viewer: Viewer) -> Response:
    """End the session here and in SQL."""
    with context.database.begin() as connection:
        session.end(connection, viewer.visit.secret)
    _record(context, audit.Action.SIGNED_OUT, viewer.account.name)
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(
        cookie_name(context), secure=context.secure, httponly=True, samesite="lax"
    )
    return response


@router.post("/language")
def choose_language(context: Context, language: Text = "", then: Text = "/") -> Response:
    """Remember the language for this browser."""
    response = RedirectResponse(_local(then), 303)
    if language in LANGUAGES:
        response.set_cookie(
            LANGUAGE_COOKIE,
            language,
            max_age=365 * DAY // SECOND,
            samesite="lax",
            secure=context.secure,
        )
    return response


def _begin(context: ConsoleContext, visit: Visit, found: Account, then: str) -> Response:
    with context.database.begin() as connection:
        if visit.account is not None:
            session.end(connection, visit.secret)
        secret = session.begin(connection, found.name, now=wall_now())
        audit.record(
            connection, audit.Action.SIGNED_IN, account=found.name, now=context.clock.now()
        )
    response = RedirectResponse(_local(then), 303)
    set_cookie(response, context, secret)
    return response


def _ask_to_wait(
    request: Request,
    visit: Visit,
    template: str,
    wait: int,
    *,
    then: str = "/",
    name: str = "",
    link: str = "",
) -> Response:
    response = render(
        request,
        visit,
        template,
        status=429,
        problem="wait",
        minutes=-(-wait // MINUTE),
        then=_local(then),
        name=name,
        link=link,
    )
    response.headers["Retry-After"] = str(-(-wait // SECOND))
    return response


def _record(context: ConsoleContext, action: audit.Action, name: str) -> None:
    with context.database.begin() as connection:
        audit.record(connection, action, account=name, now=context.clock.now())


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _local(path: str) -> str:
    """Return the path if it stays on this console, else the front page."""
    is_local = path.startswith("/") and not path.startswith(("//", "/\\"))
    return path if is_local and path.isprintable() else "/"
