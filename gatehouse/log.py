"""The log: structlog, one line an event, key=value on a terminal and JSON elsewhere, on stderr.

What we write has closed words, ids and numbers. What libraries say is not ours to vouch for: of
their warnings the beginning is kept, of exceptions the type and the place, never the words, which
may hold what somebody is called.
"""

import logging
import sys
import threading
import traceback
from pathlib import Path
from types import TracebackType

import structlog
from structlog.typing import EventDict, Processor

_WORDS_MAX = 200
_PLACES_MAX = 8


def start_logging(level: int = logging.INFO, *, is_service: bool = True) -> None:
    """Send the program's events from a level on, and the libraries' warnings, to standard error.

    Args:
        level: Of ``logging``.
        is_service: Whether nobody sits before it: then also what ends it is an event.
    """
    is_terminal = sys.stderr.isatty()
    renderer: Processor = (
        structlog.dev.ConsoleRenderer()
        if is_terminal
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    common: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*common, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_library_warned, *common],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    if is_service:
        logging.captureWarnings(True)
    if is_service and not is_terminal:
        sys.excepthook = _crashed
        threading.excepthook = lambda ended: _crashed(ended.exc_type, ended.exc_value, None)


def _library_warned(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Turn what a library logs into an event of ours."""
    record: logging.LogRecord = event["_record"]
    words = event["event"].partition("\n")[0][:_WORDS_MAX]
    event.update(event="library_warned", library=record.name, words=words)
    error = event.pop("exc_info", None)
    if isinstance(error, tuple) and error[1] is not None:
        event.update(_described(error[1]))
    return event


def _crashed(
    _kind: type[BaseException], error: BaseException | None, _trace: TracebackType | None
) -> None:
    """Tell what ended the process, or a thread of it."""
    if error is not None:
        structlog.get_logger().critical("crashed", **_described(error))


def _described(error: BaseException) -> dict[str, object]:
    """Return the type of an exception and where it comes from, the innermost place first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    frames = traceback.extract_tb(error.__traceback__)[::-1][:_PLACES_MAX]
    where = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    return {"error": type(error).__name__, "where": where}
