"""What depends on the pair and on the customer: wishes, ways and known customers."""

from dataclasses import replace

from services.matching.tests.team import START, rank, team
from services.matching.tests.worlds import at

LATER = START + 1440


def both(**changes):
    free = frozenset({"ada", "bo"})
    return team(free={START: free, LATER: free}, **changes)


async def points(world, rule):
    ranking, _ = await rank(world)
    return {
        (one.resource_ids[0], one.start): term.points
        for one in ranking.candidates
        for term in one.terms
        if term.rule == rule
    }


async def test_wishes_rise_evenly_from_disliked_to_liked():
    world = both(suits={("ada", START): 100, ("bo", START): -100, ("ada", LATER): 50})
    assert await points(world, "preference_windows") == {
        ("ada", START): 15,
        ("bo", START): 0,
        ("ada", LATER): 11,
        ("bo", LATER): 7,
    }
    best = (await rank(world))[0].candidates[0]
    assert (best.resource_ids, best.start) == (("ada",), START)
    assert await points(both(), "preference_windows") == {}


async def test_a_short_way_is_preferred_and_an_unknown_one_is_left_out():
    world = both(travel={("ada", START): 30, ("bo", START): 0, ("ada", LATER): 90})
    assert await points(world, "proximity") == {
        ("ada", START): 12,
        ("bo", START): 25,
        ("ada", LATER): 6,
    }
    said = (await rank(world))[0].candidates[0]
    assert said.resource_ids == ("bo",)
    assert "already there" in said.explanation


async def test_a_known_customer_goes_to_whom_they_know():
    assert await points(both(), "continuity") == {}
    assert await points(both(familiar={"bo": 2}), "continuity") == {}
    world = both(customer_hash="c1", familiar={"bo": 2})
    assert set((await points(world, "continuity")).items()) == {
        (("ada", START), 0),
        (("bo", START), 15),
        (("ada", LATER), 0),
        (("bo", LATER), 15),
    }
    best = (await rank(world))[0].candidates[0]
    assert best.resource_ids == ("bo",)
    assert "booked for this customer 2 times lately" in best.explanation


async def test_nobody_is_asked_about_customers_where_it_makes_no_difference():
    world = both(customer_hash="c1", familiar={"bo": 2})
    assert "served_by" in (await rank(world))[1].names
    assert "served_by" not in (await rank(world, policy="v1"))[1].names
    assert "served_by" not in (await rank(replace(world, customer_hash="")))[1].names
    assert "served_by" not in (await rank(replace(world, free={})))[1].names


async def test_the_order_is_by_all_points_together():
    world = both(
        suits={("ada", LATER): 100, ("bo", START): -100},
        travel={("ada", LATER): 5, ("bo", START): 5, ("ada", START): 60, ("bo", LATER): 60},
    )
    found = (await rank(world))[0].candidates
    totals = [(-one.points, one.start) for one in found]
    assert totals == sorted(totals)
    assert (await rank(replace(world, window=(START, at("2027-04-30T08:00")))))[0].candidates
