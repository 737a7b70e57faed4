"""Everything Apprise can reach: mail, chat, push, SMS, by its URLs.

Only closed words leave this module: what Apprise logs may hold a phone number or a token, so its
own logger is kept off and its messages are read for an HTTP status and nothing else.

Source: apprise 2.2, ``Apprise.notify`` returns ``AppriseResult`` (status, results, logs).
"""

import logging
import re
import socket
from urllib.parse import urlsplit

import apprise
import structlog
from apprise import NotifyBase
from apprise.result import AppriseResult, AppriseResultStatus

from alerts.channels.channel import PROBE_TIMEOUT_S, SEND_TIMEOUT_S, Failed, Sent, label
from alerts.page_text import PageText

log = structlog.get_logger()
_HTTP_STATUS = re.compile(r"error=(\d{3})\b")
_RETRY_HELPS = frozenset({408, 425, 429})


class AppriseChannel:
    """Any address that Apprise understands, one service a call, no retries of its own."""

    def __init__(self) -> None:
        quiet = logging.getLogger("apprise")
        quiet.propagate = False
        quiet.addHandler(logging.NullHandler())

    def accepts(self, address: str) -> bool:  # noqa: ARG002 - the last channel takes the rest
        """Return True: an address that Apprise does not understand fails for good when sent to."""
        return True

    def send(self, address: str, text: PageText) -> Sent | Failed:
        """Notify one address.

        An answer of 4xx is permanent except 408, 425 and 429; all else may pass.
        """
        service = apprise.Apprise()
        try:
            if not service.add(address):
                return Failed(permanent=True, error="address not understood")
            with service.notify(
                title=text.title,
                body=f"{text.body}\n{text.link}",
                timeout=SEND_TIMEOUT_S,
            ) as result:
                return _judge(result)
        except Exception as error:  # noqa: BLE001 - a hundred third-party plugins: an I/O edge
            return Failed(permanent=False, error=_broke(address, error))

    def probe(self, address: str) -> str:
        """Read an address, and open and close a connection to its server."""
        try:
            service = apprise.Apprise.instantiate(address)
            if service is None:
                return "address not understood"
            server = _server(service)
            if server is not None:
                socket.create_connection(server, timeout=PROBE_TIMEOUT_S).close()
        except OSError:
            return "no connection"
        except Exception as error:  # noqa: BLE001 - as above
            return _broke(address, error)
        return ""


def _broke(address: str, error: Exception) -> str:
    log.warning("channel_broke", channel=label(address), error=type(error).__name__)
    return f"channel broke: {type(error).__name__}"


def _server(service: NotifyBase) -> tuple[str, int] | None:
    """Return host and port that a service would talk to; None where it does not say.

    Each plug-in of Apprise keeps them its own way: mail ``smtp_host``, one for a service on the net
    ``notify_url`` (``cloud_notify_url`` where there are private ones too), others the URL's host.
    """
    port = service.port
    host = getattr(service, "smtp_host", None)
    is_cloud = getattr(service, "mode", "") == "cloud"
    url = getattr(service, "cloud_notify_url" if is_cloud else "notify_url", None)
    if not host and url:
        parts = urlsplit(url)
        host, port = parts.hostname, 80 if parts.scheme == "http" else 443
    if not host and "host" in service.template_tokens:
        host = service.host
    return (host, port or (443 if service.secure else 80)) if host else None


def _judge(result: AppriseResult) -> Sent | Failed:
    if result.status is AppriseResultStatus.SUCCESS:
        return Sent()
    if result.status is AppriseResultStatus.TIMEOUT:
        return Failed(permanent=False, error=f"no answer within {SEND_TIMEOUT_S:.0f} s")
    found = [_HTTP_STATUS.search(entry.message) for entry in result.logs()]
    statuses = [int(match[1]) for match in found if match]
    if not statuses:
        return Failed(permanent=False, error="no connection")
    status = statuses[-1]
    permanent = 400 <= status < 500 and status not in _RETRY_HELPS
    return Failed(permanent=permanent, error=f"HTTP {status}")
