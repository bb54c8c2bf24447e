"""Says of resources and one slot who is free and what is in the way; counts offered days."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from kit.clock import Clock
from kit.fault import Invalid
from services.availability.domain import (
    Merging,
    Place,
    Resource,
    Span,
    Tenant,
    Verdict,
    Wanted,
    ceil_minute,
    floor_minute,
)
from services.availability.engine.asking import (
    Ask,
    bounds_of,
    known_resources,
    merging_of,
    service_type,
    shape_of,
    wanted_of,
    window_invalid,
)
from services.availability.engine.reaching import Reaching
from services.availability.engine.surveying import MEMORY_REACH
from services.availability.engine.worlds import Found, Worlds
from services.availability.rules.attempt import Attempt
from services.availability.rules.expansions import Expansions
from services.availability.rules.obstacles import obstacles
from services.availability.rules.offered import month_span, offered_since
from services.availability.rules.sentences import verdict_sentence
from services.availability.rules.travel import site_of

EPOCH = date(1970, 1, 1)
# Earlier than every day.
NO_DAY = -(2**40)


@dataclass(frozen=True, slots=True)
class Check:
    """A slot somebody wants, as it came in; without an end it lasts as long as the service."""

    service_type_id: str
    resource_ids: tuple[str, ...]
    start: datetime
    end: datetime | None = None
    party_size: int = 0
    required_skills: tuple[str, ...] = ()
    zone: str = ""
    # They would serve together: the party's size is left to whoever looks at the whole plan.
    together: bool = False
    ignore_allocation_id: str = ""
    as_if_now: datetime | None = None
    # Where the work is; then there must also be time to travel.
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """Verdicts in the order asked, the slot with its end, and what it would occupy."""

    verdicts: Sequence[Verdict]
    slot: Span
    occupied: Span
    tenant: Tenant
    result: str
    freshness: Mapping[str, int]
    # Set where the resources may serve together, with what they are like.
    merging: Merging | None = None
    parts: Sequence[Resource] = ()


@dataclass(frozen=True, slots=True)
class Offered:
    """How many working days a resource offers in a month."""

    resource: Resource
    days: int
    minutes: int


class Checking:
    """The questions about single slots and single resources."""

    def __init__(
        self,
        worlds: Worlds,
        reaching: Reaching,
        expansions: Expansions,
        clock: Clock,
        *,
        merging_on: Callable[[str], bool],
    ) -> None:
        """Keeps where tenants are, what was expanded, and who may merge."""
        self._merging_on = merging_on
        self._worlds = worlds
        self._reaching = reaching
        self._expansions = expansions
        self._clock = clock

    async def check(
        self, tenant: str, check: Check, token: Mapping[str, int], *, on_grid: bool
    ) -> Checked:
        """Gives a verdict on each resource; on none named, on all, by id.

        A start off the grid is in the way only of those who ask why it was not listed: a planner
        may book it.
        """
        now = check.as_if_now or self._clock.now()
        until = floor_minute(check.end or check.start)
        found = await self._reaching.at(tenant, token, until)
        if now < self._clock.now() - MEMORY_REACH:
            found = await self._worlds.once(tenant, now)
        world = found.world
        merging = None
        if check.together and self._merging_on(tenant):
            merging = merging_of(service_type(world, check.service_type_id))
        if merging is not None:
            check = replace(check, party_size=0)
        attempt = _attempt(found, check, now, on_grid=on_grid)
        verdicts = []
        for resource_id in known_resources(world, check.resource_ids or sorted(world.resources)):
            lane = world.lane(resource_id, now, keep=check.as_if_now is None)
            in_the_way = obstacles(lane, attempt, self._expansions)
            verdicts.append(
                Verdict(
                    resource_id,
                    lane.resource.display_name,
                    in_the_way,
                    generation=world.generations.get(resource_id, 0),
                    time_zone=lane.resource.time_zone or world.tenant.time_zone,
                    limits=lane.resource.limits,
                )
            )
        return Checked(
            verdicts=verdicts,
            slot=attempt.slot,
            occupied=attempt.occupied,
            tenant=world.tenant,
            result=verdict_sentence(verdicts, attempt.slot, world.tenant.time_zone),
            freshness=found.freshness,
            merging=merging,
            parts=[world.resources[one] for one in check.resource_ids] if merging else (),
        )

    async def offered(
        self,
        tenant: str,
        *,
        month: str,
        skill: str,
        resource_ids: tuple[str, ...],
        token: Mapping[str, int],
        since: date | None = None,
    ) -> tuple[Sequence[Offered], Tenant, Mapping[str, int]]:
        """Counts the working days of active resources in a month of the tenant's zone, by id."""
        found = await self._worlds.at(tenant, token)
        world, now = found.world, self._clock.now()
        known_resources(world, resource_ids)
        zone = self._expansions.zones.get(world.tenant.time_zone)
        year, number = month.split("-")
        if int(year) < 1:
            raise Invalid.field("month", "is not a month")
        span = month_span(int(year), int(number), zone)
        first_day = NO_DAY if since is None else (since - EPOCH).days
        rows = []
        for resource in world.roster.asked(Wanted(resource_ids=resource_ids)):
            if skill and all(one.name != skill for one in resource.skills):
                continue
            if not resource.active:
                continue
            lane = world.lane(resource.id, now)
            offered = self._expansions.month(lane.pattern, span, zone)
            rows.append(Offered(resource, *offered_since(offered, lane.leave, first_day)))
        return rows, world.tenant, found.freshness

    async def ways(
        self, tenant: str, origins: Sequence[Place], destinations: Sequence[Place]
    ) -> list[int]:
        """Gives the minutes from each origin in turn to every destination."""
        tenants = (await self._worlds.at(tenant, {})).world.tenant
        found: list[int] = []
        for origin in origins:
            found.extend(site_of(tenants, origin).from_here(destinations).tolist())
        return found


def _attempt(found: Found, check: Check, now: datetime, *, on_grid: bool) -> Attempt:
    kind = service_type(found.world, check.service_type_id)
    start = _whole_minute(check.start)
    duration = kind.duration_minutes
    if check.end is not None:
        if check.end <= check.start:
            raise window_invalid("slot")
        duration = _whole_minute(check.end) - start
    ask = Ask(
        service_type_id=kind.id,
        party_size=check.party_size,
        required_skills=check.required_skills,
        zone=check.zone,
    )
    return Attempt(
        start=start,
        shape=shape_of(kind, duration=duration, granularity=kind.granularity_minutes, grid_zone=""),
        wanted=wanted_of(found.world, kind, ask),
        bounds=bounds_of(kind, now),
        now=now,
        ignore_allocation_id=check.ignore_allocation_id,
        on_grid=on_grid,
        site=None if check.place is None else site_of(found.world.tenant, check.place),
    )


def _whole_minute(moment: datetime) -> int:
    minute = floor_minute(moment)
    if minute != ceil_minute(moment):
        raise Invalid.field("slot", "must start and end on whole minutes")
    return minute
