"""A compound of the simulated city: what it is called, and what stands at its gates.

The ids of all sites, and of everything in them, are unique in the whole city; the first site's
have no prefix.
"""

from dataclasses import dataclass

SITE, SITE_NAME = "lakeside", "湖畔小区 Lakeside"
HUAAN = "01234E-D16546-E1BCEE"
FACE_TERMINAL = "1026700"
GUN = "gun-1"
MAIN_GATE, NORTH_GATE, CHECKPOINT = "main-gate", "north-gate", "night-checkpoint"
"""What stands in the first site."""

_SERIES, _, _LAST_SERIAL = HUAAN.rpartition("-")


@dataclass(frozen=True, slots=True)
class Site:
    """A compound.

    Attributes:
        number: Its place in the city; 0 is the first.
        first_household: How many households the sites before it have.
    """

    number: int = 0
    first_household: int = 0

    @property
    def prefix(self) -> str:
        """What the ids of its places and workers begin with."""
        return f"c{self.number + 1}-" if self.number else ""

    @property
    def id(self) -> str:
        """The registry's id."""
        return f"compound-{self.number + 1}" if self.number else SITE

    @property
    def name(self) -> str:
        """What people call it."""
        number = self.number + 1
        return f"{number}号小区 Compound {number}" if self.number else SITE_NAME

    @property
    def huaan(self) -> str:
        """Serial number of the main gate's terminal."""
        return f"{_SERIES}-{int(_LAST_SERIAL, 16) + self.number:06X}"

    @property
    def face_terminal(self) -> str:
        """Number of the north gate's terminal."""
        return str(int(FACE_TERMINAL) + self.number)

    @property
    def gun(self) -> str:
        """The night guard's thermometer gun."""
        return f"gun-{self.number + 1}"

    @property
    def main_gate(self) -> str:
        """Where residents and visitors come in."""
        return self.prefix + MAIN_GATE

    @property
    def north_gate(self) -> str:
        """Where residents come in, and couriers wait."""
        return self.prefix + NORTH_GATE

    @property
    def checkpoint(self) -> str:
        """Where the night guard stands."""
        return self.prefix + CHECKPOINT


FIRST_SITE = Site()
