"""What we subscribed to in each session at a broker, remembered over restarts of ours.

A broker keeps a session's filters for days and never lists them. Only who remembers what was
subscribed can give up a filter that has left the settings, and notice that a broker which should
have a session of ours has none: it has lost it, with all that it kept for us.

Kept in ``sessions.json`` in the data folder, replaced whole, before a filter is asked for and
after one was given up. So what the file names may be more than what the broker has, never less.
A file that is lost or damaged costs that knowledge once, and nothing else.
"""

from collections.abc import Iterable
from pathlib import Path

import msgspec
import structlog

from ingest.journal_file import sync_folder
from ingest.private_file import replace_private

NAME = "sessions.json"

log = structlog.get_logger()


class SessionMemory:
    """Filters by session; a session is a client id at a broker.

    Args:
        file: Where it is kept; None keeps it for as long as we run.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._topics = _read(file) if file else {}
        self._is_written = True

    def topics(self, session: str) -> frozenset[str]:
        """Return what was subscribed; nothing where there was no session."""
        return frozenset(self._topics.get(session, ()))

    def keep(self, session: str, topics: Iterable[str]) -> None:
        """Remember what is subscribed.

        A disk that does not take it is told of, and tried again at the next call.
        """
        now = sorted(topics)
        if now == self._topics.get(session) and self._is_written:
            return
        self._topics[session] = now
        if self._file is None:
            return
        try:
            _write(self._file, msgspec.json.encode(self._topics))
            self._is_written = True
        except OSError as error:
            self._is_written = False
            log.warning("sessions_not_kept", file=str(self._file), problem=str(error))


def _write(file: Path, content: bytes) -> None:
    """Replace a file whole; when this returns, a power cut leaves the new content."""
    replace_private(file, content, synced=True)
    sync_folder(file.parent)


def _read(file: Path) -> dict[str, list[str]]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, list[str]])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError) as error:
        log.warning("sessions_unreadable", file=str(file), problem=str(error))
        return {}
