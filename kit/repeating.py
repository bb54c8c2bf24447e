"""Does something again and again beside the calls; a failure is tried again at the next round."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import psycopg

from kit.logs import logger

log = logger("repeating")


async def repeated(work: Callable[[], Awaitable[object]], *, every_seconds: float) -> None:
    """Does `work` for ever, with a pause after each round; the database may be away meanwhile."""
    while True:
        try:
            await work()
        except (psycopg.Error, OSError) as error:
            log.warning("a round failed", work=work.__qualname__, error=repr(error))
        await asyncio.sleep(every_seconds)
