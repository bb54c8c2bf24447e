"""Expands rules and exceptions of one resource into working intervals, day by local day."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from services.availability.domain import (
    MINUTES_PER_DAY,
    NO_HOLIDAYS,
    ExceptionKind,
    HolidayCalendar,
    Resource,
    Schedule,
    ScheduleException,
    Span,
    Tenant,
    WallRange,
    WeeklyRule,
    day_of,
)
from services.availability.rules.intervals import Spans, merged, minutes
from services.availability.rules.public_holidays import holidays_between, kept_by
from services.availability.rules.zones import Wide, Zone

# 1970-01-01 was a Thursday.
_EPOCH_WEEKDAY = 4
# A rule may end up to 48:00, and clocks may move by a day: a shift can reach this far.
REACH_DAYS = 4


@dataclass(frozen=True)
class Pattern:
    """All that working time depends on; resources with equal patterns share one expansion."""

    time_zone: str
    rules: tuple[WeeklyRule, ...] = ()
    exceptions: tuple[ScheduleException, ...] = ()
    first_day: int | None = None
    holidays: HolidayCalendar = NO_HOLIDAYS

    def __hash__(self) -> int:
        """Hashes once; patterns are looked up with every question."""
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.time_zone, self.rules, self.exceptions, self.first_day, self.holidays))


@dataclass(frozen=True, slots=True)
class Pieces:
    """Parts of shifts, each with the local day on which its shift starts; unsorted."""

    days: Wide
    starts: Wide
    ends: Wide

    def spans(self) -> Spans:
        """Gives their union."""
        return merged(Spans(minutes(self.starts), minutes(self.ends)))


@dataclass(frozen=True, slots=True)
class Shifts:
    """Working time of some local days: what is worked, and the breaks taken out of it."""

    worked: Pieces
    breaks: Pieces


def pattern_of(resource: Resource, schedule: Schedule, tenant: Tenant) -> Pattern:
    """Gives the pattern of a resource; its own id and the exceptions' ids make no difference."""
    plain = {
        ScheduleException(id="", resource_id="", kind=e.kind, on=e.on, ranges=e.ranges, span=e.span)
        for e in schedule.exceptions
    }
    return Pattern(
        time_zone=resource.time_zone or tenant.time_zone,
        rules=schedule.rules,
        exceptions=tuple(sorted(plain, key=repr)),
        first_day=None if resource.joined_on is None else day_of(resource.joined_on),
        holidays=kept_by(resource, tenant),
    )


def expand(zone: Zone, pattern: Pattern, first_day: int, last_day: int) -> Shifts:
    """Expands the shifts that start on the local days `[first_day, last_day)`.

    A day's rules give way to REPLACE_DAY and to a public holiday, EXTRA and OFFER add to all of
    them, and CLOSED shuts all that starts on the day. A night shift belongs to its first day, so it
    is not cut by the next one.
    """
    if pattern.first_day is not None:
        first_day = max(first_day, pattern.first_day)
    days = np.arange(first_day, max(first_day, last_day), dtype=np.int64)
    dated = [
        e for e in pattern.exceptions if e.on is not None and first_day <= day_of(e.on) < last_day
    ]
    closed = _days_of(dated, ExceptionKind.CLOSED)
    replaced = _days_of(dated, ExceptionKind.REPLACE_DAY)
    unruled = closed | replaced | holidays_between(pattern.holidays, first_day, last_day).keys()
    ruled = days[~np.isin(days, np.array(sorted(unruled), dtype=np.int64))] if unruled else days
    worked: list[Pieces] = []
    breaks: list[Pieces] = []
    for rule in pattern.rules:
        parts, pauses = _rule_pieces(zone, rule, ruled)
        worked.extend(parts)
        breaks.extend(pauses)
    for exception in dated:
        assert exception.on is not None
        day = day_of(exception.on)
        if exception.kind is not ExceptionKind.CLOSED and day not in closed:
            one = np.array([day], dtype=np.int64)
            worked.extend(_piece(zone, one, wall.unrolled()) for wall in exception.ranges)
    worked.append(_offers(zone, pattern, first_day, last_day, closed))
    return Shifts(_joined(worked), _joined(breaks))


def working(zone: Zone, pattern: Pattern, low: int, high: int) -> Spans:
    """Gives the merged working intervals of all shifts that touch `[low, high)`, not clipped."""
    return expand(zone, pattern, *local_days(low, high)).worked.spans()


def attended(zone: Zone, pattern: Pattern, low: int, high: int) -> Spans:
    """Gives working time with its breaks, during which nobody goes home; like `working`."""
    shifts = expand(zone, pattern, *local_days(low, high))
    return _joined([shifts.worked, shifts.breaks]).spans()


def local_days(low: int, high: int) -> tuple[int, int]:
    """Gives the range of local days whose shifts can touch `[low, high)`, in any zone."""
    return low // MINUTES_PER_DAY - REACH_DAYS, high // MINUTES_PER_DAY + 3


def _days_of(exceptions: Iterable[ScheduleException], kind: ExceptionKind) -> set[int]:
    return {day_of(e.on) for e in exceptions if e.kind is kind and e.on is not None}


def _rule_pieces(zone: Zone, rule: WeeklyRule, days: Wide) -> tuple[list[Pieces], list[Pieces]]:
    """Gives the parts of a rule on its days, between its breaks, and the breaks."""
    weekdays = (days + _EPOCH_WEEKDAY - 1) % 7 + 1
    held = np.isin(weekdays, np.array(sorted(rule.weekdays), dtype=np.int64))
    if rule.valid_from is not None:
        held &= days >= day_of(rule.valid_from)
    if rule.valid_until is not None:
        held &= days < day_of(rule.valid_until)
    days = days[held]
    hours = rule.hours.unrolled()
    parts: list[Pieces] = []
    breaks: list[Pieces] = []
    opening = _starts(zone, days, hours)
    for pause in breaks_within(rule):
        # A break's edges are read as its own: in an overlap it keeps the repeated hour.
        parts.append(_kept(days, opening, _starts(zone, days, pause)))
        breaks.append(_piece(zone, days, pause))
        opening = _ends(zone, days, pause)
    parts.append(_kept(days, opening, _ends(zone, days, hours)))
    return parts, breaks


def breaks_within(rule: WeeklyRule) -> list[WallRange]:
    """Gives the breaks of a rule in the rule's own minutes, merged and cut to its hours."""
    hours = rule.hours.unrolled()
    found: list[WallRange] = []
    for pause in sorted(_aligned(pause, hours) for pause in rule.breaks):
        start = max(pause.start_minute, hours.start_minute)
        end = min(pause.end_minute, hours.end_minute)
        if start >= end:
            continue
        if found and start <= found[-1].end_minute:
            start, end = found[-1].start_minute, max(end, found[-1].end_minute)
            found.pop()
        found.append(WallRange(start, end))
    return found


def _aligned(pause: WallRange, hours: WallRange) -> WallRange:
    """Moves a break of a night shift that is given by the clocks of the next day."""
    whole = pause.unrolled()
    if whole.end_minute <= hours.start_minute:
        return WallRange(whole.start_minute + MINUTES_PER_DAY, whole.end_minute + MINUTES_PER_DAY)
    return whole


def _offers(
    zone: Zone, pattern: Pattern, first_day: int, last_day: int, closed: set[int]
) -> Pieces:
    """Gives the explicit spans that start on the days asked for and on none that is closed."""
    kept: list[tuple[int, Span]] = []
    for exception in pattern.exceptions:
        if exception.kind is ExceptionKind.OFFER and exception.span is not None:
            day = zone.wall_of(exception.span.start) // MINUTES_PER_DAY
            if first_day <= day < last_day and day not in closed:
                kept.append((day, exception.span))
    return Pieces(
        np.array([day for day, _ in kept], dtype=np.int64),
        np.array([span.start for _, span in kept], dtype=np.int64),
        np.array([span.end for _, span in kept], dtype=np.int64),
    )


def _starts(zone: Zone, days: Wide, wall: WallRange) -> Wide:
    return zone.earliest(days * MINUTES_PER_DAY + wall.start_minute)


def _ends(zone: Zone, days: Wide, wall: WallRange) -> Wide:
    return zone.latest(days * MINUTES_PER_DAY + wall.end_minute)


def _piece(zone: Zone, days: Wide, wall: WallRange) -> Pieces:
    return _kept(days, _starts(zone, days, wall), _ends(zone, days, wall))


def _kept(days: Wide, starts: Wide, ends: Wide) -> Pieces:
    """Drops what has no length, as in a gap that swallows it."""
    real = starts < ends
    return Pieces(days[real], starts[real], ends[real])


def _joined(parts: list[Pieces]) -> Pieces:
    none = np.array([], dtype=np.int64)
    return Pieces(
        np.concatenate([none, *(part.days for part in parts)]),
        np.concatenate([none, *(part.starts for part in parts)]),
        np.concatenate([none, *(part.ends for part in parts)]),
    )
