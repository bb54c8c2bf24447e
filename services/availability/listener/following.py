"""Keeps this process's memory up with the ledger and with the catalog's other writers."""

import asyncio

import nats.errors
import nats.js.errors

from kit.bus import Bus
from kit.fault import Fault
from kit.logs import logger
from services.availability.engine import Worlds
from services.availability.listener.events import (
    CATALOG_STREAM,
    CATALOG_SUBJECTS,
    LEDGER_STREAM,
    LEDGER_SUBJECTS,
    catalog_revision,
    ledger_move,
)
from services.availability.store import Position

log = logger("availability")

LOOK_SECONDS = 0.2


class Follower:
    """Reads both streams from where they stood when the process began, before it serves."""

    def __init__(self, bus: Bus, worlds: Worlds) -> None:
        """Takes where events come from and the memory they change."""
        self._bus = bus
        self._worlds = worlds
        # Nothing was in a stream that was not there when we began.
        self._begun = Position("", 0)

    async def begin(self) -> None:
        """Notes where the ledger's stream stands; whatever comes after will be followed."""
        try:
            _, last = await self._bus.bounds(LEDGER_STREAM)
            self._begun = Position(await self._bus.made_at(LEDGER_STREAM), last)
            self._worlds.follow((), self._begun)
        except nats.js.errors.NotFoundError:
            log.info("the ledger's stream is not there yet")

    async def follow_ledger(self) -> None:
        """Follows the ledger for ever."""
        made_at, after = await self._made_at(), self._begun.number
        if self._begun.made_at not in ("", made_at):
            after = 0
        async for batch in self._bus.follow(LEDGER_STREAM, LEDGER_SUBJECTS, after=after):
            if batch[0].position <= after:
                made_at = await self._made_at()
            after = batch[-1].position
            moves = [move for event in batch if (move := ledger_move(event)) is not None]
            self._worlds.follow(moves, Position(made_at, after))

    async def follow_catalog(self) -> None:
        """Follows the catalog for ever; memory that misses a change reads it when next asked."""
        _, last = await self._bus.bounds(CATALOG_STREAM)
        async for batch in self._bus.follow(CATALOG_STREAM, CATALOG_SUBJECTS, after=last):
            newest: dict[str, int] = {}
            for event in batch:
                newest[event.tenant] = max(newest.get(event.tenant, 0), catalog_revision(event))
            for tenant, revision in newest.items():
                try:
                    await self._worlds.refresh(tenant, revision)
                except Fault as fault:
                    log.warning("a change is read later", tenant=tenant, error=fault.message)

    async def _made_at(self) -> str:
        while True:
            try:
                return await self._bus.made_at(LEDGER_STREAM)
            except (nats.js.errors.NotFoundError, nats.errors.Error, TimeoutError):
                await asyncio.sleep(LOOK_SECONDS)
