"""How much a resource takes on: slots a day and a week, minutes a day, by its own local days."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.availability.domain import (
    LAST_MINUTE,
    MINUTES_PER_DAY,
    Allocation,
    Limits,
    ObstacleCode,
    Span,
)
from services.availability.rules.intervals import Minutes, Spans, empty, merged, minutes
from services.availability.rules.lane import Lane
from services.availability.rules.zones import Wide, Zone, Zones

Flags = npt.NDArray[np.bool_]

DAYS_PER_WEEK = 7
# 1970-01-01 was a Thursday: three days after a Monday.
_DAYS_SINCE_MONDAY = 3


@dataclass(frozen=True, slots=True)
class Reached:
    """A limit that one more slot would break: in which local span, and what fills it."""

    code: ObstacleCode
    span: Span
    limit: int
    allocations: tuple[Allocation, ...]


def barred(lanes: Sequence[Lane], duration: int, zones: Zones) -> tuple[Wide, Minutes, Minutes]:
    """Gives the ranges of starts `[low, high)` at which limits bar a slot, with each one's lane."""
    rows: list[int] = []
    lows, highs = [minutes([])], [minutes([])]
    for row, lane in enumerate(lanes):
        if lane.resource.limits:
            spans = full(lane, duration, zones.get(lane.pattern.time_zone))
            rows.extend([row] * len(spans))
            lows.append(spans.starts)
            highs.append(spans.ends)
    return np.array(rows, dtype=np.int64), np.concatenate(lows), np.concatenate(highs)


def full(lane: Lane, duration: int, zone: Zone) -> Spans:
    """Gives the starts at which a slot of this duration would break a limit, merged.

    A slot counts for the local day, and the local week from Monday on, in which it starts, with all
    its minutes; buffers do not count.
    """
    limits = lane.resource.limits
    if limits.minutes_per_day and duration > limits.minutes_per_day:
        return Spans(minutes([0]), minutes([LAST_MINUTE]))
    slots = [one.slot for one in lane.allocations]
    if not slots:
        return empty()
    starts = np.array([slot.start for slot in slots], dtype=np.int64)
    lengths = np.array([slot.end - slot.start for slot in slots], dtype=np.int64)
    days, edges = _days(zone, int(starts.min()), int(starts.max()))
    counted = np.searchsorted(edges, starts, side="right") - 1
    taken = np.bincount(counted, minlength=len(days))
    used = np.bincount(counted, weights=lengths, minlength=len(days)).astype(np.int64)
    shut = _over(limits, taken, used, duration)
    if limits.per_week:
        weeks = (days + _DAYS_SINCE_MONDAY) // DAYS_PER_WEEK
        of_week = np.bincount(weeks - weeks[0], weights=taken).astype(np.int64)
        shut |= of_week[weeks - weeks[0]] >= limits.per_week
    return merged(Spans(minutes(edges[:-1][shut]), minutes(edges[1:][shut])))


def reached(
    allocations: Iterable[Allocation], limits: Limits, *, slot: Span, zone: Zone
) -> list[Reached]:
    """Gives every limit that the slot would break beside these allocations."""
    days, edges = _days(zone, slot.start, slot.start)
    here = int(np.searchsorted(edges, slot.start, side="right")) - 1
    day = Span(int(edges[here]), int(edges[here + 1]))
    monday = here - (int(days[here]) + _DAYS_SINCE_MONDAY) % DAYS_PER_WEEK
    week = Span(int(edges[monday]), int(edges[monday + DAYS_PER_WEEK]))
    ordered = sorted(allocations, key=lambda one: one.slot)
    of_day = tuple(one for one in ordered if day.start <= one.slot.start < day.end)
    of_week = tuple(one for one in ordered if week.start <= one.slot.start < week.end)
    used = sum(one.slot.end - one.slot.start for one in of_day)
    found = []
    if limits.per_day and len(of_day) >= limits.per_day:
        found.append(Reached(ObstacleCode.DAY_LIMIT, day, limits.per_day, of_day))
    if limits.per_week and len(of_week) >= limits.per_week:
        found.append(Reached(ObstacleCode.WEEK_LIMIT, week, limits.per_week, of_week))
    if limits.minutes_per_day and used + slot.end - slot.start > limits.minutes_per_day:
        found.append(Reached(ObstacleCode.MINUTES_LIMIT, day, limits.minutes_per_day, of_day))
    return found


def _over(limits: Limits, taken: Wide, used: Wide, duration: int) -> Flags:
    shut = np.zeros(len(taken), dtype=np.bool_)
    if limits.per_day:
        shut |= taken >= limits.per_day
    if limits.minutes_per_day:
        shut |= used + duration > limits.minutes_per_day
    return shut


def _days(zone: Zone, first: int, last: int) -> tuple[Wide, Wide]:
    """Gives the local days of whole weeks around two minutes, and when each of them begins."""
    low = first // MINUTES_PER_DAY - DAYS_PER_WEEK - 2
    low -= (low + _DAYS_SINCE_MONDAY) % DAYS_PER_WEEK
    high = last // MINUTES_PER_DAY + DAYS_PER_WEEK + 2
    high += -(high + _DAYS_SINCE_MONDAY) % DAYS_PER_WEEK
    return np.arange(low, high, dtype=np.int64), zone.midnights(low, high)


def touched(limits: Limits, slot: Span, zone: Zone) -> Span:
    """Gives the time in which a slot taken or freed changes what is free: its local day or week."""
    days, edges = _days(zone, slot.start, slot.start)
    here = int(np.searchsorted(edges, slot.start, side="right")) - 1
    first, last = here, here + 1
    if limits.per_week:
        first = here - (int(days[here]) + _DAYS_SINCE_MONDAY) % DAYS_PER_WEEK
        last = first + DAYS_PER_WEEK
    return Span(int(edges[first]), max(int(edges[last]), slot.end))
