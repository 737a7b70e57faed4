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
        refused: Posts that were not taken, by HTTP status.
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
