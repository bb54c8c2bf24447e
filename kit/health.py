"""Says whether a service can do its work: all named checks, polled in the background, changes
logged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from grpc_health.v1 import health_pb2
from grpc_health.v1._async import HealthServicer

from kit.logs import logger

Check = Callable[[], Awaitable[object]]
INTERVAL_SECONDS = 1.0
log = logger("health")


class Health:
    """The health of one service. SERVING while every check passes; "" and the service's name say
    the same.
    """

    def __init__(self, *, name: str, checks: Mapping[str, Check]) -> None:
        self.servicer = HealthServicer()
        self._name = name
        self._checks = checks
        self._failing: frozenset[str] | None = None
        self._leaving = False

    async def watch(self) -> None:
        """Looks again every second, for ever."""
        while True:
            await self.look()
            await asyncio.sleep(INTERVAL_SECONDS)

    async def look(self) -> None:
        """Runs all checks once and says what came out; only a change is logged."""
        failing = frozenset([n for n, check in self._checks.items() if not await _passes(check)])
        if self._leaving or failing == self._failing:
            return
        self._failing = failing
        if failing:
            log.warning("not serving", service=self._name, failing=sorted(failing))
        else:
            log.info("serving", service=self._name)
        status = (
            health_pb2.HealthCheckResponse.NOT_SERVING
            if failing
            else health_pb2.HealthCheckResponse.SERVING
        )
        for name in ("", self._name):
            await self.servicer.set(name, status)

    async def leave(self) -> None:
        """Says NOT_SERVING from now on, so that nobody sends new calls."""
        self._leaving = True
        await self.servicer.enter_graceful_shutdown()


async def _passes(check: Check) -> bool:
    try:
        # A check that takes nearly an interval has failed.
        async with asyncio.timeout(INTERVAL_SECONDS * 0.9):
            await check()
    except Exception as error:
        log.debug("a check failed", exc_info=error)
        return False
    return True
