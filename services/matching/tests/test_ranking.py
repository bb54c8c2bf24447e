"""The engine's ranking equals the obvious slow one, whatever the world and the order of inputs."""

from datetime import date, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.matching.domain import Month, Resource, date_of, day_of, moment_of
from services.matching.engine import Engine, RankCall
from services.matching.rules.sentences import Story, fairness_clause
from services.matching.servicer import ranking_message
from services.matching.tests import oracle
from services.matching.tests.worlds import (
    World,
    WorldAssignment,
    WorldAvailability,
    WorldCustomers,
    at,
)

# Around month edges and clock changes: (zone, a moment nearby).
EDGES = (
    ("Europe/Berlin", "2027-03-27T12:00"),
    ("America/New_York", "2024-10-31T20:00"),
    ("Australia/Lord_Howe", "2024-04-06T10:00"),
    ("America/Sao_Paulo", "2018-11-03T12:00"),
    ("Africa/Cairo", "2024-10-31T10:00"),
    ("Antarctica/Troll", "2024-03-30T12:00"),
    ("Pacific/Apia", "2011-12-29T12:00"),
    ("America/Havana", "2024-10-31T12:00"),
    ("Asia/Kolkata", "2027-01-31T17:00"),
    ("UTC", "2027-12-31T23:00"),
)
# The machine may be busy with other things.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
NAMES = ("ada", "bo", "cy", "di", "ed", "flo")


@st.composite
def worlds(draw) -> World:
    zone, near = draw(st.sampled_from(EDGES))
    low = at(near) + 15 * draw(st.integers(-96, 96))
    duration = draw(st.sampled_from((15, 60, 90, 480, 1440, 2900)))
    span = draw(st.sampled_from((0, 60, 1440, 5 * 1440, 35 * 1440)))
    window = (low, low + duration + span)
    resources = tuple(
        Resource(
            id=name,
            is_person=draw(st.booleans()),
            priority=draw(st.integers(-1, 2)),
            capacity_max=draw(st.sampled_from((0, 2, 4, 7))),
            zone=draw(st.sampled_from(("hall", "bar"))),
            skill_count=draw(st.integers(1, 5)),
        )
        for name in NAMES[: draw(st.integers(1, len(NAMES)))]
    )
    names = [one.id for one in resources]
    starts = draw(st.lists(st.integers(0, span // 15), min_size=0, max_size=8, unique=True))
    free = {
        low + 15 * step: frozenset(draw(st.sets(st.sampled_from(names), min_size=1)))
        for step in starts
    }
    middle = day_of(date.fromisoformat(near[:10]))
    cells = st.tuples(st.sampled_from(names), st.integers(middle - 32, middle + 36).map(date_of))
    world = World(
        zone=zone,
        window=window,
        duration=duration,
        resources=resources,
        free=free,
        bookings=draw(
            st.dictionaries(cells, st.sampled_from((1, 2, 3, 6, 7, 120, 130)), max_size=40)
        ),
        party_size=draw(st.sampled_from((0, 0, 2, 3, 9))),
        asked_zone=draw(st.sampled_from(("", "", "bar"))),
        customer_hash=draw(st.sampled_from(("", "c1"))),
        familiar=draw(st.dictionaries(st.sampled_from(NAMES), st.integers(1, 3), max_size=3)),
    )
    offers = st.sampled_from((0, 1, 5, 11, 20, 21))
    offered = {(name, month): draw(offers) for name in names for month in world.months()}
    return World(**{**world.__dict__, "offered": offered})


async def ranked(world: World, *, random: Random | None = None, **asked):
    engine = Engine(
        availability=WorldAvailability(world, random=random),
        assignment=WorldAssignment(world, random=random),
        customers=WorldCustomers(world),
    )
    return await engine.rank(RankCall(question=world.question, **asked))


@pytest.mark.parametrize("policy", ["v1", "v2"])
@given(world=worlds(), limit=st.integers(1, 60))
@settings(UNHURRIED, max_examples=150)
async def test_ranking_equals_the_oracle(policy, world, limit):
    ranking = await ranked(world, policy=policy, limit=limit)
    found = [
        (one.resource_ids[0], one.start, tuple((t.rule, t.points, t.max_points) for t in one.terms))
        for one in ranking.candidates
    ]
    assert found == [tuple(one) for one in oracle.rank(world, policy)][:limit]
    assert all(one.explanation and one.terms for one in ranking.candidates)
    assert all(0 <= one.match_percent <= 100 for one in ranking.candidates)


@given(world=worlds())
@settings(UNHURRIED, max_examples=150)
async def test_the_forecast_is_what_fairness_would_say(world):
    names = {one.id: one for one in world.resources}
    for one in (await ranked(world, limit=60)).candidates:
        (name,) = one.resource_ids
        if not names[name].is_person:
            assert "fair share" not in one.explanation
            continue
        share, added = oracle.forecast(world, one.start, name)
        day = moment_of(one.start).astimezone(ZoneInfo(world.zone))
        story = Story(names[name], share, added, Month(day.year, day.month))
        assert one.explanation.endswith(f"Fairness: {fairness_clause(story)}.")


@pytest.mark.parametrize("policy", ["v1", "v2"])
@given(world=worlds(), seed=st.integers(0, 2**32), limit=st.integers(1, 60))
@settings(UNHURRIED, max_examples=75)
async def test_the_order_of_inputs_changes_no_byte(policy, world, seed, limit):
    plain = ranking_message(await ranked(world, policy=policy, limit=limit))
    mixed = ranking_message(await ranked(world, policy=policy, limit=limit, random=Random(seed)))
    assert plain.SerializeToString() == mixed.SerializeToString()


async def test_a_shorter_list_is_the_start_of_a_longer_one():
    day = at("2027-03-01T08:00")
    names = [f"r{i:02}" for i in range(40)]
    world = World(
        window=(day, day + 30 * 1440),
        resources=tuple(
            Resource(id=name, is_person=True, priority=i % 3) for i, name in enumerate(names)
        ),
        free={day + 60 * i: frozenset(names[i % 7 :: 2]) for i in range(200)},
        offered={(name, Month(2027, month)): 20 for name in names for month in (3, 4)},
        bookings={
            (name, date(2027, 3, 1) + timedelta(days=i % 9)): 1 for i, name in enumerate(names)
        },
    )
    whole = (await ranked(world, limit=1000)).candidates
    for limit in (1, 2, 10, 999):
        assert (await ranked(world, limit=limit)).candidates == whole[:limit]
