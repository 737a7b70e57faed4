"""What a channel is: something that takes a page to a person's address, or says why not."""

from dataclasses import dataclass
from typing import Protocol

from alerts.page_text import PageText

SEND_TIMEOUT_S = 10.0
"""No channel keeps a page longer than this."""
PROBE_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Sent:
    """The channel took the page."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The channel did not take the page.

    Attributes:
        permanent: Trying the same address again cannot help.
        error: Closed words; never an address, a token or what the other side wrote.
    """

    permanent: bool
    error: str


class Channel(Protocol):
    """A way to reach people; safe to call from several threads at once."""

    def accepts(self, address: str) -> bool:
        """Return whether the address is one of this channel's."""
        ...

    def probe(self, address: str) -> str:
        """Return why no page would get through to an address, in closed words; "" if one should.

        Sends nothing; takes :data:`PROBE_TIMEOUT_S` at most.
        """
        ...

    def send(self, address: str, text: PageText) -> Sent | Failed:
        """Take a page to an address within :data:`SEND_TIMEOUT_S`; raises nothing."""
        ...


def label(address: str) -> str:
    """Return what may be shown of an address: its scheme, like ``mailtos``."""
    return address.partition(":")[0][:32]
