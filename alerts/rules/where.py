"""Where and about whom a finding is, as registry ids as of the time of observation."""

from typing import Any

from devices.registry import Place, Registry


def locate(
    registry: Registry, place: Place | None, when: int, *, subject: str | None = None
) -> dict[str, Any]:
    """Return site, grid, building, household, gate and subject of a finding, by those names.

    A person's own flat says grid and building where the place does not: whoever is measured at
    the gate of the compound they live in belongs to the worker of their grid.

    Args:
        registry: Snapshot.
        place: Where the device stood; None where it was bound nowhere.
        when: Time of observation; milliseconds UTC.
        subject: Who it is about, where that is known.
    """
    found: dict[str, Any] = {"subject": subject}
    if place is not None:
        found |= {
            "site": place.site,
            "grid": place.grid,
            "building": place.building,
            "household": place.household,
            "gate": place.gate,
        }
    household = registry.household_of(subject, when) if subject is not None else None
    home = registry.household_place(household) if household is not None else None
    if home is not None and home.site == found.setdefault("site", home.site):
        found["household"] = household
        found["grid"] = home.grid or found.get("grid")
        found["building"] = home.building
    return found
