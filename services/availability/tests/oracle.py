"""Answers the slot question minute by minute, with none of the engine's tricks."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from math import asin, ceil, cos, radians, sin, sqrt

import holidays

from services.availability.domain import (
    Allocation,
    ExceptionKind,
    GridAnchor,
    HolidayCalendar,
    Place,
    Resource,
    Schedule,
    SlotShape,
    Span,
    StartBounds,
    Tenant,
    Wanted,
    date_of,
    day_of,
    moment_of,
)
from services.availability.rules.grid import MAX_RUN_MINUTES
from services.availability.tests.clocks import Clock, clock

_DAY = 1440
# Seven days back for the anchors of long runs, and what shifts and zones may add.
_BACK_DAYS, _AHEAD_DAYS = 14, 6


@dataclass(frozen=True)
class Person:
    """A resource with all that decides its time."""

    resource: Resource
    schedule: Schedule = field(default_factory=Schedule)
    allocations: tuple[Allocation, ...] = ()


@cache
def is_holiday(calendar: HolidayCalendar, day: int) -> bool:
    """Looks a day up in the calendar of its country."""
    if calendar.none or not calendar.country:
        return False
    known = holidays.country_holidays(calendar.country, subdiv=calendar.subdivision or None)
    return date_of(day) in known


def shifts(person: Person, clock: Clock, tenant: Tenant, days: range) -> list[tuple[int, int]]:
    """Gives the parts of working time that start on the local days, as they are written."""
    found: list[tuple[int, int]] = []
    first_day = person.resource.joined_on
    own = person.resource.holidays
    calendar = own if own.none or own.country else tenant.holidays
    for day in days:
        if first_day is not None and day < day_of(first_day):
            continue
        dated = [e for e in person.schedule.exceptions if e.on is not None and day_of(e.on) == day]
        if any(e.kind is ExceptionKind.CLOSED for e in dated):
            continue
        for exception in dated:
            for hours in exception.ranges:
                found += _read(clock, day, hours.start_minute, hours.end_minute)
        for exception in person.schedule.exceptions:
            if exception.kind is ExceptionKind.OFFER and exception.span is not None:
                wall = clock.walls[exception.span.start - clock.low]
                if wall // _DAY == day:
                    found.append((exception.span.start, exception.span.end))
        replaced = any(e.kind is ExceptionKind.REPLACE_DAY for e in dated)
        if not replaced and not is_holiday(calendar, day):
            found += _ruled(person.schedule, clock, day)
    return [(low, high) for low, high in found if low < high]


def _ruled(schedule: Schedule, clock: Clock, day: int) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for rule in schedule.rules:
        if (day + 3) % 7 + 1 not in rule.weekdays:
            continue
        if rule.valid_from is not None and day < day_of(rule.valid_from):
            continue
        if rule.valid_until is not None and day >= day_of(rule.valid_until):
            continue
        parts = _read(clock, day, rule.hours.start_minute, rule.hours.end_minute)
        for pause in rule.breaks:
            start, end = pause.start_minute, pause.end_minute
            if end < start:
                end += _DAY
            if end <= rule.hours.start_minute:
                start, end = start + _DAY, end + _DAY
            for low, high in _read(clock, day, start, end):
                parts = [
                    piece
                    for a, b in parts
                    for piece in ((a, min(b, low)), (max(a, high), b))
                    if piece[0] < piece[1]
                ]
        found += parts
    return found


def _read(clock: Clock, day: int, start: int, end: int) -> list[tuple[int, int]]:
    if end < start:
        end += _DAY
    return [(clock.first_at_or_after(day * _DAY + start), clock.last_before(day * _DAY + end))]


def answer(
    people: Sequence[Person],
    shape: SlotShape,
    wanted: Wanted,
    *,
    window: Span,
    bounds: StartBounds,
    now: datetime,
    tenant: Tenant,
    near: Place | None = None,
) -> dict[int, list[str]]:
    """Gives for every start who is free, best static priority first."""
    found: dict[int, list[str]] = {}
    clocks: dict[str, Clock] = {}
    # Whole days, and as many for every window, so that clocks are read once per zone and day.
    middle = window.start // _DAY * _DAY
    low, high = middle - _BACK_DAYS * _DAY, middle + (_AHEAD_DAYS + 4) * _DAY
    for person in sorted(people, key=lambda one: (one.resource.priority, one.resource.id)):
        own_zone = person.resource.time_zone or tenant.time_zone
        for name in {own_zone, shape.grid_zone or own_zone} - clocks.keys():
            clocks[name] = clock(name, low, high)
        grid = clocks[shape.grid_zone or own_zone]
        if not _may_serve(person.resource, wanted):
            continue
        days = range(window.start // _DAY - _BACK_DAYS + 2, window.end // _DAY + 3)
        parts = shifts(person, clocks[own_zone], tenant, days)
        live = [one for one in person.allocations if one.blocks(now)]
        attended = shifts(_without_breaks(person), clocks[own_zone], tenant, days)
        for start in _free(person, parts, grid, shape, wanted, window, bounds, now):
            slot = Span(start, start + shape.duration)
            if _over_a_limit(person.resource, live, slot, clocks[own_zone]):
                continue
            if near is None or _in_time(person.resource, live, attended, shape, start, near):
                found.setdefault(start, []).append(person.resource.id)
    return dict(sorted(found.items()))


def _may_serve(resource: Resource, wanted: Wanted) -> bool:
    party = wanted.party_size
    return (
        resource.active
        and (not wanted.zone or wanted.zone == resource.zone)
        and (not wanted.resource_ids or resource.id in wanted.resource_ids)
        and (not party or not resource.capacity_max or party <= resource.capacity_max)
        and (not party or party >= resource.capacity_min)
        and all(
            any(s.name == need.name and s.level >= need.level_min for s in resource.skills)
            for need in wanted.skills
        )
    )


def _free(
    person: Person,
    parts: list[tuple[int, int]],
    grid: Clock,
    shape: SlotShape,
    wanted: Wanted,
    window: Span,
    bounds: StartBounds,
    now: datetime,
) -> list[int]:
    worked = {minute for a, b in parts for minute in range(a, b)}
    leave = {m for one in person.schedule.time_off for m in range(one.span.start, one.span.end)}
    taken = {
        m
        for one in person.schedule.external_busy
        if not one.deleted
        for m in range(one.span.start, one.span.end)
    } | {
        m
        for one in person.allocations
        if one.blocks(now)
        for m in range(one.occupied.start, one.occupied.end)
    }
    until = [
        s.valid_until
        for s in person.resource.skills
        if s.valid_until is not None and s.name in {need.name for need in wanted.skills}
    ]
    found = []
    for start in range(window.start, window.end):
        end = start + shape.duration
        if end > window.end or not bounds.earliest <= start < bounds.latest:
            continue
        if not _on_grid(start, parts, worked, grid, shape):
            continue
        if any(m not in worked or m in leave for m in range(start, end)):
            continue
        if any(m in taken for m in range(start - shape.buffer_before, end + shape.buffer_after)):
            continue
        if any(moment_of(end) > moment for moment in until):
            continue
        found.append(start)
    return found


def _without_breaks(person: Person) -> Person:
    rules = tuple(replace(rule, breaks=()) for rule in person.schedule.rules)
    return replace(person, schedule=replace(person.schedule, rules=rules))


def _over_a_limit(resource: Resource, live: Sequence[Allocation], slot: Span, clock: Clock) -> bool:
    limits = resource.limits
    if limits.minutes_per_day and slot.end - slot.start > limits.minutes_per_day:
        return True

    def day(minute: int) -> int:
        found = clock.walls[minute - clock.low] // _DAY - 1
        while clock.first_at_or_after((found + 1) * _DAY) <= minute:
            found += 1
        return found

    def week(minute: int) -> int:
        return (day(minute) + 3) // 7

    of_day = [one for one in live if day(one.slot.start) == day(slot.start)]
    of_week = [one for one in live if week(one.slot.start) == week(slot.start)]
    used = sum(one.slot.end - one.slot.start for one in of_day) + slot.end - slot.start
    return bool(
        (limits.per_day and len(of_day) + 1 > limits.per_day)
        or (limits.per_week and len(of_week) + 1 > limits.per_week)
        or (limits.minutes_per_day and used > limits.minutes_per_day)
    )


def _in_time(
    resource: Resource,
    live: Sequence[Allocation],
    parts: list[tuple[int, int]],
    shape: SlotShape,
    start: int,
    near: Place,
) -> bool:
    located = [one for one in live if one.place is not None]
    occupied = shape.occupied(start)
    for one in located:
        way = way_minutes(one.place, near)
        if one.occupied.end + way > occupied.start and one.occupied.start - way < occupied.end:
            return False
    if resource.home is None:
        return True
    worked = {minute for a, b in parts for minute in range(a, b)}
    opening = start
    while opening - 1 in worked and start - opening <= _DAY:
        opening -= 1
    if any(opening <= one.slot.start <= start for one in located):
        return True
    return start - opening >= min(_DAY, way_minutes(resource.home, near))


def way_minutes(origin: Place, destination: Place) -> int:
    """Gives the way as the crow flies at 40 km/h."""
    a, b = radians(origin.latitude), radians(destination.latitude)
    turn = radians(destination.longitude - origin.longitude)
    half = sin((b - a) / 2) ** 2 + cos(a) * cos(b) * sin(turn / 2) ** 2
    return ceil(2 * 6371 * asin(sqrt(half)) / 40 * 60 - 1e-9)


def _on_grid(
    start: int, parts: list[tuple[int, int]], worked: set[int], grid: Clock, shape: SlotShape
) -> bool:
    if shape.anchor is GridAnchor.MIDNIGHT:
        return grid.walls[start - grid.low] % _DAY % shape.granularity == 0
    for low, high in parts:
        if low <= start < high:
            opening = low
            while opening - 1 in worked and low - opening <= MAX_RUN_MINUTES:
                opening -= 1
            anchor = opening if low - opening <= MAX_RUN_MINUTES else low
            if (start - anchor) % shape.granularity == 0:
                return True
    return False
