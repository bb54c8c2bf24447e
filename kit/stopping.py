"""Ends tasks for certain: on Python 3.11 a cancellation that meets an answer may be lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

AGAIN_SECONDS = 0.2


async def stopped(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancels the tasks, again and again if need be, until all ended; their errors stay theirs."""
    # `asyncio.wait_for`, which nats-py and others are built on, returns a result that came in the
    # same moment in place of raising the cancellation (fixed in Python 3.12).
    pending, cancelled = set(tasks), False
    while pending:
        for task in pending:
            task.cancel()
        try:
            _, pending = await asyncio.wait(pending, timeout=AGAIN_SECONDS)
        except asyncio.CancelledError:
            # Whoever stops us, also again and again, has these stopped first.
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError
