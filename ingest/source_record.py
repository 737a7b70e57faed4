"""What a source has done so far and how it is, written down and told to the log as it happens."""

import structlog

from ingest import reason, subscription
from ingest.broker import MqttSettings
from ingest.connection import Connection, Granted
from ingest.source_status import SourceStatus

log = structlog.get_logger()


class SourceRecord:
    """The counters and states of one source.

    Args:
        name: Of the source.
        now: Milliseconds UTC.
    """

    def __init__(self, name: str, now: int) -> None:
        self.name = name
        self.connected = False
        self.session = 0
        self.received = 0
        self.unguarded = 0
        self.acks = 0
        self._given_up = 0
        self._protocol = ""
        self._since = now
        self._connections = 0
        self._granted: Granted = {}
        self._sessions_lost = 0
        self._session_lost_at = 0
        self._complaint = ""
        self._told = ""

    def begin_connection(self) -> None:
        """Count a further connection; what an earlier one left unacknowledged comes again."""
        self.session += 1
        self._given_up = self.received - self.unguarded - self.acks

    def note_connection(
        self, connection: Connection, broker: MqttSettings, granted: Granted, now: int
    ) -> None:
        """Note that it is connected and subscribed, and what is not as it was asked for."""
        self.connected, self._since = True, now
        self._connections += 1
        self._protocol, self._granted, self._told = connection.protocol, granted, ""
        self._complaint = subscription.complaint(broker, granted)
        log.info(
            "mqtt_connected",
            source=self.name,
            broker=broker.address,
            protocol=self._protocol,
            session=self.session,
            session_present=connection.session_present,
        )
        if self._complaint:
            log.warning("mqtt_subscription_limited", source=self.name, problem=self._complaint)
        self._note_assigned(connection, broker)

    def _note_assigned(self, connection: Connection, broker: MqttSettings) -> None:
        """Tell of what the broker decides otherwise than we asked. MQTT 5, 3.2.2.3."""
        kept_s = connection.session_expiry_s
        if kept_s is not None and kept_s < broker.session_expiry_s:
            log.warning(
                "mqtt_session_shortened",
                source=self.name,
                asked_s=broker.session_expiry_s,
                kept_s=kept_s,
            )
        if connection.client_id != broker.client_id:
            log.warning("mqtt_client_id_assigned", source=self.name, assigned=connection.client_id)

    def note_lost_session(self, broker: MqttSettings, now: int) -> None:
        """Note that a session which should be there is not: the broker lost what it kept."""
        self._sessions_lost += 1
        self._session_lost_at = now
        log.error(
            "mqtt_session_lost",
            source=self.name,
            broker=broker.address,
            problem="it had a session of ours and has none: what it kept for us may be lost",
        )

    def note_refusal(self, granted: Granted) -> None:
        """Note that it may hear nothing."""
        self._granted = granted

    def note_loss(self, problem: str, now: int) -> None:
        """Note that it is not connected.

        Logged is when something goes away, and when the reason changes, not each attempt.
        """
        if self.connected:
            self.connected, self._since, self._told = False, now, ""
        if problem != self._told:
            log.warning("mqtt_disconnected", source=self.name, problem=problem)
        self._told = problem

    def status(
        self, broker: MqttSettings, *, problem: str, deaf: str, draining: bool, dropped: int | None
    ) -> SourceStatus:
        """Return all of it.

        Args:
            broker: That it is connected to, or tries.
            problem: Why it is not connected to the broker it should be, a sentence; "" if it is.
            deaf: Why it hears nothing although it is connected; "" if nothing is wrong.
            draining: Whether the broker still delivers what it kept while we were away.
            dropped: What the broker says it has dropped, if it says so.
        """
        said = [problem]
        if self.connected:
            said += [
                f"connected to {broker.address} meanwhile" if problem else "",
                self._complaint,
                deaf,
            ]
        return SourceStatus(
            name=self.name,
            connected=self.connected,
            protocol=self._protocol,
            session=self.session,
            since=self._since,
            granted={topic: qos for topic, qos in self._granted.items() if qos < reason.FAILURE},
            received=self.received,
            unguarded=self.unguarded,
            acks=self.acks,
            reconnects=max(0, self._connections - 1),
            problem="; ".join(each for each in said if each),
            draining=draining,
            broker=broker.address,
            limited=sum(qos != 1 for qos in self._granted.values()),
            sessions_lost=self._sessions_lost,
            session_lost_at=self._session_lost_at,
            dropped_at_broker=dropped,
            in_flight=self.received - self.unguarded - self.acks - self._given_up,
            window=broker.receive_maximum if self._protocol == "5" else 0,
        )
