"""The console in a process of its own, so that a page never slows the intake.

The parent holds the child's standard input; when it closes, by whatever death, the child ends.
A console that ends by itself is started again, with a pause that doubles up to half a minute.
Whether it answers is asked every ten seconds: a process that hangs serves nobody.
"""

import asyncio
import sys
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

import structlog

from gatehouse.address import url_of_bind
from gatehouse.child import end
from ingest.status import ConsoleStatus

log = structlog.get_logger()

PAUSE_S = 0.5
PAUSE_MAX_S = 30.0
LONG_ENOUGH_S = 60.0
STOP_S = 0.7
ASK_EVERY_S = 10.0
ANSWER_S = 5.0


class ConsoleProcess:
    """The child process, kept alive.

    Args:
        bind: Host and port it listens on, as the settings say.
    """

    def __init__(self, bind: str) -> None:
        self._url = url_of_bind(bind)
        self._starts = 0
        self._problem = ""

    def status(self) -> ConsoleStatus:
        """Return whether it answers."""
        return ConsoleStatus(self._problem, self._starts)

    async def keep(self) -> None:
        """Run the console until cancelled; it reads the same settings from the environment."""
        loop = asyncio.get_running_loop()
        pause = PAUSE_S
        while True:
            began = loop.time()
            self._starts += 1
            child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "gatehouse", "console"),
                stdin=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
            asking = asyncio.create_task(self._keep_asking(), name="console answers")
            try:
                code = await child.wait()
            finally:
                asking.cancel()
                await end(child, seconds=STOP_S)
            self._problem = f"it ended with code {code}"
            pause = PAUSE_S if loop.time() - began > LONG_ENOUGH_S else min(PAUSE_MAX_S, 2 * pause)
            log.error("console_ended", code=code, starts_again_in_s=pause)
            await asyncio.sleep(pause)

    async def _keep_asking(self) -> None:
        while True:
            await asyncio.sleep(ASK_EVERY_S)
            problem = await asyncio.to_thread(ask_console, self._url, seconds=ANSWER_S)
            if bool(problem) != bool(self._problem):
                say = log.warning if problem else log.info
                say("console_silent" if problem else "console_answers", why=problem)
            self._problem = problem


def ask_console(url: str, *, seconds: float) -> str:
    """Return why there is no console at an address, a sentence; "" where there is one."""
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=seconds)
    try:
        connection.request("GET", f"{parts.path}/health/live")
        answer = connection.getresponse()
        is_ours = answer.status == HTTPStatus.OK and b'"live"' in answer.read(1_000)
    except (HTTPException, OSError) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()
    return "" if is_ours else f"something else answers, with {answer.status}"
