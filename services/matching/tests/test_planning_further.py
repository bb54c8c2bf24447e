"""Batches whose requests need several resources, or lie apart."""

from services.matching.domain import Place
from services.matching.engine.decisions.codec import decode, encode
from services.matching.engine.decisions.comparing import Pick, compared
from services.matching.tests.team import START, team
from services.matching.tests.test_merges import START as EVENING
from services.matching.tests.test_merges import evening
from services.matching.tests.test_planning import Book, planned

BERLIN, POTSDAM = Place(52.52, 13.405), Place(52.4, 13.06)
WAY = 41


class Map:
    """Knows the way between two towns, and remembers what it was asked."""

    def __init__(self):
        self.asked = []

    async def ways(self, origins, destinations):
        self.asked.append((origins, destinations))
        return tuple(tuple(0 if one == other else WAY for other in destinations) for one in origins)


DINNER = (EVENING, EVENING + 60)
LATER = (EVENING + 60, EVENING + 120)


async def test_a_party_that_no_table_takes_gets_several():
    book = Book()
    outcomes, tally, _, calls = await planned(
        evening(party_size=10), {"q1": DINNER}, book, apply=True
    )
    assert outcomes["q1"].candidate.resource_ids == ("t1", "t2", "t3")
    assert outcomes["q1"].assignment_id == "a-q1"
    assert book.made["q1"] == ("t1", "t2", "t3", EVENING)
    assert tally.first.optimal
    assert {term.rule for term in outcomes["q1"].candidate.terms} >= {"fit", "joints"}
    assert [call["question"].party_size for call in calls.slots] == [10, 0]


async def test_who_gets_the_single_leaves_the_others_a_merge_and_no_table_is_taken_twice():
    # One table of eight; of the others, two make six seats or more in two ways that exclude each
    # other: two requests at most.
    windows = {f"q{number}": DINNER for number in range(3)}
    outcomes, tally, _, _ = await planned(evening(), windows)
    plans = [one.candidate.resource_ids for one in outcomes.values() if one.candidate]
    assert (tally.first.served, tally.first.served_bound, tally.first.optimal) == (2, 2, True)
    # The single is used, though the tables that fill up bring more points.
    assert sorted(map(len, plans)) == [1, 2]
    names = [name for plan in plans for name in plan]
    assert len(set(names)) == len(names)


async def test_a_merge_waits_where_a_single_is_free():
    outcomes, _, _, _ = await planned(evening(), {"q1": DINNER})
    assert outcomes["q1"].candidate.resource_ids == ("t4",)
    outcomes, _, _, _ = await planned(evening(), {"q1": LATER})
    assert outcomes["q1"].candidate.resource_ids == ("t2", "t3")
    outcomes, _, _, _ = await planned(evening(merging=None), {"q1": LATER})
    assert outcomes["q1"].candidate is None


async def test_between_two_places_there_is_time_to_travel():
    free = {START + 60 * hour: frozenset({"ada"}) for hour in range(3)}
    world, windows = team(free=free), {"q1": (START, START + 180), "q2": (START, START + 180)}
    towns = {"q1": {"place": BERLIN}, "q2": {"place": POTSDAM}}
    roads = Map()
    outcomes, tally, _, _ = await planned(world, windows, more=towns, travel=roads)
    starts = sorted(one.candidate.start - START for one in outcomes.values())
    assert (starts, tally.first.optimal) == ([0, 120], True)
    assert roads.asked == [((BERLIN, POTSDAM), (BERLIN, POTSDAM))]
    # At one place they follow each other, and nobody is asked about ways.
    here = {"q1": {"place": BERLIN}, "q2": {"place": BERLIN}}
    outcomes, *_ = await planned(world, windows, more=here, travel=roads)
    assert sorted(one.candidate.start - START for one in outcomes.values()) == [0, 60]
    assert len(roads.asked) == 1


async def test_who_cannot_be_reached_in_time_is_left_out_with_a_reason():
    free = {START: frozenset({"ada"}), START + 60: frozenset({"ada"})}
    world, windows = team(free=free), {"q1": (START, START + 120), "q2": (START, START + 120)}
    towns = {"q1": {"place": BERLIN}, "q2": {"place": POTSDAM}}
    outcomes, tally, _, _ = await planned(world, windows, more=towns, travel=Map())
    assert (tally.first.served, tally.first.served_bound) == (1, 1)
    (left,) = [one for one in outcomes.values() if one.candidate is None]
    assert "no plan serves more than 1" in left.reason


def again(one, **changes):
    """Decides on what was kept of one place anew, after it was written down and read."""
    place = one.candidate
    picked = Pick(place.resource_ids, place.start, place.match_percent, joint=True)
    picked = Pick.of_json(picked.as_json() | changes)
    return compared(decode(encode(one.inputs)), one.policy, "v1", picked=picked)


async def test_places_of_a_plan_are_kept_with_what_they_were_decided_on():
    kept = []
    windows = {"q1": DINNER, "q2": LATER, "q3": (EVENING, EVENING + 120)}
    outcomes, *_ = await planned(evening(), windows, kept=kept, apply=True)
    places = {name: one.candidate for name, one in outcomes.items() if one.candidate}
    assert {one.booking_request_id: one.candidate for one in kept} == places
    assert {len(one.candidate.resource_ids) for one in kept} == {1, 2}
    for one in kept:
        assert again(one).reproduced
        assert again(one).feasible
        assert not again(one, match_percent=one.candidate.match_percent - 1).reproduced
        assert not again(one, resource_ids=["t5"]).reproduced
        assert not again(one, start=one.candidate.start + 1).reproduced


async def test_people_over_two_months_are_kept_with_their_shares():
    kept = []
    edge = START + 30 * 1440
    free = {START: frozenset({"ada", "bo"}), edge - 60: frozenset({"ada"}), edge: frozenset({"bo"})}
    world = team(free=free, window=(START, edge + 60))
    windows = {"q1": (START, START + 60), "q2": (edge - 60, edge + 60)}
    await planned(world, windows, kept=kept, apply=True)
    assert [again(one).reproduced for one in kept] == [True, True]
    assert [len(one.inputs.work.shared) for one in kept] == [1, 1]


async def test_without_apply_nothing_is_kept():
    kept = []
    await planned(evening(), {"q1": DINNER}, kept=kept)
    assert kept == []
