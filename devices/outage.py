"""Something that is away for a while, in the log: once when it goes, once when it is back."""

import structlog

log = structlog.get_logger()


class Outage:
    """What the log says of one thing; threads that race may at worst tell a change twice.

    Its events are ``NAME_lost``, also when the reason changes, and ``NAME_back``.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._why = ""

    def begin(self, why: str) -> None:
        """Note that it is away, for a reason without anybody's data in it."""
        if why != self._why:
            log.warning(f"{self._name}_lost", why=why)
        self._why = why

    def end(self) -> None:
        """Note that it is there."""
        if self._why:
            log.info(f"{self._name}_back")
        self._why = ""
