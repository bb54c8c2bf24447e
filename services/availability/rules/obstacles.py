"""Why a resource is not free in a slot: every reason, from the rules that list slots."""

from collections.abc import Iterator

from services.availability.domain import (
    MINUTES_PER_DAY,
    Allocation,
    AllocationState,
    Obstacle,
    ObstacleCode,
    SlotShape,
    Span,
    date_of,
    moment_of,
)
from services.availability.rules.attempt import Attempt
from services.availability.rules.eligibility import expired_skill, ineligibility
from services.availability.rules.expansions import Expansions
from services.availability.rules.intervals import containing, minutes
from services.availability.rules.lane import Lane
from services.availability.rules.limits import reached
from services.availability.rules.sentences import date_text, moment_text, span_text
from services.availability.rules.travel import mornings
from services.availability.rules.workday import hours


def obstacles(lane: Lane, attempt: Attempt, expansions: Expansions) -> tuple[Obstacle, ...]:
    """Gives everything that keeps a resource from serving; none means that it is free."""
    return (
        *ineligibility(lane.resource, attempt.wanted),
        *_skill(lane, attempt),
        *_clock(lane, attempt),
        *hours(lane, attempt, expansions),
        *_leave(lane, attempt),
        *_allocations(lane, attempt),
        *_external(lane, attempt),
        *_limits(lane, attempt, expansions),
        *_travel(lane, attempt, expansions),
        *_grid(lane, attempt, expansions),
    )


def _skill(lane: Lane, attempt: Attempt) -> Iterator[Obstacle]:
    name = expired_skill(lane.resource, attempt.wanted, attempt.slot.end)
    if name:
        yield Obstacle(
            ObstacleCode.SKILL_EXPIRED, f"{lane.name}'s {name} runs out before the slot ends."
        )


def _clock(lane: Lane, attempt: Attempt) -> Iterator[Obstacle]:
    zone = lane.pattern.time_zone
    if attempt.start < attempt.bounds.earliest:
        earliest = moment_text(moment_of(attempt.bounds.earliest), zone)
        yield Obstacle(ObstacleCode.NOTICE, f"The earliest start possible now is {earliest}.")
    if attempt.start >= attempt.bounds.latest:
        latest = moment_text(moment_of(attempt.bounds.latest), zone)
        yield Obstacle(ObstacleCode.HORIZON, f"Starts can be booked until {latest} only.")


def _leave(lane: Lane, attempt: Attempt) -> Iterator[Obstacle]:
    for leave in lane.time_off.overlapping(attempt.slot):
        when = span_text(leave.span, lane.pattern.time_zone)
        yield Obstacle(
            ObstacleCode.TIME_OFF, f"{lane.name} is on leave {when}.", leave.id, leave.span
        )


def _allocations(lane: Lane, attempt: Attempt) -> Iterator[Obstacle]:
    for allocation in lane.allocations.overlapping(attempt.occupied):
        if allocation.id == attempt.ignore_allocation_id or not allocation.blocks(attempt.now):
            continue
        yield _taken(lane, attempt, allocation)


def _taken(lane: Lane, attempt: Attempt, allocation: Allocation) -> Obstacle:
    name, zone = lane.name, lane.pattern.time_zone
    if not allocation.slot.overlaps(attempt.slot):
        when = span_text(allocation.occupied, zone)
        return Obstacle(
            ObstacleCode.BUFFER,
            f"The buffers leave no room beside what {name} has {when}.",
            allocation.id,
            allocation.occupied,
        )
    held = allocation.state is AllocationState.HELD
    when = span_text(allocation.slot, zone)
    return Obstacle(
        ObstacleCode.HELD if held else ObstacleCode.BUSY,
        f"{name} is {'held for somebody else' if held else 'booked'} {when}.",
        allocation.id,
        allocation.occupied,
    )


def _external(lane: Lane, attempt: Attempt) -> Iterator[Obstacle]:
    # Also when only a buffer meets it: outside time is not in the ledger, which would not refuse.
    for event in lane.external.overlapping(attempt.occupied):
        when = span_text(event.span, lane.pattern.time_zone)
        yield Obstacle(
            ObstacleCode.EXTERNAL_BUSY,
            f"{lane.name}'s outside calendar is busy {when}.",
            event.uid,
            event.span,
        )


def _limits(lane: Lane, attempt: Attempt, expansions: Expansions) -> Iterator[Obstacle]:
    if not lane.resource.limits:
        return
    zone = expansions.zones.get(lane.pattern.time_zone)
    for one in reached(attempt.counted(lane), lane.resource.limits, slot=attempt.slot, zone=zone):
        day = date_text(date_of(zone.wall_of(one.span.start) // MINUTES_PER_DAY))
        many = f"{one.limit} {'slot' if one.limit == 1 else 'slots'}"
        detail = {
            ObstacleCode.DAY_LIMIT: f"{lane.name} takes at most {many} on one day, as on {day}.",
            ObstacleCode.WEEK_LIMIT: (
                f"{lane.name} takes at most {many} in one week, as in that of {day}."
            ),
            ObstacleCode.MINUTES_LIMIT: (
                f"{lane.name} works at most {one.limit} minutes on one day, as on {day}."
            ),
        }[one.code]
        filling = one.allocations[-1].id if one.allocations else ""
        yield Obstacle(one.code, detail, filling, one.span)


def _travel(lane: Lane, attempt: Attempt, expansions: Expansions) -> Iterator[Obstacle]:
    site, zone = attempt.site, lane.pattern.time_zone
    if site is None:
        return
    located = [(one, one.place) for one in attempt.counted(lane) if one.place is not None]
    places = [place for _, place in located]
    coming, going = site.to_here(places).tolist(), site.from_here(places).tolist()
    for (one, _), to_here, from_here in zip(located, coming, going, strict=True):
        reach = Span(one.occupied.start - from_here, one.occupied.end + to_here)
        if reach.overlaps(attempt.occupied) and not one.occupied.overlaps(attempt.occupied):
            before = one.occupied.end <= attempt.occupied.start
            way = to_here if before else from_here
            yield Obstacle(
                ObstacleCode.TRAVEL,
                f"{lane.name} needs {way} minutes {'from' if before else 'to'} the job "
                f"{span_text(one.slot, zone)}.",
                one.id,
                one.occupied,
            )
    if lane.resource.home is not None:
        way = int(site.to_here([lane.resource.home])[0])
        start = attempt.start
        worked = expansions.attended(lane.pattern, start, attempt.slot.end)
        late = mornings(worked, [one.slot.start for one, _ in located], way)
        if any(low <= start < high for low, high in late):
            detail = f"{lane.name} needs {way} minutes to get there from home."
            yield Obstacle(ObstacleCode.TRAVEL, detail)


def _grid(lane: Lane, attempt: Attempt, expansions: Expansions) -> Iterator[Obstacle]:
    if not attempt.on_grid:
        return
    # Off the grid means: no slot could start here even if it were as short as can be.
    point = SlotShape(
        duration=1,
        granularity=attempt.shape.granularity,
        anchor=attempt.shape.anchor,
        grid_zone=attempt.shape.grid_zone,
    )
    worked = expansions.working(lane.pattern, attempt.start, attempt.start + 1)
    working = bool(containing(worked, minutes([attempt.start]), 1)[0])
    at = expansions.starts(lane.pattern, point, attempt.start, attempt.start + 1)
    if working and not len(at):
        step = attempt.shape.granularity
        yield Obstacle(ObstacleCode.OFF_GRID, f"Starts lie on a grid of {step} minutes.")
