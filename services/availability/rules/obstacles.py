"""Why a resource is not free in a slot: every reason, from the rules that list slots."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from services.availability.domain import (
    MINUTES_PER_DAY,
    Allocation,
    AllocationState,
    ExceptionKind,
    Obstacle,
    ObstacleCode,
    SlotShape,
    Span,
    StartBounds,
    Wanted,
    day_of,
    moment_of,
)
from services.availability.rules.eligibility import expired_skill, ineligibility
from services.availability.rules.expansions import Expansions
from services.availability.rules.intervals import (
    Spans,
    clipped,
    containing,
    merged,
    minutes,
    subtracted,
)
from services.availability.rules.lane import Lane
from services.availability.rules.sentences import moment_text, span_text
from services.availability.rules.working import Pieces, Shifts, expand, local_days


@dataclass(frozen=True, slots=True)
class Attempt:
    """A slot somebody wants, and the rules it must keep."""

    start: int
    shape: SlotShape
    wanted: Wanted
    bounds: StartBounds
    now: datetime
    ignore_allocation_id: str = ""
    on_grid: bool = False

    @property
    def slot(self) -> Span:
        """The slot itself, without buffers."""
        return Span(self.start, self.start + self.shape.duration)

    @property
    def occupied(self) -> Span:
        """The slot with its buffers."""
        return self.shape.occupied(self.start)


def obstacles(lane: Lane, attempt: Attempt, expansions: Expansions) -> tuple[Obstacle, ...]:
    """Gives everything that keeps a resource from serving; none means that it is free."""
    return (
        *ineligibility(lane.resource, attempt.wanted),
        *_skill(lane, attempt),
        *_clock(lane, attempt),
        *_hours(lane, attempt, expansions),
        *_leave(lane, attempt),
        *_allocations(lane, attempt),
        *_external(lane, attempt),
        *_grid(lane, attempt, expansions),
    )


def _name(lane: Lane) -> str:
    return lane.resource.display_name or lane.resource.id


def _skill(lane: Lane, attempt: Attempt) -> Iterator[Obstacle]:
    name = expired_skill(lane.resource, attempt.wanted, attempt.slot.end)
    if name:
        yield Obstacle(
            ObstacleCode.SKILL_EXPIRED, f"{_name(lane)}'s {name} runs out before the slot ends."
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
            ObstacleCode.TIME_OFF, f"{_name(lane)} is on leave {when}.", leave.id, leave.span
        )


def _allocations(lane: Lane, attempt: Attempt) -> Iterator[Obstacle]:
    for allocation in lane.allocations.overlapping(attempt.occupied):
        if allocation.id == attempt.ignore_allocation_id or not allocation.blocks(attempt.now):
            continue
        yield _taken(lane, attempt, allocation)


def _taken(lane: Lane, attempt: Attempt, allocation: Allocation) -> Obstacle:
    name, zone = _name(lane), lane.pattern.time_zone
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
            f"{_name(lane)}'s outside calendar is busy {when}.",
            event.uid,
            event.span,
        )


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


def _hours(lane: Lane, attempt: Attempt, expansions: Expansions) -> Iterator[Obstacle]:
    slot = attempt.slot
    worked = expansions.working(lane.pattern, slot.start, slot.end)
    if containing(worked, minutes([slot.start]), attempt.shape.duration)[0]:
        return
    zone = expansions.zones.get(lane.pattern.time_zone)
    days = local_days(slot.start, slot.end)
    shifts = expand(zone, lane.pattern, *days)
    breaks = clipped(shifts.breaks.spans(), slot.start, slot.end)
    whole = merged(
        Spans(
            np.concatenate((worked.starts, breaks.starts)),
            np.concatenate((worked.ends, breaks.ends)),
        )
    )
    if not containing(whole, minutes([slot.start]), attempt.shape.duration)[0]:
        when = span_text(slot, lane.pattern.time_zone)
        yield Obstacle(ObstacleCode.OUTSIDE_HOURS, f"{_name(lane)} does not work all of {when}.")
        yield from _closed(lane, zone.wall_of(slot.start), zone.wall_of(slot.end - 1))
    for start, end in _uncovered(breaks, worked):
        pause = _whole_break(shifts.breaks, start, end)
        when = span_text(pause, lane.pattern.time_zone)
        if _split(shifts, pause, attempt.shape.duration):
            detail = f"Each part of {_name(lane)}'s shift around the break {when} is too short."
            yield Obstacle(ObstacleCode.SPLIT_BY_BREAK, detail, "", pause)
        else:
            yield Obstacle(ObstacleCode.BREAK, f"{_name(lane)} has a break {when}.", "", pause)


def _closed(lane: Lane, first_wall: int, last_wall: int) -> Iterator[Obstacle]:
    days = range(first_wall // MINUTES_PER_DAY, last_wall // MINUTES_PER_DAY + 1)
    for exception in lane.schedule.exceptions:
        if exception.kind is not ExceptionKind.CLOSED or exception.on is None:
            continue
        if day_of(exception.on) in days:
            reason = f": {exception.reason}" if exception.reason else ""
            detail = f"{_name(lane)} is closed on {exception.on.isoformat()}{reason}."
            yield Obstacle(ObstacleCode.CLOSED, detail, exception.id)


def _uncovered(breaks: Spans, worked: Spans) -> Iterable[tuple[int, int]]:
    """Gives the parts of breaks during which no other rule has the resource at work."""
    left = subtracted(breaks, worked)
    return zip(left.starts.tolist(), left.ends.tolist(), strict=True)


def _whole_break(breaks: Pieces, start: int, end: int) -> Span:
    spans = breaks.spans()
    index = int(np.searchsorted(spans.starts, start, side="right")) - 1
    return Span(int(spans.starts[index]), int(spans.ends[index]))


def _split(shifts: Shifts, pause: Span, duration: int) -> bool:
    """Says whether the service is longer than each part of the shift around a break."""
    days = shifts.breaks.days[
        (shifts.breaks.starts < pause.end) & (shifts.breaks.ends > pause.start)
    ]
    of_day = np.isin(shifts.worked.days, days)
    parts = merged(
        Spans(minutes(shifts.worked.starts[of_day]), minutes(shifts.worked.ends[of_day]))
    )
    return bool(len(parts)) and int((parts.ends - parts.starts).max()) < duration
