"""The parts of InfluxQL that several panels share."""

from alerts.thresholds import FeverThresholds
from dashboards.grafana.dashboard import Variable

PLACE = '"site" =~ /^$site$/ AND "grid" =~ /^$grid$/'
BODY = "\"body_site\" != 'ambient'"
_CONTACT = "axillary|oral|tympanic"
_ROUNDING = 0.05
"""Temperatures are compared after rounding half up to 0.1 °C."""

PLACES = (
    Variable("site", "Site", "A compound with gates", 'SHOW TAG VALUES WITH KEY = "site"'),
    Variable(
        "grid",
        "Grid",
        "A worker's patch of households",
        'SHOW TAG VALUES WITH KEY = "grid" WHERE "site" =~ /^$site$/',
    ),
)
ZONE = Variable("zone", "Time zone", "Where a day begins", default="Asia/Shanghai")


def fever_level(fever: FeverThresholds) -> str:
    """Return the condition for a body temperature that asks for a second reading.

    What an infrared device converted to another body site counts from the infrared threshold too:
    InfluxQL cannot ask whether a field is absent, and seeing one reading too many is harmless.
    """
    contact = fever.contact_celsius - _ROUNDING
    rectal = fever.rectal_celsius - _ROUNDING
    infrared = fever.infrared_celsius - _ROUNDING
    return (
        f'(("body_site" =~ /^({_CONTACT})$/ AND "celsius" >= {contact:.2f})'
        f' OR ("body_site" = \'rectal\' AND "celsius" >= {rectal:.2f})'
        f' OR ("body_site" =~ /^(forehead|wrist|unknown)$/ AND "celsius" >= {infrared:.2f}))'
    )
