"""One resource's time as the engine reads it: its pattern, what is taken and what is leave."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from services.availability.domain import (
    Allocation,
    AllocationState,
    ExternalBusy,
    Resource,
    Schedule,
    TimeOff,
)
from services.availability.rules.intervals import Spans, spans_of, with_span
from services.availability.rules.timeline import Timeline
from services.availability.rules.working import Pattern


@dataclass(frozen=True)
class Lane:
    """The time of one resource at one moment; good until a live hold in it expires."""

    resource: Resource
    schedule: Schedule
    pattern: Pattern
    # What of the ledger takes time at that moment.
    live: tuple[Allocation, ...]
    taken: Spans
    good_until: datetime | None

    @cached_property
    def leave(self) -> Spans:
        """Leave, merged."""
        return spans_of([one.span for one in self.schedule.time_off])

    @cached_property
    def allocations(self) -> Timeline[Allocation]:
        """What of the ledger takes time, to be found by time."""
        return Timeline((one.occupied, one) for one in self.live)

    @cached_property
    def external(self) -> Timeline[ExternalBusy]:
        """What outside calendars take, to be found by time."""
        return Timeline((one.span, one) for one in self.schedule.external_busy if not one.deleted)

    @cached_property
    def time_off(self) -> Timeline[TimeOff]:
        """Leave, to be found by time."""
        return Timeline((one.span, one) for one in self.schedule.time_off)

    @property
    def name(self) -> str:
        """What people call the resource."""
        return self.resource.display_name or self.resource.id

    def holds_at(self, now: datetime) -> bool:
        """Says whether the lane still tells the truth at that moment."""
        return self.good_until is None or now < self.good_until

    def also(self, allocation: Allocation) -> "Lane":
        """Gives the lane with one more allocation in it that takes time now."""
        ends = (self.good_until, _expiry(allocation))
        return Lane(
            resource=self.resource,
            schedule=self.schedule,
            pattern=self.pattern,
            live=(*self.live, allocation),
            taken=with_span(self.taken, allocation.occupied),
            good_until=min((end for end in ends if end is not None), default=None),
        )


def lane_of(
    resource: Resource,
    schedule: Schedule,
    allocations: Iterable[Allocation],
    *,
    pattern: Pattern,
    now: datetime,
) -> Lane:
    """Builds the lane of a resource; allocations that no longer block leave no trace in it."""
    live = tuple(one for one in allocations if one.blocks(now))
    external = [one.span for one in schedule.external_busy if not one.deleted]
    expiries = (_expiry(one) for one in live)
    return Lane(
        resource=resource,
        schedule=schedule,
        pattern=pattern,
        live=live,
        taken=spans_of([*(one.occupied for one in live), *external]),
        good_until=min((end for end in expiries if end is not None), default=None),
    )


def _expiry(allocation: Allocation) -> datetime | None:
    return allocation.expires_at if allocation.state is AllocationState.HELD else None
