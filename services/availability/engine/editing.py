"""Edits the catalog and schedules: each edit is one transaction with one event."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from kit.call import Caller
from kit.clock import Clock
from kit.db import Pool, tenant_transaction
from services.availability.engine.calendar_edits import CalendarEdits
from services.availability.engine.catalog_edits import CatalogEdits
from services.availability.engine.schedule_edits import ScheduleEdits
from services.availability.engine.worlds import Worlds
from services.availability.rules.zones import Zones


class Edit(CatalogEdits, ScheduleEdits, CalendarEdits):
    """One edit in progress."""


class Editing:
    """Opens edits, and tells the memory of this process what they changed."""

    def __init__(
        self, pool: Pool, worlds: Worlds, zones: Zones, new_id: Callable[[], str], clock: Clock
    ) -> None:
        """Takes the pool of the service's own role."""
        self._pool = pool
        self._clock = clock
        self._worlds = worlds
        self._zones = zones
        self._new_id = new_id

    @asynccontextmanager
    async def edit(self, caller: Caller) -> AsyncIterator[Edit]:
        """Yields an edit; commits when the block ends, undoes everything when it raises."""
        async with tenant_transaction(self._pool, caller.tenant) as connection:
            made = Edit(connection, caller, self._zones, self._new_id, self._clock.now())
            yield made
        if made.revision:
            self._worlds.hear(caller.tenant, made.revision)
