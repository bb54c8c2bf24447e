"""Keeps the days people ask for warm: shared again after they change, and never too many in all."""

import asyncio
import heapq

from kit.clock import Clock
from kit.fault import Fault
from kit.logs import logger
from services.availability.domain import SlotShape
from services.availability.engine.blocks import Blocks
from services.availability.engine.world import World
from services.availability.engine.worlds import Worlds
from services.availability.rules.expansions import Expansions
from services.availability.store import AskedDays

log = logger("availability")

INTERVAL_SECONDS = 1.0
# Days of a tenant that are kept warm, those asked for most.
POPULAR_MAX = 256
# Demand halves after so many rounds, so that what was popular once is not for ever.
HALVING_ROUNDS = 60
LEAST_DEMAND = 0.5
# Processes that begin are told what is asked for every so many rounds, from the first on.
NOTE_ROUNDS = 5
# What the bits of all tenants may take in this process.
MEMORY_BYTES_MAX = 512 * 1024 * 1024


class Warming:
    """Runs beside the service: each round looks after the days that are asked for most."""

    def __init__(
        self, worlds: Worlds, blocks: Blocks, expansions: Expansions, clock: Clock
    ) -> None:
        """Takes the tenants in memory, and the way to their blocks."""
        self._worlds = worlds
        self._blocks = blocks
        self._expansions = expansions
        self._clock = clock
        self._rounds = 0

    async def run(self) -> None:
        """Warms for ever; a tenant that cannot be warmed is left to those who ask."""
        while True:
            await asyncio.sleep(INTERVAL_SECONDS)
            self._rounds += 1
            for tenant, world in list(self._worlds.in_memory()):
                try:
                    await self.warm(tenant, world)
                except Fault as fault:
                    log.warning("days stay cold", tenant=tenant, error=fault.message)
            self.trim(MEMORY_BYTES_MAX)
            self._blocks.let_go()

    async def warm(self, tenant: str, world: World) -> None:
        """Brings a tenant's popular days up to now, in memory and where blocks are shared."""
        if self._rounds and self._rounds % HALVING_ROUNDS == 0:
            world.demand.halve(LEAST_DEMAND)
        popular = heapq.nlargest(POPULAR_MAX, world.demand.counts(), key=lambda one: one[2])
        shapes: dict[SlotShape, list[int]] = {}
        for shape, day, _ in popular:
            shapes.setdefault(shape, []).append(day)
        world.settle(self._clock.now())
        for shape, days in shapes.items():
            board = world.board(shape, self._expansions)
            await self._blocks.ensure(tenant, world, board, sorted(days))
            self._blocks.save_changed(tenant, world, board, days)
        if shapes and self._rounds % NOTE_ROUNDS == 0:
            asked = [AskedDays(shape, tuple(sorted(days))) for shape, days in shapes.items()]
            await self._blocks.note_asked(tenant, sum(count for _, _, count in popular), asked)

    def trim(self, most_bytes: int) -> int:
        """Lets go of the blocks nobody looked at for longest; gives what is left, in bytes."""
        held = [
            (block.used_at, block.size_bytes, board, day)
            for _, world in self._worlds.in_memory()
            for board in world.boards()
            for day, block in board.items()
        ]
        total = sum(size for _, size, _, _ in held)
        for _, size, board, day in sorted(held, key=lambda one: one[0]):
            if total <= most_bytes:
                break
            board.forget(day)
            total -= size
        return total
