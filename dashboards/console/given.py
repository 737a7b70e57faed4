"""What an unknown device would give, in words; of a body no value, of a gate no person."""

import gettext
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dashboards.console.words import speaker

_KILO = 1_000

Given = Mapping[str, Any]
"""An observation as :func:`devices.matcher.masked` leaves it."""


def given_speaker(translations: gettext.NullTranslations) -> Callable[[Given], str]:
    """Return what says in a language what one observation tells."""

    def said(given: Given) -> str:
        text = ", ".join(_parts(given, translations))
        channel = given.get("channel")
        return f"{text} ({channel})" if channel else text

    return said


def _parts(given: Given, translations: gettext.NullTranslations) -> Iterator[str]:
    _, word = translations.gettext, speaker(translations)
    match given["kind"]:
        case "temperature" if "celsius" in given:
            yield _("room temperature %(value)s °C") % {"value": f"{given['celsius']:g}"}
        case "temperature":
            site = word("body_site", given.get("body_site", "unknown"))
            yield _("body temperature (%(site)s)") % {"site": site}
        case "electricity":
            if "power_w" in given:
                yield _("power %(value)s W") % {"value": f"{given['power_w']:,g}"}
            if "energy_wh" in given:
                value = f"{given['energy_wh'] / _KILO:,g}"
                yield _("meter reading %(value)s kWh") % {"value": value}
        case "crossing":
            yield _("people passing a gate")
        case "lit_window":
            yield _("a window, lit or dark")
        case _:
            yield from _status(given, translations)


def _status(given: Given, translations: gettext.NullTranslations) -> Iterator[str]:
    _ = translations.gettext
    if "online" in given:
        yield _("online") if given["online"] else _("offline")
    if "battery" in given:
        yield _("battery %(value)s %%") % {"value": f"{given['battery']:g}"}
    if "signal" in given:
        yield _("signal %(value)s") % {"value": f"{given['signal']:g}"}
    if "sequence" in given:
        yield _("a running number")
