"""What a source tells about itself."""

import msgspec


class SourceStatus(msgspec.Struct, frozen=True):
    """What a source is doing.

    Attributes:
        name: Of the source, from the settings.
        connected: Whether it is connected and subscribed.
        protocol: "5" or "3.1.1", of the present or last connection, "" before the first; "http".
        session: Number of the present or last connection.
        since: Since when it is connected, or not; milliseconds UTC.
        granted: By topic filter the QoS the broker granted; refused ones are not in it.
        received: Messages taken in.
        unguarded: Those among them that no ack guards: lost if we stop at the wrong moment.
        acks: Acknowledgements sent.
        reconnects: Connections made after the first.
        problem: What is wrong and what to do, a sentence; "" if nothing.
        draining: The broker is still delivering what it kept while we were away.
        broker: Host and port that it is connected to, or tries.
        limited: Topic filters that the broker refused, or granted at less than QoS 1.
        sessions_lost: How often the broker had lost our session, and with it what it kept for us.
        session_lost_at: When that was noticed last, or 0; milliseconds UTC.
        dropped_at_broker: Messages that the broker says it has dropped, for all its clients, since
            it started; None where it does not say.
        refused: Posts that were not taken, by HTTP status.
        in_flight: Messages taken in and not yet acknowledged, on the present connection.
        window: How many the broker may send ahead of our acks; 0: there is no such bound.
    """

    name: str
    connected: bool
    protocol: str
    session: int
    since: int
    granted: dict[str, int]
    received: int
    unguarded: int
    acks: int
    reconnects: int
    problem: str
    draining: bool
    refused: dict[str, int] = {}
    broker: str = ""
    limited: int = 0
    sessions_lost: int = 0
    session_lost_at: int = 0
    dropped_at_broker: int | None = None
    in_flight: int = 0
    window: int = 0
