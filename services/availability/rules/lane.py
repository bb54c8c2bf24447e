"""One resource's time as the engine reads it: its pattern, what is taken and what is leave."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from services.availability.domain import (
    Allocation,
    AllocationState,
    ExternalBusy,
    Resource,
    Schedule,
    TimeOff,
)
from services.availability.rules.intervals import Spans, spans_of
from services.availability.rules.timeline import Timeline
from services.availability.rules.working import Pattern


@dataclass(frozen=True, slots=True)
class Lane:
    """The time of one resource at one moment; good until a live hold in it expires."""

    resource: Resource
    schedule: Schedule
    pattern: Pattern
    taken: Spans
    leave: Spans
    allocations: Timeline[Allocation]
    external: Timeline[ExternalBusy]
    time_off: Timeline[TimeOff]
    good_until: datetime | None

    def holds_at(self, now: datetime) -> bool:
        """Says whether the lane still tells the truth at that moment."""
        return self.good_until is None or now < self.good_until


def lane_of(
    resource: Resource,
    schedule: Schedule,
    allocations: Iterable[Allocation],
    *,
    pattern: Pattern,
    now: datetime,
) -> Lane:
    """Builds the lane of a resource; allocations that no longer block leave no trace in it."""
    live = [one for one in allocations if one.blocks(now)]
    external = [one for one in schedule.external_busy if not one.deleted]
    expiries = [
        one.expires_at
        for one in live
        if one.state is AllocationState.HELD and one.expires_at is not None
    ]
    return Lane(
        resource=resource,
        schedule=schedule,
        pattern=pattern,
        taken=spans_of([*(one.occupied for one in live), *(one.span for one in external)]),
        leave=spans_of([one.span for one in schedule.time_off]),
        allocations=Timeline((one.occupied, one) for one in live),
        external=Timeline((one.span, one) for one in external),
        time_off=Timeline((one.span, one) for one in schedule.time_off),
        good_until=min(expiries, default=None),
    )
