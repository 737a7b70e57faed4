"""What one temperature is worth: rounded, plausible, by which instrument, how severe."""

from alerts.finding import SEVERITIES, Severity
from alerts.rules.readings import (
    ASKS_AGAIN,
    CHECKPOINT,
    CONTACT,
    LOW,
    UNTIMED,
    Reading,
    identify,
)
from alerts.thresholds import FeverTenths, FeverThresholds, tenths
from devices.observation import BodySite, Temperature, TimeSource
from devices.registry import Place, PlaceKind, ResidentClass

CONTACT_SITES = frozenset({BodySite.AXILLARY, BodySite.ORAL, BodySite.TYMPANIC})
GUARDED = frozenset({PlaceKind.CHECKPOINT, PlaceKind.GATE})
_RECTAL, _BACKLOG = BodySite.RECTAL, TimeSource.BACKLOG
RAISED_CLASSES = frozenset(
    {ResidentClass.CLOSE_CONTACT, ResidentClass.HOME_ISOLATION, ResidentClass.SUSPECTED}
)


def read(
    observation: Temperature, limits: FeverThresholds, *, is_checkpoint: bool
) -> Reading | None:
    """Return a body temperature as a rule sees it.

    Returns:
        None where it says nothing: not a living body's, or infrared in air too cold or too warm.
    """
    value, levels = tenths(observation.celsius), limits.tenths
    is_plausible = levels.plausible_from <= value <= levels.plausible_to
    if not is_plausible or _is_inconclusive(observation, limits):
        return None
    marks = CHECKPOINT if is_checkpoint else 0
    if _is_contact(observation.body_site, value, levels):
        marks |= CONTACT
    if observation.time_source is _BACKLOG:
        marks |= UNTIMED
    if value < levels.low:
        marks |= LOW
    if value >= _asks_again_from(observation, levels):
        marks |= ASKS_AGAIN
    return Reading(observation.observed_at, value, marks, identity(observation))


def identity(observation: Temperature) -> int:
    """Return what stays the same when a device sends a reading twice."""
    device, channel = observation.device_id, observation.channel
    if observation.event_id is not None:
        return identify(f"{device}|{channel}|{observation.event_id}")
    return identify(f"{device}|{channel}|{observation.observed_at}|{observation.celsius}")


def severity(value: int, limits: FeverThresholds, *, raised: bool) -> Severity:
    """Return how bad so many tenths of a degree are.

    Args:
        value: Tenths of a degree.
        limits: The site's numbers.
        raised: True for contacts, isolated and suspected people: one step higher.
    """
    level = (value >= limits.tenths.high) + (value >= limits.tenths.critical)
    return SEVERITIES[min(level + raised, len(SEVERITIES) - 1)]


def is_guarded(place: Place | None) -> bool:
    """Return whether people are measured there as they pass."""
    return place is not None and place.kind in GUARDED


def _is_contact(site: BodySite, value: int, levels: FeverTenths) -> bool:
    """Return whether a reading counts as a contact one; an unlabelled site never does."""
    if site is _RECTAL:
        return value >= levels.rectal
    return site in CONTACT_SITES


def _is_inconclusive(observation: Temperature, limits: FeverThresholds) -> bool:
    """Return whether the air was too cold or too warm for infrared; nobody knows is not."""
    air = observation.ambient_celsius
    if air is None or observation.body_site in CONTACT_SITES | {_RECTAL}:
        return False
    return not limits.ambient_from_celsius <= air <= limits.ambient_to_celsius


def _asks_again_from(observation: Temperature, levels: FeverTenths) -> int:
    """Return from where on to measure again, on the scale the value is given in.

    An infrared thermometer that prints an armpit's or a mouth's equivalent is on their scale;
    it stays infrared in everything else.
    """
    scale = observation.adjusted_to or observation.body_site
    if scale is _RECTAL:
        return levels.rectal
    return levels.contact if scale in CONTACT_SITES else levels.infrared
