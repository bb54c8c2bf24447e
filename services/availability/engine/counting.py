"""Counts searches in memory, and adds them to the tenant's demand every few seconds."""

import asyncio
from datetime import datetime

import psycopg
from psycopg_pool import PoolTimeout

from kit.clock import Clock
from kit.db import Pool, tenant_transaction
from kit.logs import logger
from services.availability.store.insight import InsightRows

log = logger("availability")

FLUSH_SECONDS = 1.0
# Hours of zones begin on quarters, so a quarter belongs to one hour in every zone.
QUARTER_MINUTES = 15
# Tenants and quarters waiting to be written; beyond them searches are no longer counted.
WAITING_MAX = 10_000


class Counting:
    """The searches of one process, by tenant and quarter of an hour."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        """Takes the pool of the service's own role."""
        self._pool = pool
        self._clock = clock
        self._waiting: dict[tuple[str, datetime], tuple[int, int]] = {}

    def note(self, tenant: str, *, found: bool) -> None:
        """Counts a search that was answered now."""
        now = self._clock.now()
        quarter = now.replace(
            minute=now.minute // QUARTER_MINUTES * QUARTER_MINUTES, second=0, microsecond=0
        )
        key = (tenant, quarter)
        if key not in self._waiting and len(self._waiting) >= WAITING_MAX:
            return
        searches, without_result = self._waiting.get(key, (0, 0))
        self._waiting[key] = searches + 1, without_result + (not found)

    async def run(self) -> None:
        """Writes for ever; what cannot be written now is written later."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Writes what was counted so far."""
        for key in sorted(self._waiting):
            tenant, quarter = key
            searches, without_result = self._waiting.pop(key)
            try:
                async with tenant_transaction(self._pool, tenant) as connection:
                    rows = InsightRows(connection, tenant)
                    await rows.count(quarter, searches, without_result)
            except (psycopg.Error, PoolTimeout, OSError) as error:
                known = self._waiting.get(key, (0, 0))
                self._waiting[key] = known[0] + searches, known[1] + without_result
                log.warning("searches are counted later", error=repr(error))
                return
