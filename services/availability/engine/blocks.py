"""Brings blocks of bits into memory: from the shared store where it has them, else computed."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from kit.clock import Clock
from services.availability.domain import SlotShape
from services.availability.engine.board import Board
from services.availability.engine.gate import Gate
from services.availability.engine.world import World
from services.availability.rules.bits import words_for
from services.availability.rules.slots import Grid
from services.availability.store import Saved, SharedBlocks

# Raised whenever the rules or the form of a block change: both may run beside each other.
SCHEMA = 1
# How long another process is waited for that said it computes a block.
LEASE_POLLS, LEASE_POLL_SECONDS = 5, 0.01


@dataclass(slots=True)
class Tally:
    """How many blocks a question asked for, and how many of them were read or computed for it."""

    asked: int = 0
    read: int = 0
    computed: int = 0


class Blocks:
    """The way to the blocks of one process. Each block is computed once, however many ask."""

    def __init__(self, store: SharedBlocks, gate: Gate, clock: Clock) -> None:
        """Takes where blocks are shared, and what bounds the computing."""
        self._store = store
        self._gate = gate
        self._clock = clock
        self._flights: dict[tuple[int, int], asyncio.Future[None]] = {}
        self._writing: set[asyncio.Task[bool]] = set()
        # How many were computed since the process began.
        self.computed = 0

    async def ensure(self, tenant: str, world: World, board: Board, days: Sequence[int]) -> Tally:
        """Brings the blocks of the days into memory, those that others bring already included."""
        tally = Tally(asked=len(days))
        missing = [day for day in days if day not in board]
        mine = [day for day in missing if (id(board), day) not in self._flights]
        others = {self._flights[id(board), day] for day in missing if day not in set(mine)}
        if mine:
            await self._bring(tenant, world, board, mine, tally)
        for flight in others:
            # Whoever brings them may fail; then the caller looks again and brings them itself.
            await asyncio.wait((flight,))
        return tally

    def save(self, tenant: str, world: World, board: Board, days: Sequence[int]) -> None:
        """Shares blocks of a board with other processes, beside whatever goes on."""
        now = self._clock.now()
        saved = []
        for day in days:
            block = board.block(day, now)
            if block is not None:
                grid = Grid(block.grid.starts, block.grid.free.copy())
                end = world.first_expiry(board.reach(day))
                key = key_of(tenant, board.shape, day, board.generation(day))
                saved.append(Saved(key, grid, end))
        task = asyncio.get_running_loop().create_task(self._store.write(saved, now))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _bring(
        self, tenant: str, world: World, board: Board, days: list[int], tally: Tally
    ) -> None:
        flight: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        for day in days:
            self._flights[id(board), day] = flight
        try:
            left = await self._read(tenant, world, board, days, tally)
            for run in board.runs(left):
                await self._compute(tenant, world, board, run, tally)
        finally:
            for day in days:
                self._flights.pop((id(board), day), None)
            flight.set_result(None)

    async def _read(
        self, tenant: str, world: World, board: Board, days: list[int], tally: Tally
    ) -> list[int]:
        """Adopts the blocks that are shared; gives the days that are not."""
        generations = {day: board.generation(day) for day in days}
        keys = {day: key_of(tenant, board.shape, day, generations[day]) for day in days}
        found = await self._store.read(list(keys.values()), self._clock.now())
        left = []
        for day in days:
            grid = found.get(keys[day])
            # What changed while we read makes it another generation's block.
            changed = board.generation(day) != generations[day]
            if grid is None or changed or not fits(grid, len(world.roster)):
                left.append(day)
            else:
                board.adopt(day, grid)
                tally.read += 1
        return left

    async def _compute(
        self, tenant: str, world: World, board: Board, run: range, tally: Tally
    ) -> None:
        left = list(run)
        if not await self._store.lease(key_of(tenant, board.shape, run.start, str(len(run)))):
            for _ in range(LEASE_POLLS):
                await asyncio.sleep(LEASE_POLL_SECONDS)
                left = await self._read(tenant, world, board, left, tally)
                if not left:
                    return
        async with self._gate:
            for part in board.runs(left):
                board.build(part, self._clock.now())
                self.computed += len(part)
                tally.computed += len(part)
        self.save(tenant, world, board, left)


def key_of(tenant: str, shape: SlotShape, day: int, generation: str) -> str:
    """Gives the key of a block: tenant first, then all that its bits depend on."""
    form = blake2b(repr(shape).encode(), digest_size=8).hexdigest()
    return f"av:{tenant}:{SCHEMA}:{day}:{form}:{generation}"


def fits(grid: Grid, resources: int) -> bool:
    """Says whether a block has as many columns as there are resources."""
    return grid.free.shape == (len(grid.starts), words_for(resources))
