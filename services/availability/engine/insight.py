"""Says how busy resources are, and when people search and book."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import numpy as np

from kit.clock import Clock
from kit.db import Pool, tenant_transaction
from kit.fault import Invalid
from services.availability.domain import (
    MINUTES_PER_DAY,
    Allocation,
    Resource,
    Span,
    Wanted,
    date_of,
    moment_of,
)
from services.availability.engine.asking import known_resources, window_invalid, window_of
from services.availability.engine.worlds import Worlds
from services.availability.rules.expansions import Expansions
from services.availability.rules.intervals import clipped, spans_of, subtracted
from services.availability.rules.utilization import (
    day_edges,
    minutes_by_day,
    percent,
    touching_by_day,
)
from services.availability.rules.zones import Wide
from services.availability.store.insight import Demanded, InsightRows

WINDOW_DAYS_MAX = 366
DEMAND_WINDOW = timedelta(days=30)


class By(StrEnum):
    """What a row of utilisation stands for."""

    RESOURCE = "RESOURCE"
    DAY = "DAY"
    RESOURCE_AND_DAY = "RESOURCE_AND_DAY"


@dataclass(frozen=True, slots=True)
class Use:
    """How much of some working time is booked; no resource means all, no day the whole window."""

    resource: Resource | None
    day: int | None
    working: int
    booked: int
    assignments: int

    @property
    def percent(self) -> int:
        """Booked of working time in whole percent."""
        return percent(self.booked, self.working)

    @property
    def date(self) -> str:
        """The day as people write it; empty for the whole window."""
        return "" if self.day is None else date_of(self.day).isoformat()


@dataclass(frozen=True, slots=True)
class Utilized:
    """Rows by day, then resource, and all of them together."""

    rows: Sequence[Use]
    total: Use
    window: Span
    time_zone: str


class Insight:
    """The questions about how things went, and how they look."""

    def __init__(self, pool: Pool, worlds: Worlds, expansions: Expansions, clock: Clock) -> None:
        """Takes the pool of the service's own role and where tenants are."""
        self._pool = pool
        self._worlds = worlds
        self._expansions = expansions
        self._clock = clock

    async def utilization(
        self,
        tenant: str,
        *,
        start: datetime | None,
        end: datetime | None,
        by: By,
        resource_ids: tuple[str, ...],
    ) -> Utilized:
        """Measures working time, leave taken out, and assignments of a window."""
        now = self._clock.now()
        window = window_of(start, end, now=now)
        if window.end - window.start > WINDOW_DAYS_MAX * MINUTES_PER_DAY:
            raise Invalid.field("window", f"is longer than {WINDOW_DAYS_MAX} days")
        world = (await self._worlds.at(tenant, {})).world
        known_resources(world, resource_ids)
        async with tenant_transaction(self._pool, tenant) as connection:
            rows = InsightRows(connection, tenant)
            booked = await rows.booked(moment_of(window.start), moment_of(window.end))
        slots = _slots_of(booked)
        zone = self._expansions.zones.get(world.tenant.time_zone)
        days, edges = day_edges(window, zone)
        measured: list[tuple[Resource, Wide, Wide, Wide]] = []
        for resource in world.roster.asked(Wanted(resource_ids=resource_ids)):
            own = slots.get(resource.id, [])
            if not resource.active and not own:
                continue
            lane = world.lane(resource.id, now)
            worked = self._expansions.working(lane.pattern, window.start, window.end)
            left = subtracted(clipped(worked, window.start, window.end), lane.leave)
            taken = clipped(spans_of(own), window.start, window.end)
            measured.append(
                (
                    resource,
                    minutes_by_day(left, edges),
                    minutes_by_day(taken, edges),
                    touching_by_day(own, edges),
                )
            )
        found = list(_uses(measured, days, by, slots))
        total = Use(
            None,
            None,
            sum(int(one[1].sum()) for one in measured),
            sum(int(one[2].sum()) for one in measured),
            sum(len(slots.get(one[0].id, [])) for one in measured),
        )
        return Utilized(found, total, window, world.tenant.time_zone)

    async def demand(
        self, tenant: str, *, start: datetime | None, end: datetime | None
    ) -> tuple[Demanded, Span, str]:
        """Counts searches and bookings by hour of the week; missing, the last 30 days."""
        end = end or self._clock.now()
        start = start or end - DEMAND_WINDOW
        if end <= start:
            raise window_invalid("window")
        world = (await self._worlds.at(tenant, {})).world
        async with tenant_transaction(self._pool, tenant) as connection:
            rows = InsightRows(connection, tenant)
            found = await rows.demanded(start, end, world.tenant.time_zone)
        return found, window_of(start, end, now=start), world.tenant.time_zone


def _slots_of(booked: Sequence[Allocation]) -> Mapping[str, list[Span]]:
    found: dict[str, list[Span]] = {}
    for one in booked:
        for resource_id in one.resource_ids:
            found.setdefault(resource_id, []).append(one.slot)
    return found


def _uses(
    measured: Sequence[tuple[Resource, Wide, Wide, Wide]],
    days: Sequence[int],
    by: By,
    slots: Mapping[str, list[Span]],
) -> Sequence[Use]:
    rows: list[Use] = []
    if by is By.RESOURCE:
        for resource, working, booked, _ in measured:
            count = len(slots.get(resource.id, []))
            rows.append(Use(resource, None, int(working.sum()), int(booked.sum()), count))
    elif by is By.DAY:
        sums = np.zeros((3, len(days)), dtype=np.int64)
        for _, *parts in measured:
            sums += np.array(parts)
        for day, row in zip(days, sums.T.tolist(), strict=True):
            rows.append(Use(None, day, row[0], row[1], row[2]))
    else:
        for index, day in enumerate(days):
            for resource, working, booked, counts in measured:
                at_day = (int(part[index]) for part in (working, booked, counts))
                rows.append(Use(resource, day, *at_day))
    return [row for row in rows if row.working or row.booked]
