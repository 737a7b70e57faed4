"""English and Simplified Chinese: catalogues, the choice between them, times in a site's zone."""

import gettext
import io
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_datetime
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from devices.clock import DAY, HOUR, MINUTE, SECOND

LANGUAGES: Mapping[str, str] = {"en": "English", "zh": "中文"}
LOCALE_DIR = Path(__file__).parent / "locale"
_LOCALES = {"en": Locale("en", "GB"), "zh": Locale("zh", "CN", script="Hans")}
_SHORT = {"en": "d MMM HH:mm", "zh": "M月d日 HH:mm"}
_DAY = {"en": "d MMM", "zh": "M月d日"}
_DAY_OF_YEAR = {"en": "d MMM y", "zh": "y年M月d日"}
_EXACT = {"en": "d MMM y, HH:mm:ss", "zh": "y年M月d日 HH:mm:ss"}


def load(language: str) -> gettext.NullTranslations:
    """Return the catalogue of a language; English is what the source says."""
    path = LOCALE_DIR / language / "LC_MESSAGES" / "console.po"
    if not path.exists():
        return gettext.NullTranslations()
    with path.open("rb") as file:
        catalogue = read_po(file, locale=language)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def choose(cookie: str | None, accept: str, default: str) -> str:
    """Return the language to speak.

    Args:
        cookie: What the person chose before, or None.
        accept: The browser's Accept-Language header, in its order of preference.
        default: For a browser that asks for neither.
    """
    if cookie is not None and cookie in LANGUAGES:
        return cookie
    for wish in accept[:200].split(","):
        tag = wish.split(";")[0].strip().lower()[:2]
        if tag in LANGUAGES:
            return tag
    return default


def short_time(at: int, *, now: int, zone: ZoneInfo, language: str) -> str:
    """Return a time as a person says it: the hour alone when it is the same day there."""
    moment, today = _local(at, zone), _local(now, zone)
    if moment.date() == today.date():
        return moment.strftime("%H:%M")
    return format_datetime(moment, _SHORT[language], locale=_LOCALES[language])


def day(at: int, *, now: int, zone: ZoneInfo, language: str) -> str:
    """Return a day, its year where that is another one, and the hour where it is no midnight."""
    moment, today = _local(at, zone), _local(now, zone)
    form = (_DAY if moment.year == today.year else _DAY_OF_YEAR)[language]
    text = format_datetime(moment, form, locale=_LOCALES[language])
    return text if (moment.hour, moment.minute) == (0, 0) else f"{text} {moment:%H:%M}"


def exact_time(at: int, *, zone: ZoneInfo, language: str) -> str:
    """Return date and time to the second in the site's zone."""
    return format_datetime(_local(at, zone), _EXACT[language], locale=_LOCALES[language])


def age(at: int, *, now: int, translations: gettext.NullTranslations) -> str:
    """Return how long ago something was, in its largest unit."""
    passed = max(0, now - at)
    say = translations.ngettext
    if passed < MINUTE:
        return translations.gettext("just now")
    if passed < HOUR:
        n = passed // MINUTE
        return say("%(num)d minute ago", "%(num)d minutes ago", n) % {"num": n}
    if passed < DAY:
        n = passed // HOUR
        return say("%(num)d hour ago", "%(num)d hours ago", n) % {"num": n}
    n = passed // DAY
    return say("%(num)d day ago", "%(num)d days ago", n) % {"num": n}


def span(milliseconds: int, *, translations: gettext.NullTranslations) -> str:
    """Return how long something is, in whole numbers of its largest unit."""
    if milliseconds < HOUR:
        return translations.gettext("%(num)d min") % {"num": milliseconds // MINUTE}
    if milliseconds < DAY:
        return translations.gettext("%(num)d h") % {"num": milliseconds // HOUR}
    return translations.gettext("%(num)d d") % {"num": milliseconds // DAY}


def _local(at: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(at / SECOND, UTC).astimezone(zone)
