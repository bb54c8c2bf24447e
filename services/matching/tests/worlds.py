"""Small worlds for tests, and two foreign parties that answer from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import numpy as np

from services.matching.domain import (
    Month,
    Question,
    Rejection,
    Resource,
    Window,
    date_of,
    day_of,
    floor_minute,
    moment_of,
)
from services.matching.engine import Matrix, Offer, Offers, Workload
from services.matching.rules.merges import Terms


def at(text: str) -> int:
    """Gives the minute of an ISO moment; without an offset it is UTC."""
    moment = datetime.fromisoformat(text)
    return floor_minute(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


@dataclass(frozen=True)
class World:
    """All that matching can learn about one tenant for one question."""

    zone: str = "Europe/Berlin"
    window: tuple[int, int] = (0, 0)
    duration: int = 60
    resources: tuple[Resource, ...] = ()
    # Who is free at which start.
    free: Mapping[int, frozenset[str]] = field(default_factory=dict)
    offered: Mapping[tuple[str, Month], int] = field(default_factory=dict)
    # Bookings per resource and local date, and the dates on which all of them have ended.
    bookings: Mapping[tuple[str, date], int] = field(default_factory=dict)
    delivered: frozenset[tuple[str, date]] = frozenset()
    party_size: int = 0
    asked_zone: str = ""
    rejections: tuple[Rejection, ...] = ()
    # Minutes kept free before and after a slot.
    buffers: tuple[int, int] = (0, 0)
    # Skills the work requires, and who has them; nobody named: everybody.
    required_skills: tuple[str, ...] = ()
    able: Mapping[str, frozenset[str]] = field(default_factory=dict)
    # How several may serve together; None: they may not.
    merging: Terms | None = None
    # How much a start suits somebody, and how many minutes away the work is from them then.
    suits: Mapping[tuple[str, int], int] = field(default_factory=dict)
    travel: Mapping[tuple[str, int], int] = field(default_factory=dict)
    # Who asks, and how often somebody was booked for them lately.
    customer_hash: str = ""
    familiar: Mapping[str, int] = field(default_factory=dict)

    @property
    def question(self) -> Question:
        return Question(
            service_type_id="course",
            window=Window(moment_of(self.window[0]), moment_of(self.window[1])),
            party_size=self.party_size,
            zone=self.asked_zone,
            customer_hash=self.customer_hash,
        )

    def months(self) -> tuple[Month, ...]:
        zone = ZoneInfo(self.zone)
        days = {
            moment_of(minute).astimezone(zone).date()
            for minute in range(self.window[0], max(self.window[1], self.window[0] + 1), 60)
        }
        days.add(moment_of(self.window[1]).astimezone(zone).date())
        return tuple(sorted({Month(day.year, day.month) for day in days}))


@dataclass
class Calls:
    """What was asked, in order."""

    names: list[str] = field(default_factory=list)
    workloads: list[tuple[Window, str, tuple[str, ...]]] = field(default_factory=list)
    slots: list[dict[str, object]] = field(default_factory=list)
    offers: list[tuple[str, str, tuple[str, ...]]] = field(default_factory=list)


class WorldAvailability:
    """Stands in for availability; `random` shuffles whatever has no order in the contract."""

    def __init__(self, world: World, calls: Calls | None = None, random: Random | None = None):
        self.world, self.calls, self.random = world, calls or Calls(), random

    async def slots(self, question, *, max_rejections, at_least_as_fresh, as_if_now):
        self.calls.names.append("slots")
        self.calls.slots.append(
            {
                "question": question,
                "max_rejections": max_rejections,
                "at_least_as_fresh": at_least_as_fresh,
                "as_if_now": as_if_now,
            }
        )
        world, months = self.world, self.world.months()
        resources = sorted(world.resources, key=lambda one: (one.priority, one.id))
        rejections = list(world.rejections)
        if self.random:
            self.random.shuffle(resources)
            self.random.shuffle(rejections)
        row_of = {one.id: row for row, one in enumerate(resources)}
        low, high = world.window
        if question.window.start is not None:
            low, high = floor_minute(question.window.start), floor_minute(question.window.end)
        starts = sorted(s for s in world.free if low <= s and s + world.duration <= high)
        pairs, capacities, beside = [], [], []
        for start in starts:
            free = sorted(row_of[name] for name in world.free[start] if self.takes(name, question))
            if self.random:
                self.random.shuffle(free)
            pairs.extend(free)
            capacities.append(len(free))
            beside.extend((resources[row].id, start) for row in free)
        offered = [[world.offered.get((one.id, month), 0) for month in months] for one in resources]
        return Matrix(
            window_start=low,
            window_end=high,
            duration=world.duration,
            required_skills=world.required_skills,
            resources=tuple(resources),
            offered=np.array(offered, dtype=np.int64).reshape(len(resources), len(months)),
            months=months,
            starts=np.array(starts, dtype=np.int64),
            capacities=np.array(capacities, dtype=np.int64),
            pairs=np.array(pairs, dtype=np.int64),
            rejections=tuple(rejections[:max_rejections]),
            rejected_count=len(rejections),
            time_zone=world.zone,
            freshness="as fresh as it gets",
            result="Nothing is free." if not starts else "Something is free.",
            suits=_beside(world.suits, beside, 0),
            travel_minutes=_beside(world.travel, beside, -1),
            merging=world.merging,
        )

    def takes(self, name, question):
        """A party is left to matching, except where resources may serve together."""
        if self.world.merging is None:
            return True
        size = next(one.capacity_max for one in self.world.resources if one.id == name)
        return size == 0 or question.party_size <= size

    async def duration_minutes(self, service_type_id):
        self.calls.names.append("duration")
        return self.world.duration

    async def buffers(self, service_type_id):
        self.calls.names.append("buffers")
        return self.world.buffers

    async def offers(self, month, *, skill, resource_ids, at_least_as_fresh, since=None):
        self.calls.names.append("offers")
        self.calls.offers.append((str(month), skill, resource_ids))
        able = self.world.able.get(skill, [one.id for one in self.world.resources])
        wanted = [
            one
            for one in self.world.resources
            if one.id in able and (not resource_ids or one.id in resource_ids)
        ]
        if self.random:
            self.random.shuffle(wanted)
        return Offers(
            offers=tuple(Offer(one, self.world.offered.get((one.id, month), 0)) for one in wanted),
            time_zone=self.world.zone,
        )


class WorldAssignment:
    """Stands in for assignment."""

    def __init__(self, world: World, calls: Calls | None = None, random: Random | None = None):
        self.world, self.calls, self.random = world, calls or Calls(), random

    async def question_of(self, booking_request_id):
        self.calls.names.append("question_of")
        return self.world.question

    async def workload(self, window, *, time_zone, resource_ids):
        self.calls.names.append("workload")
        self.calls.workloads.append((window, time_zone, resource_ids))
        assert time_zone == self.world.zone
        zone = ZoneInfo(time_zone)
        first = window.start.astimezone(zone).date()
        last = (window.end - timedelta(microseconds=1)).astimezone(zone).date()
        cells = [
            (name, day, count)
            for (name, day), count in sorted(self.world.bookings.items())
            if first <= day <= last and (not resource_ids or name in resource_ids)
        ]
        names = sorted({name for name, _, _ in cells})
        if self.random:
            self.random.shuffle(cells)
            self.random.shuffle(names)
        return Workload(
            resource_ids=tuple(names),
            indexes=np.array([names.index(name) for name, _, _ in cells], dtype=np.int64),
            days=np.array([day_of(day) for _, day, _ in cells], dtype=np.int64),
            bookings=np.array([count for _, _, count in cells], dtype=np.int64),
            delivered=np.array(
                [(name, day) in self.world.delivered for name, day, _ in cells], dtype=np.bool_
            ),
        )


class WorldCustomers:
    """Stands in for what is kept of customers."""

    def __init__(self, world: World, calls: Calls | None = None):
        self.world, self.calls = world, calls or Calls()

    async def served_by(self, customer_hash, *, but_for):
        self.calls.names.append("served_by")
        assert customer_hash == self.world.customer_hash
        return self.world.familiar


def _beside(values, pairs, nothing):
    if not values:
        return None
    return np.array([values.get(pair, nothing) for pair in pairs], dtype=np.int64)


def person(name: str, **changes: object) -> Resource:
    return replace(Resource(id=name, display_name=name.title(), is_person=True), **changes)


def table(name: str, seats: int, **changes: object) -> Resource:
    return replace(Resource(id=name, display_name=name.title(), capacity_max=seats), **changes)


def dates(first: str, count: int) -> Sequence[date]:
    low = day_of(date.fromisoformat(first))
    return [date_of(day) for day in range(low, low + count)]
