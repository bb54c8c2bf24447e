"""Brings blocks of bits into memory: from the shared store where it has them, else computed."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

from kit.clock import Clock
from services.availability.domain import SlotShape
from services.availability.engine.board import Board
from services.availability.engine.gate import Gate
from services.availability.engine.world import World
from services.availability.rules.slots import Grid
from services.availability.store import (
    LIFE,
    AskedDays,
    Catalog,
    Saved,
    SharedBlocks,
    asked_in,
    asked_text,
    catalog_in,
    catalog_text,
)

# Raised whenever the rules or the form of a block change: both may run beside each other.
SCHEMA = 2
# How long another process is waited for that said it computes a block.
LEASE_POLLS, LEASE_POLL_SECONDS = 5, 0.01
# Days whose last sharing is remembered; beyond that all are shared anew.
SAVED_MAX = 100_000


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
        # What was shared last of each day, and until when; and of each catalog.
        self._saved: dict[tuple[str, SlotShape, int], tuple[str, datetime]] = {}
        self._catalogs: dict[str, tuple[int, datetime]] = {}
        # Shared blocks by tenant and key, read before anybody asked for them, and until when.
        self._ahead: dict[str, dict[str, Saved]] = {}
        self._ahead_until = clock.now()
        # How many were computed since the process began.
        self.computed = 0

    async def ensure(self, tenant: str, world: World, board: Board, days: Sequence[int]) -> Tally:
        """Brings the blocks of the days into memory, those that others bring already included."""
        # Whoever has the whole tenant needs nothing that was read ahead.
        self._ahead.pop(tenant, None)
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

    async def adopt(self, tenant: str, board: Board, days: Sequence[int]) -> bool:
        """Takes all the days from where blocks are shared, or none of them."""
        found = await self._shared(tenant, board, days)
        grids = {day: block.grid for day, block in found.items()}
        if len(grids) < len(days) or not all(board.fits(grid) for grid in grids.values()):
            return False
        for day, grid in grids.items():
            board.adopt(day, grid)
        return True

    async def take_ahead(self, tenant: str, board: Board, days: Sequence[int]) -> None:
        """Reads those of the days that are shared, for whoever may ask for them."""
        found = await self._shared(tenant, board, days)
        kept = self._ahead.setdefault(tenant, {})
        kept.update((block.key, block) for block in found.values())
        self._ahead_until = self._clock.now() + LIFE

    @property
    def ahead_bytes(self) -> int:
        """What was read ahead takes in memory."""
        return sum(
            block.grid.free.nbytes for kept in self._ahead.values() for block in kept.values()
        )

    def let_go(self) -> None:
        """Lets go of what was read ahead and nobody asked for all the while."""
        if self._clock.now() >= self._ahead_until:
            self._ahead.clear()

    async def asked(self, most: int) -> list[tuple[str, tuple[AskedDays, ...]]]:
        """Gives the tenants asked most, with what they are asked for."""
        return [(tenant, asked_in(text)) for tenant, text in await self._store.noted(most)]

    async def note_asked(self, tenant: str, demand: float, asked: Sequence[AskedDays]) -> None:
        """Tells processes that begin what a tenant is asked for."""
        await self._store.note(tenant, demand, asked_text(tuple(asked)))

    async def _shared(self, tenant: str, board: Board, days: Sequence[int]) -> dict[int, Saved]:
        """Gives the blocks of the days that are shared, those read ahead among them."""
        now = self._clock.now()
        keys = {day: key_of(tenant, board.shape, day, board.generation(day)) for day in days}
        known = self._ahead.get(tenant, {})
        have = {key: known[key] for key in keys.values() if key in known}
        found = {key: block for key, block in have.items() if block.good_at(now)}
        found |= await self._store.read([key for key in keys.values() if key not in found], now)
        return {day: found[key] for day, key in keys.items() if key in found}

    async def catalog(self, tenant: str, revision: int) -> Catalog | None:
        """Gives a tenant's catalog at a revision, if it is shared."""
        text = await self._store.text(catalog_key(tenant, revision))
        found = None if text is None else catalog_in(text)
        return found if found is not None and found.revision == revision else None

    def save_changed(self, tenant: str, world: World, board: Board, days: Sequence[int]) -> None:
        """Shares those of the days that are not shared as they are now, or not for much longer."""
        now = self._clock.now()
        late = now + LIFE / 2
        changed = []
        for day in days:
            known = self._saved.get((tenant, board.shape, day))
            if known is None or known[0] != board.generation(day) or known[1] < late:
                changed.append(day)
        if changed:
            self.save(tenant, world, board, changed)

    def save(self, tenant: str, world: World, board: Board, days: Sequence[int]) -> None:
        """Shares blocks of a board with other processes, beside whatever goes on."""
        now = self._clock.now()
        saved = []
        texts = {}
        known = self._catalogs.get(tenant)
        if known is None or known[0] != world.revision or known[1] < now:
            self._catalogs[tenant] = (world.revision, now + LIFE / 2)
            texts[catalog_key(tenant, world.revision)] = catalog_text(world.catalog())
        for day in days:
            block = board.block(day, now)
            if block is not None:
                grid = Grid(block.grid.starts, block.grid.free.copy())
                end = world.first_expiry(board.reach(day))
                generation = board.generation(day)
                key = key_of(tenant, board.shape, day, generation)
                saved.append(Saved(key, grid, end))
                self._saved[tenant, board.shape, day] = (generation, now + LIFE)
        if len(self._saved) > SAVED_MAX:
            self._saved.clear()
        task = asyncio.get_running_loop().create_task(self._store.write(saved, texts, now))
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
            block = found.get(keys[day])
            # What changed while we read makes it another generation's block.
            changed = board.generation(day) != generations[day]
            if block is None or changed or not board.fits(block.grid):
                left.append(day)
            else:
                board.adopt(day, block.grid)
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


def catalog_key(tenant: str, revision: int) -> str:
    """Gives the key of a catalog."""
    return f"av:{tenant}:{SCHEMA}:catalog:{revision}"
