"""Counts the working days a resource offers in a month."""

from dataclasses import dataclass

import numpy as np

from services.availability.domain import MINUTES_PER_DAY, Span
from services.availability.rules.intervals import Spans
from services.availability.rules.working import Pattern, Pieces, expand, local_days
from services.availability.rules.zones import Wide, Zone, Zones

# No day of ours is later.
LAST_DAY = 10**9


def month_span(year: int, month: int, tenant_zone: Zone) -> Span:
    """Gives a month of the tenant's zone, from its first local midnight to the next one's."""
    first = np.datetime64(f"{year:04d}-{month:02d}", "M")
    days = np.array([first, first + 1], dtype="datetime64[D]").astype(np.int64)
    start, end = tenant_zone.earliest(days * MINUTES_PER_DAY)
    return Span(int(start), int(end))


def months_touched(window: Span, tenant_zone: Zone) -> list[tuple[int, int]]:
    """Gives the (year, month) pairs of the tenant's zone that a window touches, in order."""
    walls = np.array([tenant_zone.wall_of(window.start), tenant_zone.wall_of(window.end - 1)])
    first, last = (walls // MINUTES_PER_DAY).astype("datetime64[D]").astype("datetime64[M]")
    months = np.arange(first, last + 1).astype(np.int64)
    return [(1970 + int(month) // 12, int(month) % 12 + 1) for month in months]


@dataclass(frozen=True, slots=True)
class OfferedMonth:
    """The parts of shifts that start in a month with the tenant's days; how many days and minutes
    they are, and the first day.
    """

    pieces: Pieces
    days: int
    minutes: int
    first_day: int


def offered_month(pattern: Pattern, month: Span, tenant_zone: Zone, zones: Zones) -> OfferedMonth:
    """Gives what a pattern offers in a month, leave apart.

    A part counts for the day on which it starts, so a night shift is one day, not two.
    """
    zone = zones.get(pattern.time_zone)
    worked = expand(zone, pattern, *local_days(month.start, month.end)).worked
    inside = (worked.starts >= month.start) & (worked.starts < month.end)
    starts, ends = worked.starts[inside], worked.ends[inside]
    seg = tenant_zone.segments(month.start, month.end)
    offsets = seg.offsets[np.searchsorted(seg.starts, starts, side="right") - 1]
    days = (starts + offsets) // MINUTES_PER_DAY
    return OfferedMonth(
        Pieces(days, starts, ends),
        days=len(np.unique(days)),
        minutes=int((ends - starts).sum()),
        first_day=int(days.min(initial=LAST_DAY)),
    )


def offered_days(month: OfferedMonth, leave: Spans) -> int:
    """Counts the days on which some of the working time is not leave."""
    if not len(leave):
        return month.days
    pieces = month.pieces
    free = pieces.ends - pieces.starts > _covered(leave, pieces.starts, pieces.ends)
    return len(np.unique(pieces.days[free]))


def offered_since(month: OfferedMonth, leave: Spans, first_day: int) -> tuple[int, int]:
    """Counts days from `first_day` on, and the minutes on them, that are not leave."""
    if not len(leave) and first_day <= month.first_day:
        return month.days, month.minutes
    pieces = month.pieces
    kept = pieces.days >= first_day
    days, starts, ends = pieces.days[kept], pieces.starts[kept], pieces.ends[kept]
    free = ends - starts
    if len(leave):
        free = free - _covered(leave, starts, ends)
    return len(np.unique(days[free > 0])), int(free.sum())


def _covered(leave: Spans, starts: Wide, ends: Wide) -> Wide:
    """Gives how many minutes of each `[start, end)` the merged leave covers."""
    total = np.concatenate(([0], np.cumsum((leave.ends - leave.starts).astype(np.int64))))

    def before(moments: Wide) -> Wide:
        index = np.searchsorted(leave.starts, moments, side="right")
        last = np.maximum(index - 1, 0)
        beyond = np.maximum(0, leave.ends[last] - np.maximum(moments, leave.starts[last]))
        result: Wide = total[index] - np.where(index > 0, beyond, 0)
        return result

    return before(ends) - before(starts)
