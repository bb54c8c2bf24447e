"""Answers old clients: every start of a day by resource, and days worked out beforehand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from kit.clock import Clock
from kit.fault import Invalid
from services.availability.domain import (
    LAST_MINUTE,
    MINUTES_PER_DAY,
    SlotShape,
    Span,
    StartBounds,
    Wanted,
    ceil_minute,
    day_of,
    moment_of,
)
from services.availability.engine.asking import Ask, bounds_of, service_type, shape_of, wanted_of
from services.availability.engine.searching import Searching
from services.availability.engine.world import World
from services.availability.engine.worlds import Worlds
from services.availability.rules.expansions import Expansions
from services.availability.rules.slots import free_slots

# What is asked for where no service type is named: an hour, on the hour.
PLAIN_MINUTES = 60
SEED_DAYS_MAX = 366


@dataclass(frozen=True, slots=True)
class DayStart:
    """One start of one resource, and whether it is free."""

    slot: Span
    resource_id: str
    free: bool


class Daily:
    """The questions of old clients."""

    def __init__(
        self, searching: Searching, worlds: Worlds, expansions: Expansions, clock: Clock
    ) -> None:
        """Keeps what searches, where tenants are and what was expanded."""
        self._searching = searching
        self._worlds = worlds
        self._expansions = expansions
        self._clock = clock

    async def day(self, tenant: str, day: date, type_id: str) -> Sequence[DayStart]:
        """Gives every start on a local day, by start, then by static priority."""
        now = self._clock.now()
        world = (await self._worlds.at(tenant, {})).world
        shape, wanted = _plain(), Wanted()
        bounds = StartBounds(earliest=ceil_minute(now), latest=LAST_MINUTE)
        if type_id:
            kind = service_type(world, type_id)
            wanted = wanted_of(world, kind, Ask(type_id))
            bounds = bounds_of(kind, now)
            shape = shape_of(
                kind,
                duration=kind.duration_minutes,
                granularity=kind.granularity_minutes,
                grid_zone="",
            )
        span = self._span(world, day, day)
        contenders = world.contenders(wanted, now)
        table = free_slots(
            contenders,
            shape,
            window=Span(span.start, span.end + shape.duration - 1),
            bounds=bounds,
            expansions=self._expansions,
        )
        free: set[tuple[int, int]] = set()
        position = 0
        for start, capacity in zip(table.starts.tolist(), table.capacities.tolist(), strict=True):
            ranks = table.candidates[position : position + capacity].tolist()
            free.update((start, rank) for rank in ranks)
            position += capacity
        found = [
            (start, rank)
            for rank, contender in enumerate(contenders)
            for start in self._expansions.starts(
                contender.lane.pattern, shape, span.start, span.end
            ).tolist()
        ]
        return [
            DayStart(
                Span(start, start + shape.duration),
                contenders[rank].lane.resource.id,
                (start, rank) in free,
            )
            for start, rank in sorted(found)
        ]

    async def seed(
        self, tenant: str, first: date | None, last: date | None, type_id: str
    ) -> tuple[int, int]:
        """Works out days; gives how many, and how many bookable slots they have."""
        world = (await self._worlds.at(tenant, {})).world
        zone = self._expansions.zones.get(world.tenant.time_zone)
        today = zone.wall_of(ceil_minute(self._clock.now())) // MINUTES_PER_DAY
        first = first or date(1970, 1, 1) + timedelta(days=today)
        last = last or first
        days = (last - first).days + 1
        if not 1 <= days <= SEED_DAYS_MAX:
            raise Invalid.field(
                "end_date", f"must lie 0 to {SEED_DAYS_MAX - 1} days after the first"
            )
        span = self._span(world, first, last)
        kinds = [service_type(world, type_id).id] if type_id else sorted(world.service_types)
        slots = 0
        for kind in kinds:
            ask = Ask(kind, window_start=moment_of(span.start), window_end=moment_of(span.end))
            found = await self._searching.matrix(
                tenant, ask, {}, None, with_resources=False, rejections_max=0
            )
            slots += len(found.starts)
        return days, slots

    def _span(self, world: World, first: date, last: date) -> Span:
        """Gives the local days of the tenant's zone from the first to the last."""
        low, high = day_of(first), day_of(last) + 1
        if not 0 < low <= high < LAST_MINUTE // MINUTES_PER_DAY:
            raise Invalid.field("date", "lies outside the years 1970 to 5998")
        edges = self._expansions.zones.get(world.tenant.time_zone).midnights(low, high)
        return Span(int(edges[0]), int(edges[-1]))


def _plain() -> SlotShape:
    return SlotShape(duration=PLAIN_MINUTES, granularity=PLAIN_MINUTES)
