"""A source's broker, or brokers: where, who we are to them, and their refusals in sentences."""

import asyncio
import re
import ssl
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from ingest import reason
from ingest.connection import ConnectionLost, SourceRefused, VersionRefused
from ingest.topic_filter import complaint

_PORTS = {"mqtt": 1883, "mqtts": 8883}
_MOST_BROKERS = 8
_PROBE_S = 10.0
_EXAMPLE = "write it like mqtts://user@broker.example:8883"


def _own_status_topic(said: dict[str, Any]) -> str:
    """Return where a client id says how it is; what is no name of a topic level is left out."""
    return f"gatehouse/{re.sub('[+#/]', '', said.get('client_id', ''))}/status"


class MqttSettings(BaseModel):
    """One source: a broker, others to fail over to, and what to subscribe to there.

    Attributes:
        name: Of the source, in the journal, the console and the log.
        url: ``mqtt://[user@]host[:port]`` or ``mqtts://…`` for TLS; 1883 and 8883 by default.
            Several with commas between are tried in this order; what is said of "the" broker
            below is said of the first, see :attr:`brokers`.
        password: Of the user; never in the url, which is logged.
        client_id: Ours at the broker. Stable: it names the session that keeps our messages.
        topics: Filters, which may not overlap; subscribed at QoS 1.
        receive_maximum: Messages the broker may send ahead of our acks (MQTT 5).
        session_expiry_s: Seconds the broker keeps our session while we are away (MQTT 5).
        version: Of MQTT, where the broker is known to speak only one; ``auto`` tries 5 first.
        keep_alive_s: Seconds; a dead connection is found within one and a half of them.
        status_topic: Where we say ``online``, and the broker ``offline`` when we are gone (birth
            and will, retained); "" for neither. By default gatehouse/CLIENT_ID/status.
        ca_file: Certificates to trust in place of the system's, PEM.
        cert_file: Our certificate, PEM.
        key_file: Its key, PEM, where it is not in the same file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str = Field(default="mqtt", pattern=r"^[a-z0-9_-]{1,32}$")
    url: str
    password: SecretStr | None = None
    client_id: str = Field(default="gatehouse", min_length=1, max_length=128)
    topics: tuple[str, ...] = Field(default=("#",), min_length=1, max_length=256)
    receive_maximum: int = Field(default=2_000, ge=1, le=65_535)
    session_expiry_s: int = Field(default=7 * 24 * 3600, ge=1, le=0xFFFFFFFF)
    version: Literal["auto", "5", "3.1.1"] = "auto"
    keep_alive_s: int = Field(default=30, ge=1, le=3_600)
    status_topic: str = Field(default_factory=_own_status_topic, max_length=1_024)
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    @field_validator("url")
    @classmethod
    def _is_address(cls, text: str) -> str:
        urls = [url.strip() for url in text.split(",")]
        for url in urls:
            _check_address(url)
        if len(urls) > _MOST_BROKERS:
            raise ValueError(f"names more than {_MOST_BROKERS} brokers")
        if len({urlsplit(url).scheme for url in urls}) > 1:
            raise ValueError("mixes mqtt:// and mqtts://: encrypt all of them or none")
        return ",".join(urls)

    @field_validator("topics")
    @classmethod
    def _are_filters(cls, topics: tuple[str, ...]) -> tuple[str, ...]:
        wrong = complaint(topics)
        if wrong:
            raise ValueError(wrong)
        return topics

    @field_validator("status_topic")
    @classmethod
    def _is_topic(cls, topic: str) -> str:
        if {"+", "#", "\0"} & set(topic) or topic.startswith("$"):
            raise ValueError("is no topic to publish to: leave out '+' and '#', and '$' in front")
        return topic

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.ca_file or self.cert_file or self.key_file) and not self.tls:
            raise ValueError("certificates are for TLS: begin the url with mqtts://")
        if self.key_file and not self.cert_file:
            raise ValueError("key_file without cert_file")
        return self

    @property
    def brokers(self) -> tuple[Self, ...]:
        """Return the settings for each broker alone, in the order in which they are tried."""
        return tuple(self.model_copy(update={"url": url}) for url in self.url.split(","))

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted and the broker's name checked."""
        return self._parts.scheme == "mqtts"

    @property
    def host(self) -> str:
        """Name or address of the broker."""
        return self._parts.hostname or ""

    @property
    def port(self) -> int:
        """TCP port of the broker."""
        return self._parts.port or _PORTS[self._parts.scheme]

    @property
    def user(self) -> str | None:
        """User name, if any."""
        return unquote(self._parts.username) if self._parts.username else None

    @property
    def secret(self) -> str | None:
        """The password in the clear, for the CONNECT packet only."""
        return self.password.get_secret_value() if self.password else None

    @property
    def address(self) -> str:
        """Host and port, for sentences."""
        return f"{self.host}:{self.port}"

    @property
    def _parts(self) -> SplitResult:
        return urlsplit(self.url.partition(",")[0])

    def tls_context(self) -> ssl.SSLContext | None:
        """Read the certificates and return what a TLS connection needs; None without TLS.

        Raises:
            ConnectionLost: A file is missing or no PEM; mending it helps.
        """
        if not self.tls:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.cert_file:
                context.load_cert_chain(self.cert_file, self.key_file)
        except OSError as error:
            raise ConnectionLost(f"the certificate files cannot be used: {error}") from error
        return context

    async def answers(self) -> bool:
        """Return whether somebody listens there; whether it takes us shows when we connect."""
        try:
            async with asyncio.timeout(_PROBE_S):
                _, writer = await asyncio.open_connection(
                    self.host, self.port, ssl=self.tls_context()
                )
                writer.close()
                await writer.wait_closed()
        except (OSError, ConnectionLost):
            return False
        return True

    def unreachable(self, error: OSError) -> ConnectionLost:
        """Return a failure to connect as a sentence."""
        if isinstance(error, ssl.SSLCertVerificationError):
            said = f"its certificate is not trusted: {error.verify_message}"
        elif isinstance(error, TimeoutError):
            said = "it does not answer"
        else:
            said = error.strerror or str(error)
        return ConnectionLost(f"cannot connect to {self.address}: {said}")

    def closed(self) -> ConnectionLost:
        """Return an end without a reason as a sentence.

        It is all that MQTT 3.1.1, and mosquitto 2.0.11 in MQTT 5, tell about a takeover.
        """
        rival = f"if this repeats, another client may be connecting as {self.client_id!r}"
        return ConnectionLost(f"{self.address} closed the connection; {rival}")

    def refused(self, code: int, elsewhere: str | None = None) -> Exception:
        """Return the CONNACK that refuses us as the failure it is, with a sentence.

        Args:
            code: The reason code.
            elsewhere: The server reference: which other broker to use. 3.2.2.3.16.
        """
        if code == reason.UNSUPPORTED_VERSION:
            return VersionRefused(f"{self.address} refuses the version of MQTT")
        who = f"user {self.user!r}" if self.user else "a client without a user name"
        said = f"{self.address} refuses {who}: {reason.words(code)}"
        if elsewhere:
            said = f"{said}: {elsewhere}"
        if code == reason.CLIENT_ID_NOT_VALID:
            return SourceRefused(f"{said}; choose another client_id than {self.client_id!r}")
        return ConnectionLost(said)


def _check_address(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError(f"is no MQTT address; {_EXAMPLE}")
    if parts.password is not None:
        raise ValueError(
            "holds a password; give it in GATEHOUSE_MQTT_PASSWORD (or the source's own) instead"
        )
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"holds more than user, host and port; {_EXAMPLE}")
    if parts.port == 0:
        raise ValueError(f"names port 0; {_EXAMPLE}")
    try:
        parts.hostname.encode("idna")
    except UnicodeError as error:
        raise ValueError(f"{parts.hostname!r} is no host name") from error
