"""How we know that everything the broker kept for us while we were away has been delivered.

A broker sends queued messages as long as fewer than its window are unacknowledged, and it answers
a question (PINGREQ; UNSUBSCRIBE in MQTT 3.1.1) after it has handled every ack that we wrote before
it. So at the answer, ``received − acked before asking`` is exactly what it has in flight. If that
is nothing, or fewer than it once had in flight on this connection, then there was room for another
message and none was waiting: the backlog is drained. The size of its window need not be known,
and live messages that keep arriving do not delay the answer for ever, as silence would.
"""


class Backlog:
    """The in-flight window of one connection; guarded messages only (QoS 0 has no window)."""

    def __init__(self) -> None:
        self.draining = False
        """Whether messages that waited at the broker may still be on their way."""
        self._received = 0
        self._acked = 0
        self._most = 0

    @property
    def in_flight(self) -> int:
        """How many messages have been received and not acknowledged."""
        return self._received - self._acked

    def begin(self) -> None:
        """Say that the broker had kept our session."""
        self.draining = True

    def received(self, count: int) -> None:
        """Count messages as they arrive."""
        self._received += count
        self._most = max(self._most, self._received - self._acked)

    def acked(self, count: int) -> None:
        """Count acks as they are written."""
        self._acked += count

    def asked(self) -> int:
        """Note that a question is being written; give what is returned to :meth:`answered`."""
        return self._acked

    def answered(self, asked: int) -> None:
        """Judge by the answer to a question, at its place among the messages."""
        in_flight = self._received - asked
        if in_flight == 0 or in_flight < self._most:
            self.draining = False
