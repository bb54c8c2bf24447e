"""Knows tenants that are not in memory as far as shared blocks need it, some of them ahead."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

from kit.fault import Fault
from kit.logs import logger
from services.availability.domain import LAST_MINUTE, Span, Wanted
from services.availability.engine.blocks import Blocks
from services.availability.engine.board import Board
from services.availability.engine.flights import Flights
from services.availability.engine.glimpse import Glimpse
from services.availability.engine.looking import Look
from services.availability.engine.worlds import Worlds
from services.availability.rules.expansions import Expansions

log = logger("availability")

# Catalogs kept of tenants that are not in memory; the one not asked for longest goes first.
KEPT_MAX = 64
# What a process gets ready before it says that it serves, and how long that may take.
TENANTS_AHEAD, AHEAD_BYTES_MAX, AHEAD_SECONDS = 16, 64 * 1024 * 1024, 2.0


class Glimpses:
    """The tenants that one process has only glimpsed."""

    def __init__(self, worlds: Worlds, blocks: Blocks, expansions: Expansions) -> None:
        """Knows nobody at first."""
        self._worlds = worlds
        self._blocks = blocks
        self._expansions = expansions
        self._flights = Flights[Glimpse | None]()
        self._kept: OrderedDict[str, Glimpse] = OrderedDict()

    async def at(self, tenant: str) -> Glimpse | None:
        """Gives a tenant as it stands now; none where its catalog is not shared."""
        return await self._flights.once(tenant, lambda: self._read(tenant))

    async def prepare(self) -> None:
        """Gets ready what tenants are asked for most: their catalogs, and blocks that are shared.

        What cannot be had in time is left to whoever asks first.
        """
        ready = 0
        try:
            async with asyncio.timeout(AHEAD_SECONDS):
                for tenant, asked in await self._blocks.asked(TENANTS_AHEAD):
                    await self._worlds.projected(tenant)
                    glimpse = await self.at(tenant)
                    if glimpse is None:
                        continue
                    for one in asked:
                        board = Board(glimpse, one.shape, self._expansions)
                        await self._blocks.take_ahead(tenant, board, one.days)
                        await self._rehearse(tenant, glimpse, board, one.days)
                    ready += 1
                    if self._blocks.ahead_bytes > AHEAD_BYTES_MAX:
                        break
        except (Fault, TimeoutError) as error:
            log.warning("some tenants are not ready yet", error=repr(error))
        log.info("tenants are ready", count=ready)

    async def _rehearse(
        self, tenant: str, glimpse: Glimpse, board: Board, days: Sequence[int]
    ) -> None:
        """Reads a board once, so that whoever asks first finds memory and code in place."""
        if not await self._blocks.adopt(tenant, board, days):
            return
        look = Look(board, glimpse.roster.eligible(Wanted()), Span(0, LAST_MINUTE))
        for day, block in board.items():
            look.add(day, block)
        look.table()

    async def _read(self, tenant: str) -> Glimpse | None:
        glance = await self._worlds.glance(tenant)
        if glance is None:
            return None
        kept = self._kept.get(tenant)
        if kept is not None and kept.revision == glance.revision:
            made = kept.moved(glance)
        else:
            catalog = await self._blocks.catalog(tenant, glance.revision)
            if catalog is None:
                return None
            made = Glimpse.of(catalog, glance)
        self._kept[tenant] = made
        self._kept.move_to_end(tenant)
        if len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        return made
