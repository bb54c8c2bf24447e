"""Bounds how much is worked out at once, and how many wait for their turn."""

import asyncio
from types import TracebackType

from kit.fault import Unavailable

RETRY_SECONDS = 0.2


class Gate:
    """Lets in so many at once; so many more wait, and whoever comes then is sent away."""

    def __init__(self, *, at_once: int, waiting_max: int) -> None:
        """Opens with nobody inside."""
        self._places = asyncio.Semaphore(at_once)
        self._waiting_max = waiting_max
        self._waiting = 0

    async def __aenter__(self) -> None:
        """Waits for a place; refuses when too many wait already."""
        if self._places.locked() and self._waiting >= self._waiting_max:
            raise Unavailable(
                "UNAVAILABLE",
                "too much is being worked out at once",
                retry_after_seconds=RETRY_SECONDS,
            )
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Gives the place back."""
        self._places.release()
