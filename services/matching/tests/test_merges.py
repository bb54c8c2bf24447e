"""Merges equal brute force: on random floors, on a real one, and in the ranking."""

from datetime import date
from random import Random

import pytest

from services.matching.domain import Optimality
from services.matching.engine import Engine, RankCall
from services.matching.rules.merges import Part, Terms, merges
from services.matching.rules.policies import policy_named
from services.matching.tests import floors
from services.matching.tests.worlds import (
    Calls,
    World,
    WorldAssignment,
    WorldAvailability,
    at,
    table,
)

START = at("2027-03-01T18:00")


def found(parts, party, terms, **limits) -> set[frozenset[str]]:
    answer = merges(parts, party, terms, **limits)
    return {frozenset(parts[place].id for place in one.members) for one in answer.merges}


@pytest.mark.parametrize("size", range(13))
def test_every_merge_of_a_random_floor_and_no_other(size):
    random = Random(size)
    for _ in range(60 if size < 9 else 6):
        parts = floors.floor(random, size, zones=random.choice((1, 1, 2)))
        terms = Terms(
            size_max=random.choice((0, 2, 3, 5)), seat_loss_per_joint=random.choice((0, 1, 2))
        )
        party = random.randint(1, 14)
        assert found(parts, party, terms) == floors.brute_force(parts, party, terms)
        assert merges(parts, party, terms).complete


@pytest.mark.skipif(not floors.PUB.exists(), reason=f"{floors.PUB} is not there")
def test_every_merge_of_a_real_pub():
    seen = 0
    for parts in floors.pub():
        for party, loss in ((5, 0), (7, 1), (11, 0), (16, 1)):
            terms = Terms(size_max=4, seat_loss_per_joint=loss)
            expected = floors.brute_force(parts, party, terms)
            assert found(parts, party, terms) == expected
            seen += len(expected)
    assert seen > 100


def test_zones_stay_apart_and_what_is_fixed_stays():
    def floor(**changes):
        plain = {"a": {}, "b": {}, "c": {}}
        plain.update(changes)
        return [
            Part(**{"id": name, "zone": "z", "seats": 4, "adjacent": frozenset("abc")} | own)
            for name, own in plain.items()
        ]

    assert len(found(floor(), 8, Terms())) == 3
    assert found(floor(c={"zone": "y"}), 8, Terms()) == {frozenset("ab")}
    assert found(floor(c={"movable": False}), 8, Terms()) == {frozenset("ab")}
    # A seat lost at the joint: two tables of four seat seven.
    assert found(floor(), 8, Terms(seat_loss_per_joint=1)) == {frozenset("abc")}
    assert found(floor(), 8, Terms(size_max=2, seat_loss_per_joint=1)) == set()
    # Whoever could do it alone is no part, and who takes any party is none either.
    assert found(floor(a={"seats": 8}, b={"seats": 0}), 8, Terms()) == set()


def test_beyond_its_bound_a_search_says_so():
    names = [f"t{number:02}" for number in range(16)]
    parts = [Part(name, "z", 2, frozenset(names)) for name in names]
    whole = merges(parts, 8, Terms())
    assert (whole.complete, len(whole.merges)) == (True, 1820)
    cut = merges(parts, 8, Terms(), sets_max=1000)
    assert (cut.complete, cut.missing_size_min, cut.merges) == (False, 4, ())


def evening(**changes) -> World:
    parts = (
        table("t1", 4, zone="hall", movable=True, adjacent_ids=("t2",)),
        table("t2", 4, zone="hall", movable=True, adjacent_ids=("t3",), priority=1),
        table("t3", 2, zone="hall", movable=True),
        table("t4", 8, zone="hall"),
        table("t5", 4, zone="yard", movable=True, adjacent_ids=("t1",)),
    )
    everybody = frozenset(one.id for one in parts)
    plain = {
        "window": (START, START + 240),
        "resources": parts,
        "free": {START: everybody, START + 60: everybody - {"t4"}, START + 120: frozenset({"t2"})},
        "party_size": 6,
        "merging": Terms(),
    }
    return World(**(plain | changes))


async def rank(world: World, **asked):
    calls = Calls()
    engine = Engine(
        availability=WorldAvailability(world, calls), assignment=WorldAssignment(world, calls)
    )
    return await engine.rank(RankCall(question=world.question, **asked)), calls


async def test_a_single_beats_any_merge_and_merges_stand_where_none_serves():
    ranking, calls = await rank(evening())
    assert [(one.resource_ids, one.start - START) for one in ranking.candidates] == [
        (("t4",), 0),
        (("t2", "t3"), 60),
        (("t1", "t2"), 60),
    ]
    assert [call["question"].party_size for call in calls.slots] == [6, 0]
    assert ranking.optimality is Optimality.OPTIMAL
    joined = ranking.candidates[1]
    assert joined.explanation.startswith("T2 and T3 together, Monday 1 March 2027")
    points = {term.rule: (term.points, term.max_points) for term in joined.terms}
    assert points["fit"] == (50, 50)
    assert points["joints"] == (20, 20)
    assert points["load"] == (20, 20)


async def test_enough_singles_leave_no_work_for_merges():
    _, calls = await rank(evening(), limit=1)
    assert len(calls.slots) == 1
    _, calls = await rank(evening(merging=None))
    assert len(calls.slots) == 1
    _, calls = await rank(evening(party_size=1))
    assert len(calls.slots) == 1


async def test_a_party_that_no_single_takes():
    ranking, _ = await rank(evening(party_size=10))
    assert {one.resource_ids for one in ranking.candidates} == {("t1", "t2", "t3")}
    assert ranking.result.startswith(
        "There are 2 candidates, best first; the best is T1, T2 and T3 together"
    )
    ranking, _ = await rank(evening(party_size=11))
    assert not ranking.candidates
    assert ranking.optimality is Optimality.OPTIMAL


async def test_the_ranking_of_merges_equals_the_slow_one():
    """Every merge in every slot, scored resource by resource, sorted as the rules say."""
    for seed in range(25):
        random = Random(seed)
        parts = floors.floor(random, random.randint(3, 8))
        loss, party = random.choice((0, 1)), random.randint(3, 9)
        world = _world(parts, party, Terms(seat_loss_per_joint=loss), random)
        for policy in ("v1", "v2"):
            ranking, _ = await rank(world, limit=1000, policy=policy)
            joint = [one for one in ranking.candidates if len(one.resource_ids) > 1]
            assert [(one.resource_ids, one.start, one.points) for one in joint] == _slow(
                world, parts, policy
            )


def _world(parts, party, terms, random: Random) -> World:
    free = {
        START + 60 * hour: frozenset(one.id for one in parts if random.random() < 0.7)
        for hour in range(4)
    }
    resources = tuple(
        table(
            one.id,
            one.seats,
            zone=one.zone,
            movable=one.movable,
            adjacent_ids=tuple(sorted(one.adjacent)),
            priority=random.randrange(3),
        )
        for one in parts
    )
    day = date(2027, 3, 1)
    return World(
        window=(START, START + 300),
        resources=resources,
        free=free,
        party_size=party,
        merging=terms,
        bookings={(one.id, day): random.randrange(3) for one in parts},
    )


def _slow(world: World, parts, policy_name: str):
    policy = policy_named(policy_name)
    by_id = {one.id: one for one in world.resources}
    part = {one.id: one for one in parts}
    day = next(iter(world.bookings))[1]
    used = {name for names in world.free.values() for name in names}
    levels = sorted({by_id[name].priority for name in used})
    steps = max(len(levels) - 1, 1)
    room = world.window[1] - world.duration - world.window[0]
    rows = []
    for start, names in world.free.items():
        if any(
            by_id[one].capacity_max in (0,) or by_id[one].capacity_max >= world.party_size
            for one in names
        ):
            continue
        here = [part[name] for name in sorted(names)]
        for merge in floors.brute_force(here, world.party_size, world.merging):
            bookings = {name: world.bookings[name, day] for name in merge}
            ranks = {name: levels.index(by_id[name].priority) for name in merge}
            seats = world.merging.seats(sum(part[name].seats for name in merge), len(merge))
            if policy.name == "v1":
                points = min(max(100 - count, 0) for count in bookings.values())
                if len(levels) > 1:
                    points += min(101 * (steps - rank) for rank in ranks.values())
            else:
                points = 50 * world.party_size // seats + 40 // len(merge)
                points += min(20 // (count + 1) for count in bookings.values())
                if len(levels) > 1:
                    points += min(5 * (steps - rank) // steps for rank in ranks.values())
                points += 10 * (room - (start - world.window[0])) // room
            worst = max(by_id[name].priority for name in merge)
            key = (-points, start, worst, sum(bookings.values()), sorted(merge))
            rows.append((key, tuple(sorted(merge)), start, points))
    return [(names, start, points) for _, names, start, points in sorted(rows)]
