"""MQTT reason codes in words.

Source: MQTT 5.0, 2.4 Reason Code. MQTT 3.1.1's few codes are translated by paho to these.
"""

UNSUPPORTED_VERSION = 0x84
CLIENT_ID_NOT_VALID = 0x85
SESSION_TAKEN_OVER = 0x8E
PACKET_TOO_LARGE = 0x95
FAILURE = 0x80
"""This and higher codes are refusals; below it a SUBACK code is the granted QoS."""

_WORDS = {
    0x80: "unspecified error",
    0x81: "malformed packet",
    0x82: "protocol error",
    0x83: "implementation specific error",
    0x84: "unsupported protocol version",
    0x85: "client id not valid",
    0x86: "bad user name or password",
    0x87: "not authorized",
    0x88: "server unavailable",
    0x89: "server busy",
    0x8A: "banned",
    0x8B: "server shutting down",
    0x8C: "bad authentication method",
    0x8D: "keep-alive timeout",
    0x8E: "session taken over",
    0x8F: "topic filter not valid",
    0x90: "topic name not valid",
    0x91: "packet id in use",
    0x92: "packet id not found",
    0x93: "receive maximum exceeded",
    0x94: "topic alias not valid",
    0x95: "packet too large",
    0x96: "message rate too high",
    0x97: "quota exceeded",
    0x98: "administrative action",
    0x99: "payload format not valid",
    0x9A: "retain not supported",
    0x9B: "QoS not supported",
    0x9C: "use another server",
    0x9D: "server moved",
    0x9E: "shared subscriptions not supported",
    0x9F: "connection rate exceeded",
    0xA0: "maximum connect time",
    0xA1: "subscription ids not supported",
    0xA2: "wildcard subscriptions not supported",
}

_MENDS = {
    0x86: "check user and password",
    0x87: "check user, password and what the broker allows them",
    0x8A: "ask whoever runs the broker",
    0x90: "choose another [mqtt] status_topic",
    0x97: "raise the broker's quota for this client",
    0x9A: 'set [mqtt] status_topic = ""',
    0xA2: "name topics without wildcards, or allow them at the broker",
}


def words(code: int) -> str:
    """Return what a reason code says, and what to do about it where that is known."""
    said = _WORDS.get(code, f"reason code 0x{code:02X}")
    mend = _MENDS.get(code)
    return f"{said}; {mend}" if mend else said
