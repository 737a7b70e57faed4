"""The demo's terminal: one calm live display, or plain lines where it is not a terminal."""

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from devices.clock import SECOND
from ingest.status import ServiceStatus

PLAIN_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class Scene:
    """What stays the same while the demo runs.

    Attributes:
        console_url: Address of the console.
        sign_in_url: Single-use link that signs in.
        broker: Name and address of the broker.
        publish_hint: A command line that reaches the demo from the newcomer's own shell.
        zone: The community's time zone.
        speed: How many of its seconds pass in a real one.
        data_dir: Where everything is kept.
    """

    console_url: str
    sign_in_url: str
    broker: str
    publish_hint: str
    zone: ZoneInfo
    speed: float
    data_dir: str


@dataclass(frozen=True, slots=True)
class Moment:
    """What changes. Counts are since the data folder was made; ``rate`` is a second's.

    Attributes:
        at: The community's time, milliseconds UTC.
        history: (done, all) half-hours of the two weeks before, or None once they are in.
        status: The pipeline's status as written for the console, or None before the first.
        rate: Messages taken in per real second.
        open_incidents, watches, pages_sent: From the state database.
        newest: Newest incidents, newest first: (kind, building or gate, state).
    """

    at: int
    history: tuple[int, int] | None
    status: ServiceStatus | None
    rate: float
    open_incidents: int
    watches: int
    pages_sent: int
    newest: tuple[tuple[str, str, str], ...]


class Display:
    """Show moments, in place on a terminal and as a line now and then elsewhere."""

    def __init__(self, scene: Scene, console: Console | None = None) -> None:
        self._scene = scene
        self._console = console or Console()
        self._live: Live | None = None
        self._plain_at = float("-inf")

    def start(self) -> None:
        """Say where everything is, on lines of their own that can be copied, and begin."""
        for label, text in _places(self._scene):
            self._console.print(f"{label}: {text}", soft_wrap=True, markup=False, highlight=False)
        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False, transient=False)
            self._live.start()

    def show(self, moment: Moment, monotonic: float) -> None:
        """Show a moment; ``monotonic`` is the real time in seconds, for the plain lines' pace."""
        if self._live:
            self._live.update(_panel(self._scene, moment), refresh=True)
        elif monotonic - self._plain_at >= PLAIN_EVERY_S:
            self._plain_at = monotonic
            self._console.print(
                _line(self._scene, moment), soft_wrap=True, markup=False, highlight=False
            )

    def stop(self) -> None:
        """Leave the last moment on the screen."""
        if self._live:
            self._live.stop()


def _places(scene: Scene) -> tuple[tuple[str, str], ...]:
    return (
        ("console", scene.console_url),
        ("sign in (once)", scene.sign_in_url),
        ("broker", scene.broker),
        ("try", scene.publish_hint),
        ("data", scene.data_dir),
    )


def _figures(moment: Moment) -> tuple[tuple[str, str], ...]:
    status = moment.status
    followers = status.pipeline.followers.values() if status else ()
    behind = max((follower.pending for follower in followers), default=0)
    received, stored, dead = (
        (status.books.received, status.books.points_accepted, status.books.dead_open)
        if status
        else (0, 0, 0)
    )
    return (
        ("messages taken in", f"{received:,} ({moment.rate:,.0f}/s)"),
        ("observations stored", f"{stored:,}"),
        ("dead letters", f"{dead:,}"),
        ("journal backlog", f"{behind:,}"),
        ("open incidents", f"{moment.open_incidents:,} (and {moment.watches:,} watches)"),
        ("pages sent", f"{moment.pages_sent:,}"),
    )


def _clock(scene: Scene, moment: Moment) -> str:
    local = datetime.fromtimestamp(moment.at // SECOND, UTC).astimezone(scene.zone)
    return f"{local:%a %Y-%m-%d %H:%M}"


def _history(moment: Moment) -> str:
    if moment.history is None:
        return ""
    done, total = moment.history
    return f"two weeks of history: {done / max(1, total):.0%}"


def _line(scene: Scene, moment: Moment) -> str:
    figures = ", ".join(f"{label} {text}" for label, text in _figures(moment))
    history = _history(moment)
    return f"{_clock(scene, moment)}: {history + ', ' if history else ''}{figures}"


def _panel(scene: Scene, moment: Moment) -> RenderableType:
    figures = Table.grid(padding=(0, 2))
    for label, text in _figures(moment):
        figures.add_row(Text(label, style="dim"), Text(text, style="bold"))
    parts: list[RenderableType] = [figures]
    if moment.history:
        done, total = moment.history
        parts += [
            Text(""),
            Text(_history(moment), style="dim"),
            ProgressBar(total=max(1, total), completed=done, width=60),
        ]
    if moment.newest:
        parts.append(Text(""))
        parts += [Text(f"{state:<13} {kind}, {place}") for kind, place, state in moment.newest]
    parts += [Text(""), Text("Ctrl-C ends it; `--keep` goes on from here next time", style="dim")]
    pace = f"{scene.speed:g} times as fast" if moment.history is None else "catching up"
    return Panel(Group(*parts), title=f"Gatehouse demo · {_clock(scene, moment)} · {pace}")
