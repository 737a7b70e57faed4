"""The console in a process of its own, so that a page never slows the intake.

The parent holds the child's standard input; when it closes, by whatever death, the child ends.
A console that ends by itself is started again, with a pause that doubles up to half a minute.
"""

import asyncio
import sys

import structlog

from gatehouse.child import end

log = structlog.get_logger()

PAUSE_S = 0.5
PAUSE_MAX_S = 30.0
LONG_ENOUGH_S = 60.0
STOP_S = 0.7


async def keep_console() -> None:
    """Run the console until cancelled; it reads the same settings from the environment."""
    loop = asyncio.get_running_loop()
    pause = PAUSE_S
    while True:
        began = loop.time()
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gatehouse", "console"),
            stdin=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            code = await child.wait()
        finally:
            await end(child, seconds=STOP_S)
        pause = PAUSE_S if loop.time() - began > LONG_ENOUGH_S else min(PAUSE_MAX_S, 2 * pause)
        log.error("console_ended", code=code, starts_again_in_s=pause)
        await asyncio.sleep(pause)
