"""Filters, preferences and sentences, by example."""

from datetime import UTC, datetime
from fractions import Fraction
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from fairslot.type.v1 import type_pb2
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.matching.domain import Month, Question, Rejection, Resource, floor_minute
from services.matching.rules.facts import DayFacts, SlotFacts
from services.matching.rules.fairness import TOLERANCE_PERCENT, Share
from services.matching.rules.filters import FILTERS, Asked, failures, refusals
from services.matching.rules.policies import POLICIES, policy_named
from services.matching.rules.preferences import SPARE_SKILLS
from services.matching.rules.sentences import (
    Story,
    earliest_clause,
    fairness_clause,
    nothing_sentence,
    sentence,
    slot_text,
    spare_skills_clause,
)

small = st.integers(0, 40)


def facts(**changes: int) -> DayFacts:
    plain = {
        "is_person": True,
        "given_after": 3,
        "offered": 20,
        "fairest_given_after": 3,
        "fairest_offered": 20,
        "bookings": 0,
        "priority_rank": 0,
        "priority_levels": 1,
        "party_size": 0,
        "capacity_max": 0,
    }
    return DayFacts(**{**plain, **changes})


def points(policy: str, rule: str, of) -> int:
    chosen = policy_named(policy)
    found = next(one for one in (*chosen.by_day, *chosen.by_slot) if one.name == rule)
    assert found.applies(of)
    return found.points(found.weight, of)


def test_every_reason_belongs_to_exactly_one_filter():
    codes = set(dict(type_pb2.Obstacle.Code.items())) - {"CODE_UNSPECIFIED"}
    named = [reason for rule in FILTERS for reason in rule.reasons]
    assert sorted(named) == sorted(codes)
    assert all(rule.sentence.endswith(".") for rule in FILTERS)
    assert len({rule.name for rule in FILTERS}) == len(FILTERS)


def asked(**changes) -> Asked:
    return Asked(Question("course", **changes), window_start=100, window_end=400, duration=60)


@pytest.mark.parametrize(
    ("question", "resource", "reasons"),
    [
        ({}, {}, ()),
        ({"party_size": 4}, {"capacity_max": 4}, ()),
        ({"party_size": 5}, {"capacity_max": 4}, ("PARTY_TOO_LARGE",)),
        ({"party_size": 500}, {"capacity_max": 0}, ()),
        ({"zone": "bar"}, {"zone": "bar"}, ()),
        ({"zone": "bar", "party_size": 3}, {"capacity_max": 2}, ("WRONG_ZONE", "PARTY_TOO_LARGE")),
    ],
)
def test_matching_checks_again_what_it_knows(question, resource, reasons):
    assert refusals(asked(**question), Resource("r", **resource)) == reasons


@pytest.mark.parametrize(("start", "fits"), [(99, False), (100, True), (340, True), (341, False)])
def test_a_slot_lies_whole_in_the_window(start, fits):
    assert all(rule.fits(asked(), start) for rule in FILTERS) == fits
    column = np.array([start], dtype=np.int64)
    assert all(bool(rule.fits(asked(), column)[0]) for rule in FILTERS) == fits


def test_the_first_filter_that_fails_counts():
    rejections = [
        Rejection("a", ("BUSY", "NOT_QUALIFIED")),
        Rejection("b", ("BUSY",)),
        Rejection("c", ("HELD", "EXTERNAL_BUSY")),
    ]
    assert nothing_sentence(failures(rejections)) == (
        "There is no candidate: 1 is without a required skill, 2 are taken."
    )


@pytest.mark.parametrize(
    ("spare", "given_", "said"),
    [
        (0, 20, "No other choice has fewer skills."),
        (1, 13, "1 skill more than another choice has."),
        (2, 6, "2 skills more than another choice has."),
        (3, 0, "3 skills more than another choice has."),
        (9, 0, "9 skills more than another choice has."),
    ],
)
def test_who_can_do_more_than_others_stays_free_for_it(spare, given_, said):
    of = facts(spare_skills=spare, skills_differ=True)
    assert points("v2", "spare_skills", of) == given_
    assert sentence(spare_skills_clause(of)) == said
    assert not SPARE_SKILLS.applies(facts(spare_skills=0))


@settings(deadline=None)
@given(small, small, small, small)
@example(20, 100, 24, 100)  # exactly 20 % above
@example(20, 100, 16, 100)  # exactly 20 % below
@example(20, 100, 25, 100)
@example(3, 7, 0, 1)
def test_tolerance_is_exact(offered, others, given_, given_others):
    share = Share(offered, offered + others, given_, given_ + given_others)
    if offered + others == 0 or given_ + given_others == 0:
        assert share.within_tolerance
        assert share.gap_tenths == 0
        return
    target = Fraction(offered, offered + others)
    actual = Fraction(given_, given_ + given_others)
    assert share.within_tolerance == (abs(actual - target) <= target * TOLERANCE_PERCENT / 100)
    assert abs(Fraction(share.gap_tenths, 1000) - (actual - target)) <= Fraction(1, 2000)
    assert share.with_more(0) == share


def test_the_tolerance_is_inclusive_at_both_ends():
    assert Share(20, 100, 24, 100).within_tolerance
    assert Share(20, 100, 16, 100).within_tolerance
    assert not Share(20, 100, 25, 100).within_tolerance
    assert not Share(20, 100, 15, 100).within_tolerance
    # Floats see 0.12 - 0.1 as a little more than a fifth of 0.1.
    assert Share(10, 100, 12, 100).within_tolerance


def test_fairness_points_fall_with_the_square_of_the_lead():
    assert points("v2", "fairness", facts()) == 50
    assert points("v2", "fairness", facts(given_after=6)) == 12
    assert points("v2", "fairness", facts(offered=10)) == 12
    assert points("v2", "fairness", facts(offered=0)) == 0
    nobody = facts(offered=0, fairest_given_after=0, fairest_offered=0)
    assert points("v2", "fairness", nobody) == 50


def test_load_fit_priority_and_earliest_points():
    assert [points("v2", "load", facts(bookings=n)) for n in (0, 1, 2, 19, 20)] == [20, 10, 6, 1, 0]
    seats = [points("v2", "fit", facts(party_size=2, capacity_max=n)) for n in (2, 3, 4, 100)]
    assert seats == [50, 33, 25, 1]
    ranks = [points("v2", "priority", facts(priority_rank=n, priority_levels=3)) for n in range(3)]
    assert ranks == [5, 2, 0]
    waits = [points("v2", "earliest", SlotFacts(wait=n, room=100)) for n in (0, 1, 99, 100)]
    assert waits == [10, 9, 0, 0]


def test_what_is_unknown_does_not_apply():
    policy = policy_named("v2")
    by_name = {rule.name: rule for rule in (*policy.by_day, *policy.by_slot)}
    assert not by_name["fairness"].applies(facts(is_person=False))
    assert not by_name["fit"].applies(facts(party_size=2))
    assert not by_name["fit"].applies(facts(capacity_max=2))
    assert not by_name["priority"].applies(facts(priority_levels=1))
    assert not by_name["earliest"].applies(SlotFacts(wait=0, room=0))


@settings(deadline=None)
@given(small, small, st.integers(0, 3), st.integers(0, 3))
def test_v1_puts_priority_above_any_load(bookings, other_bookings, rank, other_rank):
    def total(count, level):
        of = facts(bookings=count, priority_rank=level, priority_levels=4)
        return points("v1", "priority", of) + points("v1", "load", of)

    here, there = (rank, bookings), (other_rank, other_bookings)
    assert (here < there) == (total(bookings, rank) > total(other_bookings, other_rank))


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_no_rule_gives_more_than_its_most(policy):
    for rule in policy.by_day:
        for count in (0, 1, 7, 200):
            of = facts(bookings=count, given_after=3 + count, party_size=2, capacity_max=2 + count)
            assert 0 <= rule.points(rule.weight, of) <= rule.most(rule.weight, of)
    assert len({rule.name for rule in (*policy.by_day, *policy.by_slot)}) == len(
        (*policy.by_day, *policy.by_slot)
    )


def story(share: Share, added: int = 1) -> Story:
    return Story(Resource("ada"), share, added, Month(2027, 3))


def test_fairness_is_said_with_its_numbers():
    assert fairness_clause(story(Share(10, 100, 3, 41))) == (
        "a fair share is 10.0 %; March 2027 gave 3 of 41 days (gap -2.7 points), "
        "with this it is 4 of 42 (gap -0.5 points, within the tolerance of 20 %)"
    )
    assert fairness_clause(story(Share(10, 100, 1, 1))) == (
        "a fair share is 10.0 %; March 2027 gave 1 of 1 day (gap +90.0 points), "
        "with this it is 2 of 2 (gap +90.0 points, outside the tolerance of 20 %)"
    )
    assert fairness_clause(story(Share(10, 100, 4, 40), added=0)).endswith(
        "gave 4 of 40 days (gap 0.0 points), which stays so, as that day is worked already"
    )
    assert "nobody offers" in fairness_clause(story(Share(0, 0, 0, 5)))
    assert "nothing is given in March 2027 yet" in fairness_clause(story(Share(1, 9, 0, 0)))


def minute(*parts: int) -> int:
    return floor_minute(datetime(*parts, tzinfo=UTC))


@pytest.mark.parametrize(
    ("start", "length", "said"),
    [
        (minute(2027, 3, 1, 8), 60, "Monday 1 March 2027, 09:00 to 10:00 (Europe/Berlin)"),
        (
            minute(2027, 3, 1, 21),
            480,
            "Monday 1 March 2027, 22:00 to Tuesday 2 March 2027 06:00 (Europe/Berlin)",
        ),
        # The clocks show 02:30 twice that night.
        (
            minute(2027, 10, 31, 1, 30),
            60,
            "Sunday 31 October 2027, 02:30 UTC+01:00 to 03:30 (Europe/Berlin)",
        ),
        (
            minute(2027, 10, 31, 0, 30),
            60,
            "Sunday 31 October 2027, 02:30 UTC+02:00 to 02:30 UTC+01:00 (Europe/Berlin)",
        ),
    ],
)
def test_a_slot_is_said_by_local_clocks(start, length, said):
    assert slot_text(start, start + length, ZoneInfo("Europe/Berlin"), "Europe/Berlin") == said


def test_a_wait_is_said_in_days_hours_and_minutes():
    assert earliest_clause(SlotFacts(wait=0, room=9)) == "the first start of the window"
    assert earliest_clause(SlotFacts(wait=1501, room=9000)) == (
        "starts 1 day 1 hour 1 minute into the window"
    )
