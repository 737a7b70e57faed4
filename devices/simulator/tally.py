"""What a simulation has published so far, by family of devices."""

from collections import Counter
from dataclasses import dataclass, field

from devices.simulator.event import Event

_FAMILIES = {
    "zigbee2mqtt": "zigbee2mqtt_temperature",
    "topic": "huaan_face_terminal",
    "mqtt": "face_terminal_mqtt",
    "dtu": "dlt645_gateway",
    "shellies": "shelly_gen1_em",
    "tele": "tasmota_energy",
    "application": "chirpstack_v4",
    "home": "openmqttgateway",
}
"""The profile that a simulated device's topic belongs to, by the topic's first level."""
_HARDWARE_ADDRESS = "a0:e6:"


def family(topic: str) -> str:
    """Return the profile that a topic belongs to; others are called like that level."""
    head = topic.partition("/")[0]
    return "esp32_ble2mqtt" if head.startswith(_HARDWARE_ADDRESS) else _FAMILIES.get(head, head)


@dataclass(slots=True)
class Tally:
    """Counts, which only grow.

    Attributes:
        families: Messages by family: those that the broker has acknowledged, those of QoS 0 when
            they were sent.
        at: The simulated time that was reached; milliseconds UTC.
    """

    families: Counter[str] = field(default_factory=Counter)
    at: int = 0

    @property
    def messages(self) -> int:
        """Messages of all families."""
        return self.families.total()

    def add(self, event: Event) -> None:
        """Count a message."""
        self.families[family(event.topic)] += 1
        self.at = max(self.at, event.at)
