"""Whether a broker is busy while nothing of it reaches us, by the broker's own count. No I/O.

A connection that answers every ping may still deliver nothing: a broker that has dropped a
subscription, or rights that were taken away, look like devices that are silent. Mosquitto tells in
``$SYS`` how many messages it has taken from everybody. On a broker that is shared with others
most of them are not for us, so what is usual there is learned: the most it has ever taken between
two messages of ours. We are *deaf* when it has taken ten times as many since the last one, for a
minute at least. A source whose filters have never matched anything is never deaf. A lull that
ends by itself is learned, so that a second one like it is none.

Source: mosquitto(8), Broker Status. Brokers that do not have these topics are not judged.
"""

from ingest.message import Message

TOPICS = ("$SYS/broker/publish/messages/received", "$SYS/broker/publish/messages/dropped")
"""How many PUBLISHes the broker has taken, and how many it has dropped, from and for everybody.
Subscribed at QoS 0, of which a broker keeps nothing while we are away."""
LULLS = 10
FEW = 100
"""Messages; fewer are chance, or our own answers."""
SILENT_S = 60.0
_MOST_DOUBLINGS = 6
_MENDABLE = 2
"""So often in succession deaf, and connecting anew mends nothing."""


class BrokerTraffic:
    """What one broker says of itself; times are seconds of a clock that only goes forward."""

    def __init__(self) -> None:
        self.dropped: int | None = None
        """How many messages the broker has dropped, for everybody; None where it does not say."""
        self.deafnesses = 0
        """How often in succession we were deaf, and nothing reached us since."""
        self._lull = 0
        self._has_heard = False
        self._received = 0
        self._since: tuple[int, float] | None = None
        self._taken = 0

    def begin(self) -> None:
        """Say that there is a new connection."""
        self._since = None

    def report(self, topic: str, payload: bytes, *, received: int, now: float) -> None:
        """Note what the broker says.

        Args:
            topic: One of :data:`TOPICS`.
            payload: A number in decimal; anything else is passed over.
            received: How many messages have reached us so far.
            now: In seconds.
        """
        if not payload.isdigit():
            return
        if topic == TOPICS[1]:
            self.dropped = int(payload)
            return
        self._taken = int(payload)
        heard, self._received = received > self._received, received
        if heard:
            self._has_heard, self.deafnesses = True, 0
        if self._since is None or self._taken < self._since[0]:
            self._since = (self._taken, now)
        elif heard:
            self._lull = max(self._lull, self._taken - self._since[0])
            self._since = (self._taken, now)

    def take_out(self, messages: list[Message], *, received: int, now: float) -> list[Message]:
        """Return what devices say, after noting what the broker says of itself among it."""
        kept = []
        for message in messages:
            if message.qos or message.topic not in TOPICS:
                kept.append(message)
            else:
                self.report(message.topic, message.payload, received=received, now=now)
        return kept

    @property
    def complaint(self) -> str:
        """What is wrong when connecting anew did not mend it, a sentence; "" if nothing is."""
        if self.deafnesses < _MENDABLE:
            return ""
        return (
            "the broker is busy and sends us nothing, though it did before: look at what it "
            "allows us to read, and whether devices still publish there"
        )

    def deafness(self, *, received: int, now: float) -> str:
        """Return why we must be deaf, a sentence's end; "" if we are not, or it is not known."""
        if self._since is None or not self._has_heard or received > self._received:
            return ""
        taken, silent = self._taken - self._since[0], now - self._since[1]
        patience = 2 ** min(self.deafnesses, _MOST_DOUBLINGS)
        if taken < max(FEW, LULLS * self._lull) * patience or silent < SILENT_S * patience:
            return ""
        return f"has taken {taken:,} messages in {silent:.0f} s and none has reached us"
