"""What a plan was checked against is checked again where it is committed: limits, travel, leave."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from fairslot.availability.v1 import catalog_pb2
from google.type.latlng_pb2 import LatLng

from services.assignment.domain import CheckAgain, Checks, Limits
from services.assignment.tests.books import (
    allocation_id,
    deadlocks,
    reason,
    slot,
    violations,
)
from services.assignment.tests.calls import at, refused

ZONE = "America/New_York"


def limited(**limits) -> Checks:
    return Checks(limits={"r1": Limits(zone=ZONE, **limits)})


async def test_of_many_at_once_no_more_are_taken_than_the_day_allows(books, ledger_database):
    """Different times of one day: nothing but the limit is in anybody's way."""
    checks = limited(per_day=3)
    for day in range(3):
        outcomes = await asyncio.gather(
            *(
                books.assign("r1", at=slot(24 * day - 4 + 2 * n), checks=checks)
                if n % 2
                else books.hold("r1", at=slot(24 * day - 4 + 2 * n), checks=checks)
                for n in range(9)
            )
        )
        assert Counter(map(reason, outcomes)) == {"OK": 3, "NOT_AVAILABLE": 6}
        said = next(o.refusal.metadata for o in outcomes if o.refusal)
        assert (said["obstacles"], said["allowed"]) == ("DAY_LIMIT", "3")
    assert violations(ledger_database.admin_url) == {}
    assert deadlocks(ledger_database.admin_url) == 0


async def test_the_day_is_the_resources_own(books):
    """23:30 and 00:30 in New York are two days there and one in UTC."""
    checks = limited(per_day=1)
    # 04:30Z and 05:30Z on 2027-03-02: midnight in New York lies between them.
    assert reason(await books.assign("r1", at=slot(19.5), checks=checks, buffer=timedelta())) == (
        "OK"
    )
    assert reason(await books.assign("r1", at=slot(20.5), checks=checks, buffer=timedelta())) == (
        "OK"
    )
    assert reason(await books.assign("r1", at=slot(23), checks=checks)) == "NOT_AVAILABLE"


async def test_what_is_given_back_no_longer_counts(books):
    checks = limited(per_day=1)
    made = allocation_id(await books.hold("r1", at=slot(0), checks=checks))
    assert reason(await books.hold("r1", at=slot(4), checks=checks)) == "NOT_AVAILABLE"
    await books.release(made)
    brief = await books.hold("r1", at=slot(4), checks=checks, ttl=0.02)
    assert reason(brief) == "OK"
    await asyncio.sleep(0.03)
    kept = allocation_id(await books.assign("r1", at=slot(8), checks=checks))
    # Its own time is not in its way when it moves within the day.
    moved = await books.reassign(kept, "r1", at=slot(2), checks=checks)
    assert reason(moved) == "OK"
    assert reason(await books.reassign(kept, "r1", at=slot(30), checks=checks)) == "OK"


async def test_any_passes_by_whoever_has_reached_a_limit(books):
    checks = limited(per_day=1)
    for number, expected in enumerate(("r1", "r2", "r2")):
        outcome = await books.hold("r1", "r2", at=slot(2 * number), any_of=True, checks=checks)
        assert outcome.allocation.resource_ids == (expected,)


@pytest.mark.parametrize("seed", range(3))
async def test_limits_hold_as_a_count_by_hand_says(books, ledger_database, seed):
    rng = random.Random(seed)
    limits = Limits(zone=ZONE, per_day=2, per_week=5, minutes_per_day=200)
    taken: list[tuple[datetime, timedelta]] = []
    told: Counter[str] = Counter()
    for _ in range(60):
        start, length = rng.randrange(0, 24 * 14), timedelta(minutes=rng.choice((45, 90, 180)))
        wanted = slot(start, length=length)
        outcome = await books.assign(
            "r1", at=wanted, checks=Checks(limits={"r1": limits}), buffer=timedelta()
        )
        told[reason(outcome)] += 1
        expected = by_hand(taken, wanted.start, length, limits)
        assert reason(outcome) == expected
        if outcome.allocation:
            taken.append((wanted.start, length))
    assert {"OK", "NOT_AVAILABLE"} <= told.keys()
    assert violations(ledger_database.admin_url) == {}


def by_hand(taken, start: datetime, length: timedelta, limits: Limits) -> str:
    if any(s < start + length and start < s + t for s, t in taken):
        return "SLOT_TAKEN"
    zone = ZoneInfo(limits.zone)
    local = [(s.astimezone(zone), t) for s, t in (*taken, (start, length))]
    mine = start.astimezone(zone)
    day = [t for s, t in local if s.date() == mine.date()]
    week = [t for s, t in local if s.isocalendar()[:2] == mine.isocalendar()[:2]]
    minutes = sum(day, timedelta()) / timedelta(minutes=1)
    broken = (
        len(day) > limits.per_day or len(week) > limits.per_week or minutes > limits.minutes_per_day
    )
    return "NOT_AVAILABLE" if broken else "OK"


async def test_of_those_who_reckoned_with_the_same_neighbours_one_commits(books, ledger_database):
    """Times that do not overlap but, by road, cannot both be served: each was checked alone."""
    outcomes = await asyncio.gather(
        *(
            books.assign("r1", at=slot(2 * n), checks=Checks(generations={"r1": 0}))
            for n in range(6)
        ),
        return_exceptions=True,
    )
    made = [o for o in outcomes if not isinstance(o, BaseException)]
    assert len(made) == 1
    assert all(o.positions["r/r1"] == 1 for o in outcomes if isinstance(o, CheckAgain))
    again = await books.assign("r1", at=slot(20), checks=Checks(generations={"r1": 1}))
    assert reason(again) == "OK"
    # Who lost the time itself is told so at once.
    lost = await books.assign("r1", at=slot(20), checks=Checks(generations={"r1": 0}))
    assert reason(lost) == "SLOT_TAKEN"
    assert violations(ledger_database.admin_url) == {}


async def test_leave_that_was_not_seen_is_looked_at_again(books):
    await books.moves.note_catalog("acme", ["r1"], 7)
    with pytest.raises(CheckAgain) as raised:
        await books.assign("r1", checks=Checks(revision=6))
    assert raised.value.positions["catalog"] == 7
    assert reason(await books.assign("r1", checks=Checks(revision=7))) == "OK"
    assert reason(await books.assign("r2", checks=Checks(revision=1))) == "OK"
    await books.moves.note_catalog("acme", None, 9)
    with pytest.raises(CheckAgain):
        await books.assign("r2", at=slot(4), checks=Checks(revision=8))


async def test_as_served_it_is_asked_again_until_it_fits(ann, world):
    """Availability is behind: the ledger says what it must have seen before it may answer."""
    place = LatLng(latitude=52.5, longitude=13.4)
    for number in range(3):
        name = (await ann.want(place=place)).id
        await ann.assign(name, "r1", start=at(3 * number), reason="near")
    assert world.generations["r1"] == 2
    asked = world.checks
    await ann.assign((await ann.want()).id, "r1", start=at(12), reason="nowhere")
    assert world.checks == asked + 1


async def test_as_served_limits_come_from_availability(ann, world):
    world.limits = {"r1": catalog_pb2.Limits(per_day=1)}
    await ann.assign((await ann.want()).id, "r1", start=at(0), reason="one")
    fault = await refused(ann.assign((await ann.want()).id, "r1", start=at(4), reason="two"))
    assert (fault.reason, fault.metadata["obstacles"]) == ("NOT_AVAILABLE", "DAY_LIMIT")
    held = await ann.hold(start=at(4))
    assert list(held.resource_ids) != ["r1"]
