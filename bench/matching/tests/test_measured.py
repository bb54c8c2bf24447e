"""What the table of matching stands on: plans that break nothing, bounds that bound."""

from dataclasses import replace

import pytest

from bench.matching import talks as conference
from bench.matching import technicians as field
from bench.matching.bound import bounded, room
from bench.matching.plain import picked_by_cp_sat, scored
from bench.matching.playing import Player, play
from bench.matching.team import SEED, Story, story
from bench.matching.year import Year, months, question_of, span
from bench.matching.yearly import YEARS
from services.matching.engine import RankCall
from services.matching.engine.ranking import rank
from services.matching.rules.fairness import Share

needs_talks = pytest.mark.skipif(
    not conference.DATA.exists(), reason=f"{conference.DATA} is not there"
)
needs_technicians = pytest.mark.skipif(not field.FILE.exists(), reason=f"{field.FILE} is not there")


def spring() -> Story:
    """The first four months of the year."""
    whole = story()
    last = months()[3].end_day
    return replace(
        whole, wanted=tuple(one for one in whole.wanted if one.end.toordinal() - 719163 < last)
    )


def test_a_year_is_the_same_every_time_and_legal():
    one = play(spring(), "v2")
    assert one.given == play(spring(), "v2").given
    wanted = {each.number: each for each in one.story.wanted}
    trainers = {each.name: each for each in one.story.trainers}
    assert len(set(one.given.values())) == len(one.given) > 200
    for number, (name, day) in one.given.items():
        assert wanted[number].topic in trainers[name].topics
        assert day in trainers[name].offered
        assert (name, day) not in one.story.sick
        assert wanted[number].first <= day


def test_no_month_is_better_than_its_bound_and_v2_is_fairer_than_v1():
    fair, old = play(spring(), "v2"), play(spring(), "v1")
    march = months()[2]
    found = bounded(fair, march)
    assert found.within <= found.most <= found.people
    assert bounded(old, march).within < found.within


def test_the_room_of_a_share_is_what_tolerance_allows():
    assert room(Share(20, 100, 0, 50)) == (8, 12)
    # A target of 0.7 days: neither none nor one is within a fifth of it.
    low, high = room(Share(2, 200, 0, 70))
    assert low > high


async def test_the_plain_scorer_ranks_as_the_engine_does():
    player = Player(spring())
    await player.play(policy="v2")
    year: Year = player.year
    for one in year.story.wanted[100:140:5]:
        call = RankCall(question=question_of(one, one.known), limit=20)
        ranked = await rank(call, year, player)
        theirs = scored(ranked.inputs)
        ours = [
            (sum(term.points for term in each.terms), each.start, each.resource_ids[0])
            for each in ranked.ranking.candidates
        ]
        assert ours == theirs[: len(ours)]
        assert picked_by_cp_sat(theirs) == theirs[0]


@needs_talks
async def test_every_talk_has_a_room_of_its_own():
    found = conference.talks()
    saturday = min(one.start.date() for one in found)
    one_day = [one for one in found if one.start.date() == saturday]
    places, _ = await conference.placed(one_day)
    assert len(places) == len(one_day) > 400
    assert conference.overlaps(places) == 0
    clash = {"a": ("h1", 0, 10), "b": ("h1", 9, 12), "c": ("h2", 9, 12)}
    assert conference.overlaps(clash) == 1


@needs_technicians
def test_a_technicians_day_breaks_no_rule():
    day = field.days()[0]
    first = field.insert_all(day, {}, list(day.requests))
    assert field.broken(day, first) == 0
    best = field.planned(day, {name: route for name, route in first.items() if route})
    assert field.broken(day, best) == 0
    (served, way), (greedy_served, greedy_way) = field.worth(day, best), field.worth(day, first)
    assert (served, -way) >= (greedy_served, -greedy_way)
    # A broken plan is seen.
    home = day.technicians[0]
    unable = next(one for one in day.requests if not field.able(home, one))
    assert field.broken(day, {home.id: (unable,)}) > 0


@pytest.mark.soak
@pytest.mark.parametrize("weekly_seconds", [0.0, 0.5], ids=["at once", "weekly"])
def test_a_year_is_fair_wherever_it_can_be(weekly_seconds):
    played = play(story(), "v2", weekly_seconds=weekly_seconds)
    found = [bounded(played, month) for month in months()]
    assert sum(one.within for one in found) >= 0.95 * sum(one.most for one in found)
    assert len({day for month in months() for day in span(month)}) == 365


@pytest.mark.soak
def test_other_years_are_fair_too():
    within = people = 0
    for seed in range(SEED + 1, SEED + YEARS):
        shares = play(story(seed), "v2").shares()
        within += sum(share.within_tolerance for share in shares.values())
        people += len(shares)
    # Of everybody, feasible or not.
    assert within >= 0.95 * people
