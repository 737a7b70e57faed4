"""From values to a page: templates, one environment for each language."""

import gettext
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context as TemplateContext

from dashboards import access
from dashboards.account import Account
from dashboards.console import language as languages
from dashboards.console import words
from dashboards.console.context import ConsoleContext
from dashboards.console.given import given_speaker
from dashboards.console.visit import Visit, new_secret, set_cookie
from devices.registry import Registry


def build(context: ConsoleContext) -> dict[str, Environment]:
    """Return an environment for each language, templates autoescaped and names checked."""
    return {name: _environment(name, context) for name in languages.LANGUAGES}


def render(
    request: Request,
    visit: Visit,
    template: str,
    *,
    status: int = 200,
    zone: ZoneInfo | None = None,
    **values: Any,
) -> HTMLResponse:
    """Return a page made of a template and values; a browser without a cookie is given one with it.

    Its times are in the zone given, or else in that of the account's site.
    """
    context: ConsoleContext = request.app.state.context
    secret = visit.secret or new_secret()
    asking = msgspec.structs.replace(visit, secret=secret)
    page = request.app.state.environments[visit.language].get_template(template)
    text = page.render(
        visit=asking,
        viewer=visit.account,
        now=context.clock.now(),
        zone=zone or home_zone(visit.account, context.registry()),
        path=request.url.path,
        page=_page_of(request),
        **values,
    )
    response = HTMLResponse(text, status_code=status)
    if not visit.secret:
        set_cookie(response, context, secret)
    return response


def is_fragment(request: Request) -> bool:
    """Return whether the page asks for a part of itself."""
    return request.headers.get("HX-Request") == "true"


def _page_of(request: Request) -> str:
    """Return the address to come back to: of a form's answer that of the page it was on."""
    path = request.url.path
    return path if request.method in {"GET", "HEAD"} else path.rpartition("/")[0] or "/"


def home_zone(account: Account | None, registry: Registry) -> ZoneInfo:
    """Return the zone of the account's site, or of the only or first site there is."""
    if account is not None and account.site is not None:
        return registry.zone(account.site)
    return next(iter(registry.zones.values()), ZoneInfo("UTC"))


def _environment(language: str, context: ConsoleContext) -> Environment:
    environment = Environment(
        loader=PackageLoader("dashboards.console", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    translations = languages.load(language)
    environment.install_gettext_translations(translations, newstyle=True)  # type: ignore[attr-defined]
    environment.filters.update(_time_filters(language, translations))
    environment.globals.update(
        language=language,
        languages=languages.LANGUAGES,
        demo=context.demo,
        version=context.version,
        word=words.speaker(translations),
        why=words.reason_speaker(translations),
        heading=words.incident_speaker(translations),
        evidence_text=words.evidence_speaker(translations),
        failure_text=words.failure_speaker(translations),
        given_text=given_speaker(translations),
        may_visit=lambda viewer, page: access.may_visit(viewer, access.Page(page)),
    )
    return environment


def _time_filters(language: str, translations: gettext.NullTranslations) -> dict[str, Any]:
    @pass_context
    def short(page: TemplateContext, at: int) -> str:
        return languages.short_time(at, now=page["now"], zone=page["zone"], language=language)

    @pass_context
    def exact(page: TemplateContext, at: int) -> str:
        return languages.exact_time(at, zone=page["zone"], language=language)

    @pass_context
    def age(page: TemplateContext, at: int) -> str:
        return languages.age(at, now=page["now"], translations=translations)

    @pass_context
    def day(page: TemplateContext, at: int) -> str:
        return languages.day(at, now=page["now"], zone=page["zone"], language=language)

    def span(milliseconds: int) -> str:
        return languages.span(milliseconds, translations=translations)

    return {"short": short, "exact": exact, "age": age, "day": day, "span": span}
