"""The shared workload as the engine reads it, from raw unsorted arrays."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.workload import (
    BUFFER_MINUTES,
    DURATION_MINUTES,
    WINDOW_START,
    WORKING_RANGES,
    Cell,
    workers,
)
from services.availability.domain import (
    LAST_MINUTE,
    Allocation,
    AllocationState,
    ExternalBusy,
    Resource,
    ResourceKind,
    Schedule,
    ServiceType,
    SlotShape,
    Span,
    StartBounds,
    Tenant,
    WallRange,
    WeeklyRule,
)
from services.availability.engine.world import World
from services.availability.rules.expansions import Expansions
from services.availability.rules.intervals import Spans, minutes
from services.availability.rules.lane import Lane
from services.availability.rules.slots import Contender, SlotTable, free_slots
from services.availability.rules.working import Pattern, pattern_of
from services.availability.store import Everything, Position

RULES = tuple(
    WeeklyRule(weekdays=frozenset(range(1, 6)), hours=WallRange(start, end))
    for start, end in WORKING_RANGES
)
TENANT = Tenant("bench", time_zone="UTC")
VISIT = ServiceType("visit", DURATION_MINUTES, 15)


def shape_of(cell: Cell) -> SlotShape:
    """Gives the form of the workload's slots, whose grid is that of UTC."""
    return SlotShape(
        duration=DURATION_MINUTES,
        granularity=cell.granularity,
        buffer_before=BUFFER_MINUTES,
        buffer_after=BUFFER_MINUTES,
        grid_zone="UTC",
    )


@dataclass(frozen=True, slots=True)
class Raw:
    """One resource as it came: its busy times unsorted, overlapping, not merged."""

    resource: Resource
    schedule: Schedule
    busy: Spans


def raw_of(cell: Cell) -> list[Raw]:
    """Gives the workload as arrays in memory."""
    return [
        Raw(
            Resource(id=worker.id, kind=ResourceKind.PERSON, time_zone=worker.time_zone),
            Schedule(rules=RULES),
            Spans(minutes(worker.busy[:, 0].copy()), minutes(worker.busy[:, 1].copy())),
        )
        for worker in workers(cell)
    ]


def raw_lanes(team: Sequence[Raw]) -> list[Lane]:
    """Gives lanes of what came; nothing is merged yet."""
    patterns: dict[str, Pattern] = {}
    found = []
    for one in team:
        zone = one.resource.time_zone
        pattern = patterns.get(zone)
        if pattern is None:
            pattern = patterns[zone] = pattern_of(one.resource, one.schedule, TENANT)
        found.append(Lane(one.resource, one.schedule, pattern, (), one.busy, None))
    return found


def answered(lanes: Sequence[Lane], cell: Cell, expansions: Expansions) -> SlotTable:
    """Asks the engine the workload's question."""
    return free_slots(
        [Contender(lane) for lane in lanes],
        shape_of(cell),
        window=Span(*cell.window),
        bounds=StartBounds(earliest=0, latest=LAST_MINUTE),
        expansions=expansions,
    )


def world_of(cell: Cell) -> World:
    """Gives the workload as a tenant in memory; busy times are those of outside calendars."""
    team = list(workers(cell))
    resources = {
        worker.id: Resource(id=worker.id, kind=ResourceKind.PERSON, time_zone=worker.time_zone)
        for worker in team
    }
    schedules = {
        worker.id: Schedule(
            rules=RULES,
            external_busy=tuple(
                ExternalBusy(resource_id=worker.id, uid=str(n), sequence=0, span=Span(start, end))
                for n, (start, end) in enumerate(worker.busy.tolist())
            ),
        )
        for worker in team
    }
    return World(
        Everything(
            revision=1,
            position=Position("", 0),
            tenant=TENANT,
            resources=resources,
            schedules=schedules,
            service_types={VISIT.id: VISIT},
            allocations=(),
            generations={},
        )
    )


def booking(number: int, resource_id: str, start: int) -> Allocation:
    """Gives a booking of one slot of a resource."""
    slot = Span(start, start + DURATION_MINUTES)
    occupied = Span(slot.start - BUFFER_MINUTES, slot.end + BUFFER_MINUTES)
    return Allocation(f"b{number}", 1, AllocationState.ASSIGNED, (resource_id,), slot, occupied)


NOW = WINDOW_START
