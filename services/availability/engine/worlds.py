"""Keeps tenants in memory, as fresh as a caller asks: loaded when first asked, then followed."""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from datetime import datetime

from kit.call import remaining_seconds
from kit.clock import Clock
from kit.fault import Fault, Unavailable
from kit.logs import logger
from services.availability.domain import MINUTES_PER_DAY, floor_minute
from services.availability.engine.world import KEPT_BEHIND, World
from services.availability.store import Glance, LedgerMove, Position, WorldRows

log = logger("availability")

# Tenants in memory at once; the one not asked for longest goes first.
TENANTS_MAX = 1_000
# How long a caller without a deadline waits for freshness.
WAIT_SECONDS = 5.0
POLL_SECONDS = 0.02
LOAD_AFTER_SECONDS = 0.25
# Left of the deadline for the answer.
WAY_BACK_SECONDS = 0.02
CATALOG, LEDGER, RESOURCE = "catalog", "ledger", "r/"


@dataclass(slots=True)
class _Place:
    """Where a tenant's world is, or will be."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    world: World | None = None
    # The newest revision heard of; the world is behind while it has an older one.
    heard: int = 0
    # What the ledger said while the world was being read; none while nobody reads.
    pending: list[tuple[LedgerMove, str]] | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A world, and whether it had to be read for this call."""

    world: World
    loaded: bool
    freshness: Mapping[str, int]


class Worlds:
    """The tenants in memory of one process."""

    def __init__(self, rows: WorldRows, clock: Clock) -> None:
        """Starts empty, following nothing."""
        self._rows = rows
        self._clock = clock
        self._places: OrderedDict[str, _Place] = OrderedDict()
        self._followed: Position | None = None
        self._moved = asyncio.Event()
        self._loading: dict[str, asyncio.Task[None]] = {}

    async def at(self, tenant: str, token: Mapping[str, int]) -> Found:
        """Gives the tenant's world once it has seen what the token says; waits up to the deadline.

        Raises Unavailable where that does not come about in time.
        """
        place = self._place(tenant)
        loaded = place.world is None
        world = place.world
        if world is None or world.revision < max(place.heard, token.get(CATALOG, 0)):
            world = await self._caught_up(tenant, place, token.get(CATALOG, 0))
        if not self._is_fresh(world, token):
            world = await self._awaited(tenant, place, token)
        return Found(world, loaded, self._freshness(world))

    async def once(self, tenant: str, since: datetime) -> Found:
        """Reads a world for one call alone, with allocations that go further back."""
        everything = await self._rows.everything(tenant, since=since - KEPT_BEHIND)
        world = World(everything)
        return Found(world, True, self._freshness(world))

    def in_memory(self) -> Iterator[tuple[str, World]]:
        """Gives the tenants that are in memory."""
        for tenant, place in self._places.items():
            if place.world is not None:
                yield tenant, place.world

    async def projected(self, tenant: str) -> None:
        """Waits until the database knows all that this process has heard of."""
        await self._wait_for_projection(tenant, self._followed)

    def known(self, tenant: str) -> World | None:
        """Gives a tenant's world if it is in memory."""
        place = self._places.get(tenant)
        return None if place is None else place.world

    async def glance(self, tenant: str) -> Glance | None:
        """Gives where a tenant stands in the database; none where that is behind what we heard."""
        since = floor_minute(self._clock.now() - KEPT_BEHIND) // MINUTES_PER_DAY
        found = await self._rows.glance(tenant, since_day=since)
        followed = self._followed
        if found is None or followed is None or found.position.made_at != followed.made_at:
            return None
        return found if found.position.number >= followed.number else None

    def satisfied(self, glance: Glance, token: Mapping[str, int]) -> bool:
        """Says whether a glance is as fresh as a token asks; of single resources it cannot tell."""
        seen = {CATALOG: glance.revision, LEDGER: glance.position.number}
        return all(seen.get(name, -1) >= number for name, number in token.items())

    def load_beside(self, tenant: str) -> None:
        """Reads a tenant into memory beside whatever goes on."""
        place = self._place(tenant)
        if place.world is None and tenant not in self._loading:
            # In a context of its own: nobody's deadline ends it.
            task = asyncio.get_running_loop().create_task(self._quietly(tenant), context=Context())
            self._loading[tenant] = task
            task.add_done_callback(lambda _: self._loading.pop(tenant, None))

    async def _quietly(self, tenant: str) -> None:
        # The answer that made it worth reading goes out first.
        await asyncio.sleep(LOAD_AFTER_SECONDS)
        try:
            await self.at(tenant, {})
        except Fault as fault:
            log.warning("a tenant is read when next asked", tenant=tenant, error=fault.message)

    def hear(self, tenant: str, revision: int) -> None:
        """Takes note of a revision that exists; the next question reads what changed."""
        place = self._places.get(tenant)
        if place is not None:
            place.heard = max(place.heard, revision)

    async def refresh(self, tenant: str, revision: int) -> None:
        """Reads what changed up to a revision at once, if the tenant is in memory."""
        self.hear(tenant, revision)
        place = self._places.get(tenant)
        if place is not None and place.world is not None and place.world.revision < revision:
            await self._caught_up(tenant, place, revision)
            self._wake()

    async def renew(self, tenant: str) -> None:
        """Reads what changed since, if anything, without having heard of it."""
        world = self.known(tenant)
        if world is not None:
            await self._caught_up(tenant, self._place(tenant), world.revision + 1)

    def follow(self, moves: Sequence[LedgerMove], position: Position) -> None:
        """Takes over what the ledger says, in its order; `position` is that of the last move."""
        for move in moves:
            place = self._places.get(move.tenant)
            if place is None:
                continue
            if place.pending is not None:
                place.pending.append((move, position.made_at))
            if place.world is not None:
                _tell(place.world, move, position.made_at)
        self._followed = position
        self._wake()

    async def _caught_up(self, tenant: str, place: _Place, revision: int) -> World:
        async with place.lock:
            world = place.world
            if world is None:
                return await self._load(tenant, place)
            if world.revision >= max(place.heard, revision):
                # Somebody else read it while this call waited for the lock.
                return world
            heard = place.heard
            difference = await self._rows.difference(tenant, world.revision)
            if difference is None:
                return await self._load(tenant, place)
            world.change(difference)
            if place.heard == heard:
                # What was heard of before reading and is not there was undone: a database restored.
                place.heard = min(heard, world.revision)
            return world

    async def _load(self, tenant: str, place: _Place) -> World:
        """Reads a tenant; what the ledger says meanwhile is applied after, older or not."""
        place.pending = []
        try:
            await self._wait_for_projection(tenant, self._followed)
            since = self._clock.now() - KEPT_BEHIND
            world = World(await self._rows.everything(tenant, since=since))
            for move, made_at in place.pending:
                _tell(world, move, made_at)
            place.world = world
            return world
        finally:
            place.pending = None

    async def _wait_for_projection(self, tenant: str, followed: Position | None) -> None:
        """Waits until the database knows all that this process has heard of before."""
        if followed is None:
            return
        seconds = remaining_seconds(default=WAIT_SECONDS) - WAY_BACK_SECONDS
        for _ in range(max(1, int(seconds / POLL_SECONDS))):
            known = await self._rows.position(tenant)
            if known.made_at == followed.made_at and known.number >= followed.number:
                return
            await asyncio.sleep(POLL_SECONDS)
        raise Unavailable(
            "UNAVAILABLE", "the ledger's events are not all read yet", retry_after_seconds=0.2
        )

    async def _awaited(self, tenant: str, place: _Place, token: Mapping[str, int]) -> World:
        clock = asyncio.get_running_loop().time
        until = clock() + remaining_seconds(default=WAIT_SECONDS) - WAY_BACK_SECONDS
        while clock() < until:
            # Looked at again now and then, since an event of the catalog may have been missed.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._moved.wait(), POLL_SECONDS)
            world = place.world
            if world is None or world.revision < token.get(CATALOG, 0):
                world = await self._caught_up(tenant, place, token.get(CATALOG, 0))
            if self._is_fresh(world, token):
                return world
        raise Unavailable("UNAVAILABLE", "what the freshness token names was not seen in time")

    def _is_fresh(self, world: World, token: Mapping[str, int]) -> bool:
        for name, number in token.items():
            if name == CATALOG:
                seen = world.revision
            elif name == LEDGER:
                seen = 0 if self._followed is None else self._followed.number
            else:
                seen = world.generations.get(name.removeprefix(RESOURCE), 0)
            if seen < number:
                return False
        return True

    def _freshness(self, world: World) -> Mapping[str, int]:
        followed = 0 if self._followed is None else self._followed.number
        return {CATALOG: world.revision, LEDGER: followed}

    def _place(self, tenant: str) -> _Place:
        place = self._places.get(tenant)
        if place is None:
            place = self._places[tenant] = _Place()
            if len(self._places) > TENANTS_MAX:
                self._places.popitem(last=False)
        else:
            self._places.move_to_end(tenant)
        return place

    def _wake(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()


def _tell(world: World, move: LedgerMove, made_at: str) -> None:
    world.allocate(move.allocation, move.generations, Position(made_at, move.position))
