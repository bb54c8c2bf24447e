"""Ranks in the most obvious way, pair by pair, with fractions: what the engine must equal."""

from datetime import date, timedelta
from fractions import Fraction
from math import floor
from typing import NamedTuple
from zoneinfo import ZoneInfo

from services.matching.domain import Month, Resource, moment_of
from services.matching.rules.fairness import Share
from services.matching.tests.worlds import World


class Ranked(NamedTuple):
    """One pair with its points by rule."""

    resource_id: str
    start: int
    points: tuple[tuple[str, int, int], ...]

    @property
    def total(self) -> int:
        return sum(points for _, points, _ in self.points)


def rank(world: World, policy: str) -> list[Ranked]:
    """Gives every pair, best first."""
    by_id = {one.id: one for one in world.resources}
    pairs = [
        (start, by_id[name])
        for start, names in world.free.items()
        for name in names
        if world.asked_zone in ("", by_id[name].zone)
        and (by_id[name].capacity_max == 0 or world.party_size <= by_id[name].capacity_max)
    ]
    scored = [
        Ranked(one.id, start, tuple(_points(world, policy, pairs, start, one)))
        for start, one in pairs
    ]
    return sorted(
        scored,
        key=lambda r: (
            -r.total,
            r.start,
            by_id[r.resource_id].priority,
            _bookings(world, r.start, r.resource_id),
            r.resource_id,
        ),
    )


def forecast(world: World, start: int, name: str) -> tuple[Share, int]:
    """Gives what the month gave one person among all people, and what this slot would add."""
    month = _month(world, start)
    people = [one.id for one in world.resources if one.is_person]
    worked = {(who, day) for who, day in world.bookings if Month(day.year, day.month) == month}
    share = Share(
        offered=world.offered.get((name, month), 0),
        offered_all=sum(world.offered.get((who, month), 0) for who in people),
        given=sum(1 for who, _ in worked if who == name),
        given_all=sum(1 for who, _ in worked if who in people),
    )
    days = {day for day in touched(world, start) if Month(day.year, day.month) == month}
    return share, len(days - {day for who, day in worked if who == name})


def touched(world: World, start: int) -> set[date]:
    """Gives the local days of all minutes of a slot."""
    zone = ZoneInfo(world.zone)
    minutes = [*range(start, start + world.duration, 15), start + world.duration - 1]
    return {moment_of(minute).astimezone(zone).date() for minute in minutes}


def _points(world, policy, pairs, start: int, one: Resource):
    bookings = _bookings(world, start, one.id)
    levels = sorted({other.priority for _, other in pairs})
    rank_, steps = levels.index(one.priority), max(len(levels) - 1, 1)
    if policy == "v1":
        if len(levels) > 1:
            yield "priority", 101 * (steps - rank_), 101 * steps
        yield "load", max(100 - bookings, 0), 100
        return
    if one.is_person:
        yield "fairness", _fairness(world, pairs, start, one), 50
    if world.party_size and one.capacity_max:
        yield "fit", floor(Fraction(50 * world.party_size, one.capacity_max)), 50
    yield "load", floor(Fraction(20, bookings + 1)), 20
    if len(levels) > 1:
        yield "priority", floor(5 * Fraction(steps - rank_, steps)), 5
    skills = [other.skill_count for _, other in pairs]
    if max(skills) > min(skills):
        spare = min(one.skill_count - min(skills), 3)
        yield "spare_skills", floor(20 * (1 - Fraction(spare, 3))), 20
    known = world.familiar if world.customer_hash else {}
    if any(other.id in known for _, other in pairs):
        yield "continuity", 15 if one.id in known else 0, 15
    room = world.window[1] - world.duration - world.window[0]
    if room > 0:
        yield "earliest", floor(10 * (1 - Fraction(start - world.window[0], room))), 10


def _fairness(world, pairs, start: int, one: Resource) -> int:
    month = _month(world, start)
    ahead = [
        _ahead(world, other_start, other)
        for other_start, other in pairs
        if other.is_person
        and _month(world, other_start) == month
        and world.offered.get((other.id, month), 0)
    ]
    if not ahead:
        return 50
    if not world.offered.get((one.id, month), 0):
        return 0
    return floor(50 * (min(ahead) / _ahead(world, start, one)) ** 2)


def _ahead(world, start: int, one: Resource) -> Fraction:
    """Gives the days given per day offered, after this assignment."""
    month = _month(world, start)
    given = {
        day
        for (name, day), count in world.bookings.items()
        if name == one.id and count and Month(day.year, day.month) == month
    }
    given |= {day for day in touched(world, start) if Month(day.year, day.month) == month}
    return Fraction(len(given), world.offered[one.id, month])


def _bookings(world, start: int, name: str) -> int:
    return world.bookings.get((name, _day(world, start)), 0)


def _month(world, start: int) -> Month:
    day = _day(world, start)
    return Month(day.year, day.month)


def _day(world, start: int) -> date:
    return (moment_of(start) + timedelta()).astimezone(ZoneInfo(world.zone)).date()
