"""Why a resource is free at no start of a whole window, as codes for a list of rejections."""

from collections.abc import Iterator
from datetime import datetime

from services.availability.domain import (
    MINUTES_PER_DAY,
    AllocationState,
    ExceptionKind,
    ObstacleCode,
    SlotShape,
    Span,
    StartBounds,
    day_of,
)
from services.availability.rules.expansions import Expansions
from services.availability.rules.intervals import Minutes, clipped, inside
from services.availability.rules.limits import full, reached
from services.availability.rules.public_holidays import holidays_between
from services.availability.rules.slots import Contender, start_range
from services.availability.rules.travel import Site, unreachable
from services.availability.rules.working import expand, local_days

# A list of rejections looks at this many starts at a limit to say which limit it is.
STARTS_EXPLAINED = 16


def absence(
    contender: Contender,
    shape: SlotShape,
    *,
    window: Span,
    bounds: StartBounds,
    expansions: Expansions,
    now: datetime,
    site: Site | None = None,
) -> tuple[ObstacleCode, ...]:
    """Gives every kind of thing that keeps a qualified resource from the starts of a window."""
    low, high = start_range(shape, window, bounds)
    pattern = contender.lane.pattern
    starts = expansions.starts(pattern, shape, low, high)
    if len(starts):
        reach = Span(
            int(starts[0]) - shape.buffer_before,
            int(starts[-1]) + shape.duration + shape.buffer_after,
        )
        found = dict.fromkeys(_full(contender, starts, shape, expansions))
        found.update(dict.fromkeys(_in_the_way(contender, reach, shape, now)))
        if site is not None and _too_far(contender, starts, shape, site, expansions):
            found[ObstacleCode.TRAVEL] = None
        return tuple(found)
    unbounded = expansions.starts(pattern, shape, window.start, window.end - shape.duration + 1)
    if not len(unbounded):
        return tuple(dict.fromkeys(_no_hours(contender, shape, window, expansions)))
    if int(unbounded[-1]) < bounds.earliest:
        return (ObstacleCode.NOTICE,)
    if int(unbounded[0]) >= bounds.latest:
        return (ObstacleCode.HORIZON,)
    return (ObstacleCode.NOTICE, ObstacleCode.HORIZON)


def _in_the_way(
    contender: Contender, reach: Span, shape: SlotShape, now: datetime
) -> Iterator[ObstacleCode]:
    lane = contender.lane
    if contender.until < reach.end - shape.buffer_after:
        yield ObstacleCode.SKILL_EXPIRED
    if lane.time_off.overlapping(reach):
        yield ObstacleCode.TIME_OFF
    for allocation in lane.allocations.overlapping(reach):
        if allocation.blocks(now):
            held = allocation.state is AllocationState.HELD
            yield ObstacleCode.HELD if held else ObstacleCode.BUSY
    if lane.external.overlapping(reach):
        yield ObstacleCode.EXTERNAL_BUSY


def _full(
    contender: Contender, starts: Minutes, shape: SlotShape, expansions: Expansions
) -> Iterator[ObstacleCode]:
    lane = contender.lane
    if not lane.resource.limits:
        return
    zone = expansions.zones.get(lane.pattern.time_zone)
    spans = full(lane, shape.duration, zone)
    for start in starts[inside(spans, starts)][:STARTS_EXPLAINED].tolist():
        slot = Span(start, start + shape.duration)
        for one in reached(lane.allocations, lane.resource.limits, slot=slot, zone=zone):
            yield one.code


def _too_far(
    contender: Contender, starts: Minutes, shape: SlotShape, site: Site, expansions: Expansions
) -> bool:
    span = Span(int(starts[0]), int(starts[-1]) + 1)
    rows, _, _ = unreachable([contender.lane], shape, site, span=span, expansions=expansions)
    return len(rows) > 0


def _no_hours(
    contender: Contender, shape: SlotShape, window: Span, expansions: Expansions
) -> Iterator[ObstacleCode]:
    lane = contender.lane
    zone = expansions.zones.get(lane.pattern.time_zone)
    first, last = zone.wall_of(window.start), zone.wall_of(window.end - 1)
    days = range(first // MINUTES_PER_DAY, last // MINUTES_PER_DAY + 1)
    shifts = expand(zone, lane.pattern, *local_days(window.start, window.end))
    worked = clipped(shifts.worked.spans(), window.start, window.end)
    paused = clipped(shifts.breaks.spans(), window.start, window.end)
    too_short = len(worked) and int((worked.ends - worked.starts).max()) < shape.duration
    if holidays_between(lane.pattern.holidays, days.start, days.stop):
        yield ObstacleCode.HOLIDAY
    yield ObstacleCode.SPLIT_BY_BREAK if too_short and len(paused) else ObstacleCode.OUTSIDE_HOURS
    for exception in lane.schedule.exceptions:
        if exception.kind is not ExceptionKind.CLOSED or exception.on is None:
            continue
        if day_of(exception.on) in days:
            yield ObstacleCode.CLOSED
