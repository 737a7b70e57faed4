"""Which of a source's brokers to connect to. No I/O.

They are tried in the order of the settings, and the first is gone back to: it keeps our session,
and with it what came while it could not reach us. While another one serves, those before it are
asked again and again whether they answer. One that answers and then does not take us is asked
less and less often.
"""

from ingest.broker import MqttSettings

RETURN_S = 30.0
RETURN_CAP_S = 1_800.0


class Failover:
    """The brokers of one source, and the one that it is with.

    Args:
        brokers: In the order of preference, at least one.
    """

    def __init__(self, brokers: tuple[MqttSettings, ...]) -> None:
        self._brokers = brokers
        self._at = 0
        self._failures: dict[str, str] = {}
        self.return_s = RETURN_S / 2
        """Until those before the present one are asked again; seconds."""

    @property
    def broker(self) -> MqttSettings:
        """The broker to connect to, or that it is connected to."""
        return self._brokers[self._at]

    @property
    def preferred(self) -> tuple[MqttSettings, ...]:
        """Those that it should rather be connected to."""
        return self._brokers[: self._at]

    @property
    def problem(self) -> str:
        """Why each broker that was tried is not the one, as a sentence; "" if there is none."""
        return "; ".join(self._failures.values())

    def connected(self) -> None:
        """Note that the broker has taken us."""
        if self._at:
            self.return_s = min(RETURN_CAP_S, 2 * self.return_s)
        else:
            self.return_s = RETURN_S / 2
        self._failures = {
            each.address: self._failures[each.address]
            for each in self.preferred
            if each.address in self._failures
        }

    def failed(self, problem: str) -> bool:
        """Go on to the next broker; return whether all have been tried, so that waiting is due."""
        self._failures[self.broker.address] = problem
        self._at = (self._at + 1) % len(self._brokers)
        return self._at == 0

    def ended(self, problem: str) -> None:
        """Begin with the first again, after a connection that had been of use."""
        self._failures = {self.broker.address: problem}
        self._at = 0
