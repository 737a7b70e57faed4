"""Child processes: ended with patience and a bound, and never left behind."""

import asyncio
import contextlib
import os
import signal
import threading


async def end(child: asyncio.subprocess.Process, *, seconds: float) -> None:
    """Ask a child to end, and end it by force when it has not after some seconds."""
    if child.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        child.terminate()
    try:
        async with asyncio.timeout(seconds):
            await child.wait()
    except TimeoutError:
        child.kill()
        await child.wait()


def end_with_parent() -> None:
    """End this process when its standard input closes: the parent that held it has gone."""

    def watch() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 1024):
                pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
