"""Everything Apprise can reach: mail, chat, push, SMS, by its URLs.

Only closed words leave this module: what Apprise logs may hold a phone number or a token, so its
own logger is kept off and its messages are read for an HTTP status and nothing else.

Source: apprise 2.2, ``Apprise.notify`` returns ``AppriseResult`` (status, results, logs).
"""

import logging
import re

import apprise
import structlog
from apprise.result import AppriseResult, AppriseResultStatus

from alerts.channels.channel import SEND_TIMEOUT_S, Failed, Sent, label
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
            log.warning("channel_broke", channel=label(address), error=type(error).__name__)
            return Failed(permanent=False, error=f"channel broke: {type(error).__name__}")


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
