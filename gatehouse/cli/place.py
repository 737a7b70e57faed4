"""Where a device stands, as commands are told: one option of four, or somewhere on the site."""

from collections.abc import Mapping
from typing import Annotated

import typer
from sqlalchemy import Connection, select

from devices.csv_rows import DeviceRow
from devices.enrolment import site_of_household
from devices.registry import PlaceKind
from devices.tables import site as site_table
from gatehouse.failure import WRONG_USE, Failure

Household = Annotated[str, typer.Option(help="It stands in this household.")]
Gate = Annotated[str, typer.Option(help="It stands at this gate.")]
Checkpoint = Annotated[str, typer.Option(help="It stands at this checkpoint.")]
Worker = Annotated[str, typer.Option(help="This worker carries it.")]
Site = Annotated[str, typer.Option(help="The site; may be left out where there is one.")]
Gateway = Annotated[str, typer.Option(help="The device it speaks through.")]


def place_row(
    connection: Connection,
    device_id: str,
    family: str,
    places: Mapping[str, str],
    *,
    site: str,
    gateway: str,
) -> DeviceRow:
    """Return a device's row from what was said of its place.

    Args:
        connection: On the state database.
        device_id: Of the device.
        family: Its profile.
        places: By kind (household, gate, checkpoint, worker), empty where nothing was said.
        site: Empty for the household's, or the only one.
        gateway: Empty for none.

    Raises:
        Failure: More than one place was said, or they make no row.
    """
    given = {name: value for name, value in places.items() if value}
    if len(given) > 1:
        raise Failure(f"say one place: --{' or --'.join(given)}", code=WRONG_USE)
    kind = PlaceKind(next(iter(given), PlaceKind.SITE))
    if not site and kind is PlaceKind.HOUSEHOLD:
        site = site_of_household(connection, given["household"]) or ""
    try:
        return DeviceRow.model_validate(
            {
                "id": device_id,
                "profile": family,
                "place": kind,
                "site": site or _only_site(connection),
                "household": given.get("household"),
                "gate": given.get("gate") or given.get("checkpoint"),
                "worker": given.get("worker"),
                "gateway": gateway,
            }
        )
    except ValueError as error:
        raise Failure(f"this cannot stand in the registry: {error}", code=WRONG_USE) from error


def _only_site(connection: Connection) -> str:
    sites = list(connection.execute(select(site_table.c.id).limit(2)).scalars())
    if len(sites) != 1:
        why = "there are several" if sites else "import a registry first"
        raise Failure(f"say which site: --site ({why})", code=WRONG_USE)
    return str(sites[0])
