"""Decisions: kept whole, decided again the same, compared fairly, and behind the tenant's wall."""

import json
from dataclasses import replace
from datetime import date

import pytest

from services.matching.domain import Month, moment_of
from services.matching.engine import RankCall
from services.matching.engine.decisions.codec import decode, encode
from services.matching.engine.decisions.comparing import (
    Comparison,
    Pick,
    compared,
    is_free,
    pick_of,
    place,
)
from services.matching.engine.decisions.verdicts import PAIRS_LEAST, Compared, verdict
from services.matching.engine.placing import candidate_at
from services.matching.engine.ranking import decide, known_policy, rank
from services.matching.rules.settings import Settings, Unit
from services.matching.servicer import ranking_message
from services.matching.tests.team import START, team
from services.matching.tests.test_merges import evening
from services.matching.tests.worlds import WorldAssignment, WorldAvailability, dates, person

MARCH = Month(2027, 3)


def uneven():
    """Ada has the better priority and far more work than bo: the two policies differ."""
    return team(
        resources=(person("ada", priority=1), person("bo", priority=2)),
        free={START: frozenset({"ada", "bo"}), START + 1440: frozenset({"ada", "bo"})},
        offered={("ada", MARCH): 20, ("bo", MARCH): 20},
        bookings={("ada", day): 1 for day in dates("2027-03-08", 9)},
    )


async def ranked(world, **asked):
    call = RankCall(question=world.question, **asked)
    return await rank(call, WorldAvailability(world), WorldAssignment(world))


@pytest.mark.parametrize("world", [team(), uneven(), team(free={}), team(party_size=4)])
@pytest.mark.parametrize("policy", ["v1", "v2"])
async def test_what_was_kept_gives_the_same_ranking(world, policy):
    first = await ranked(world, policy=policy)
    again = decide(decode(encode(first.inputs)), known_policy(policy), limit=10, max_rejections=100)
    assert again == first.ranking
    assert ranking_message(again).SerializeToString(deterministic=True) == ranking_message(
        first.ranking
    ).SerializeToString(deterministic=True)


@pytest.mark.parametrize("world", [team(), uneven(), evening(), evening(party_size=10)])
@pytest.mark.parametrize("policy", ["v1", "v2"])
async def test_a_place_by_itself_has_the_points_it_has_in_the_ranking(world, policy):
    first = await ranked(world, policy=policy, limit=100)
    assert first.ranking.candidates
    for one in first.ranking.candidates:
        there = candidate_at(first.inputs, known_policy(policy), one.resource_ids, one.start)
        assert replace(there, explanation="") == replace(one, explanation="")
        assert candidate_at(first.inputs, known_policy(policy), one.resource_ids, 7) is None
    assert candidate_at(first.inputs, known_policy(policy), ("nobody",), START) is None


async def test_what_a_tenant_wants_is_kept_too():
    wants = Settings(Unit.HOURS, 10, date(2027, 3, 2), {"fairness": 7, "load": 0}, version=3)
    world = uneven()
    call = RankCall(question=world.question)
    first = await rank(call, WorldAvailability(world), WorldAssignment(world), wants)
    again = decode(encode(first.inputs))
    assert again.settings == wants
    assert again.settings.unit is Unit.HOURS
    assert decide(again, known_policy("v2"), limit=10, max_rejections=100) == first.ranking


async def test_bytes_say_the_same_every_time_and_are_few():
    inputs = (await ranked(uneven())).inputs
    data = encode(inputs)
    assert encode(decode(data)) == data == encode(inputs)
    assert len(data) < 2_000


async def test_two_policies_on_one_input():
    first = await ranked(uneven(), policy="v2")
    mine = pick_of(first.ranking)
    assert mine.resource_ids == ("bo",)
    found = compared(first.inputs, "v2", "v1", picked=mine)
    assert found.reproduced
    assert found.feasible
    assert not found.same_pick
    assert found.other.resource_ids == ("ada",)
    assert found.reason == "RESOURCE:priority"
    assert found.score_difference > 0
    assert Comparison.of_json(json.loads(json.dumps(found.as_json()))) == found
    same = compared(first.inputs, "v2", "v2", picked=mine)
    assert same.same_pick
    assert (same.reason, same.score_difference) == ("", 0)
    # Somebody else's pick is not what it picked.
    other = replace(mine, resource_ids=("ada",))
    assert not compared(first.inputs, "v2", "v1", picked=other).reproduced


async def test_free_is_what_the_inputs_say():
    inputs = (await ranked(team())).inputs
    assert is_free(inputs, Pick(("ada",), START, 0))
    assert not is_free(inputs, Pick(("bo",), START, 0))
    assert not is_free(inputs, Pick(("ada",), START + 1, 0))
    assert not is_free(inputs, Pick(("ada", "bo"), START, 0))
    assert is_free(inputs, Pick(("ada", "bo"), START + 1440, 0))


def paired(count, **changes):
    pick = Pick(("ada",), START, 90)
    plain = Comparison(pick, pick, True, True, 0, "", "", 1.0, 1.5)
    return [
        Compared(moment_of(START), "", replace(plain, **changes), committed=True)
        for _ in range(count)
    ]


@pytest.mark.parametrize(
    ("compared", "why_not"),
    [
        (paired(PAIRS_LEAST), ""),
        (paired(PAIRS_LEAST, other=Pick(("bo",), START, 80), reason="RESOURCE:fairness"), ""),
        (paired(PAIRS_LEAST - 1), "fewer"),
        (paired(PAIRS_LEAST) + paired(1, feasible=False), "1 of its picks were not free"),
        (paired(PAIRS_LEAST) + paired(2, other=None), "found nobody 2 times"),
        (paired(PAIRS_LEAST) + paired(1, reproduced=False), "1 decisions cannot be reproduced"),
        (paired(PAIRS_LEAST, other_ms=8.0), "at the 99th percentile"),
        ([], "fewer"),
    ],
)
def test_what_is_safe_to_promote(compared, why_not):
    found = verdict("v2", "v1", compared)
    assert found.safe == (not why_not)
    assert why_not in "; ".join(found.objections)
    assert found.decisions == len(compared)
    assert found.sentence


def test_places_are_named_alike_however_a_plan_is_ordered():
    assert place(("b", "a"), 5) == place(("a", "b"), 5) == "a,b@5"
