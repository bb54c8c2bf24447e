"""What the engine asks of the two other contexts, and how it answers where little is left."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from kit.fault import Invalid
from services.matching.domain import Month, Question, Rejection, Window, moment_of
from services.matching.engine import Engine, FairnessCall, RankCall
from services.matching.tests.worlds import (
    Calls,
    World,
    WorldAssignment,
    WorldAvailability,
    at,
    dates,
    person,
    table,
)

START = at("2027-03-01T08:00")


def team(**changes) -> World:
    plain = World(
        window=(START, START + 30 * 1440),
        resources=(person("ada"), person("bo"), table("t1", 4)),
        free={START: frozenset({"ada"}), START + 1440: frozenset({"ada", "bo"})},
        offered={
            (name, month): 20
            for name in ("ada", "bo")
            for month in (Month(2027, 3), Month(2027, 4))
        },
    )
    return replace(plain, **changes)


async def rank(world: World, **asked):
    calls = Calls()
    engine = Engine(
        availability=WorldAvailability(world, calls), assignment=WorldAssignment(world, calls)
    )
    if "booking_request_id" not in asked:
        asked.setdefault("question", world.question)
    return await engine.rank(RankCall(**asked)), calls


@pytest.mark.parametrize(
    ("zone", "day", "window"),
    [
        ("Europe/Berlin", "2027-03-31T21:00", ("2027-02-28T23:00", "2027-03-31T22:00")),
        ("Europe/Berlin", "2027-03-31T22:00", ("2027-03-31T22:00", "2027-04-30T22:00")),
        ("America/New_York", "2027-03-01T04:59", ("2027-02-01T05:00", "2027-03-01T05:00")),
        ("America/New_York", "2027-03-01T05:00", ("2027-03-01T05:00", "2027-04-01T04:00")),
        ("Asia/Kolkata", "2027-02-28T18:30", ("2027-02-28T18:30", "2027-03-31T18:30")),
        ("Pacific/Apia", "2011-12-29T12:00", ("2011-12-01T10:00", "2011-12-31T10:00")),
    ],
)
async def test_fairness_asks_for_the_whole_local_month_of_the_start(zone, day, window):
    start = at(day)
    world = team(
        zone=zone, window=(start, start + 60), free={start: frozenset({"ada", "t1"})}, offered={}
    )
    ranking, calls = await rank(world)
    assert len(ranking.candidates) == 2
    ((asked, asked_zone, names),) = calls.workloads
    assert (asked.start, asked.end) == tuple(moment_of(at(edge)) for edge in window)
    assert asked_zone == zone
    # Whom fairness compares is asked at the same time, so the work of everybody is.
    assert names == ()
    assert [name for _, _, name in calls.offers] == [()]


async def test_load_alone_asks_for_the_days_of_the_slots():
    for asked, free in (({"policy": "v1"}, {"ada"}), ({}, {"t1"})):
        _, calls = await rank(team(free={START: frozenset(free)}), **asked)
        ((window, _, names),) = calls.workloads
        assert window == Window(
            moment_of(at("2027-02-28T23:00")), moment_of(at("2027-03-01T23:00"))
        )
        assert names == tuple(free)


async def test_what_is_asked_of_each_side():
    _, calls = await rank(team())
    assert calls.names == ["slots", "workload", "offers"]
    _, calls = await rank(team(), policy="v1")
    assert calls.names == ["slots", "workload"]
    _, calls = await rank(team(free={START: frozenset({"t1"})}))
    assert calls.names == ["slots", "workload"]
    _, calls = await rank(team(), booking_request_id="q1")
    assert calls.names == ["question_of", "slots", "workload", "offers"]
    days = [START, START + 40 * 1440]
    world = team(free={day: frozenset({"ada"}) for day in days}, window=(START, days[-1] + 60))
    _, calls = await rank(replace(world, required_skills=("go", "sql", "go")))
    assert calls.offers == [
        (month, skill, ()) for month in ("2027-03", "2027-04") for skill in ("go", "sql")
    ]


async def test_what_was_asked_reaches_availability():
    moment = datetime(2027, 1, 1, tzinfo=UTC)
    _, calls = await rank(
        team(),
        question=Question("course", party_size=0, resource_ids=("ada", "bo"), zone=""),
        resource_ids=("bo",),
        max_rejections=7,
        at_least_as_fresh="token",
        as_if_now=moment,
    )
    asked = calls.slots[0]
    assert asked["question"].resource_ids == ("bo",)
    assert asked["question"].window == Window(None, None)
    assert asked["max_rejections"] == 7
    assert asked["at_least_as_fresh"] == "token"
    assert asked["as_if_now"] == moment


async def test_one_slot_takes_the_place_of_the_window():
    start = moment_of(START + 1440)
    ranking, calls = await rank(team(), booking_request_id="q1", slot=Window(start))
    assert calls.names == ["question_of", "duration", "slots", "workload", "offers"]
    assert {one.start for one in ranking.candidates} == {START + 1440}
    # Nothing is earlier than the only start, so nothing is said of it.
    assert {term.rule for one in ranking.candidates for term in one.terms} == {
        "fairness",
        "load",
        "priority",
    }
    longer = Window(moment_of(START), moment_of(START + 2 * 1440))
    ranking, calls = await rank(team(), slot=longer)
    assert calls.names == ["slots", "workload", "offers"]
    assert {one.start for one in ranking.candidates} == {START}


@pytest.mark.parametrize(
    "slot", [Window(), Window(datetime(2027, 3, 1, 8, 0, 30, tzinfo=UTC))], ids=["open", "seconds"]
)
async def test_a_slot_starts_on_a_whole_minute(slot):
    with pytest.raises(Invalid) as refused:
        await rank(team(), slot=slot)
    assert refused.value.violations[0][0] == "slot.start_time"


async def test_an_unknown_policy_is_refused_by_name():
    with pytest.raises(Invalid) as refused:
        await rank(team(), policy="v9")
    assert refused.value.violations[0][0] == "policy"
    assert "v1, v2" in refused.value.message


async def test_nobody_is_an_answer_with_reasons():
    world = team(
        free={},
        rejections=(Rejection("bo", ("TIME_OFF",)), Rejection("ada", ("BUSY", "NOT_QUALIFIED"))),
    )
    ranking, calls = await rank(world)
    assert calls.names == ["slots"]
    assert ranking.candidates == ()
    assert [one.resource_id for one in ranking.rejections] == ["ada", "bo"]
    assert ranking.rejections[0].reasons == ("BUSY", "NOT_QUALIFIED")
    assert ranking.rejected_count == 2
    assert ranking.result == (
        "There is no candidate: 1 is without a required skill, 1 is not at work in the window."
    )
    ranking, _ = await rank(world, max_rejections=1)
    assert (len(ranking.rejections), ranking.rejected_count) == (1, 2)
    assert ranking.result == "There is no candidate. Nothing is free."


async def test_what_fails_matching_s_own_check_is_rejected():
    world = team(
        free={START: frozenset({"t1", "ada"})},
        party_size=9,
        rejections=(Rejection("bo", ("BUSY",)),),
    )
    ranking, _ = await rank(world)
    assert [one.resource_ids for one in ranking.candidates] == [("ada",)]
    assert [(one.resource_id, one.reasons) for one in ranking.rejections] == [
        ("bo", ("BUSY",)),
        ("t1", ("PARTY_TOO_LARGE",)),
    ]
    assert ranking.rejected_count == 2


async def test_the_only_candidate_is_explained_as_such():
    ranking, _ = await rank(team(free={START: frozenset({"ada"})}))
    (only,) = ranking.candidates
    assert only.explanation == (
        "Ada, Monday 1 March 2027, 09:00 to 10:00 (Europe/Berlin): the only candidate; "
        "no other booking that day; the first start of the window. "
        "Fairness: nothing is given in March 2027 yet, so this is its first day."
    )
    assert only.match_percent == 100
    ranking, _ = await rank(team())
    assert not any("only candidate" in one.explanation for one in ranking.candidates)


async def test_fairness_compares_all_who_could_do_the_work():
    """Naming one resource narrows the choice, not whom it is compared with."""
    march = Month(2027, 3)
    world = team(
        resources=(person("ada"), person("bo"), person("cy"), table("t1", 4)),
        offered={("ada", march): 10, ("bo", march): 30, ("cy", march): 60, ("t1", march): 31},
        bookings={("ada", date(2027, 3, 2)): 1, ("bo", date(2027, 3, 2)): 3}
        | {("cy", day): 1 for day in dates("2027-03-01", 7)}
        | {("t1", day): 9 for day in dates("2027-03-01", 9)},
        free={START: frozenset({"ada"})},
        required_skills=("go", "sql"),
        able={"go": frozenset({"ada", "bo"}), "sql": frozenset({"ada", "bo", "cy"})},
    )
    for asked in ({}, {"resource_ids": ("ada",)}):
        explanation = (await rank(world, **asked))[0].candidates[0].explanation
        assert "a fair share is 25.0 %; March 2027 gave 1 of 2 days (gap +25.0" in explanation
        assert ("the only candidate" in explanation) == (not asked)
    world = replace(world, required_skills=())
    explanation = (await rank(world))[0].candidates[0].explanation
    assert "a fair share is 10.0 %; March 2027 gave 1 of 9 days (gap +1.1" in explanation


async def test_a_candidate_belongs_to_the_people_compared_even_if_read_too_late():
    world = team(
        free={START: frozenset({"ada"})},
        able={"go": frozenset({"bo"})},
        required_skills=("go",),
        bookings={("bo", date(2027, 3, 2)): 1},
    )
    explanation = (await rank(world))[0].candidates[0].explanation
    assert "a fair share is 50.0 %; March 2027 gave 0 of 1 day (gap -50.0" in explanation


async def test_no_candidates_wanted_still_counts_them():
    ranking, _ = await rank(team(), limit=0)
    assert ranking.candidates == ()
    assert ranking.result.startswith("There are 3 candidates, best first; the best is Ada")


async def test_a_batch_does_not_pile_on_one_person():
    """Commits the best choice again and again: committed days count at once."""
    days = [START + 1440 * i for i in range(20)]
    world = team(
        free={day: frozenset({"ada", "bo"}) for day in days}, window=(START, days[-1] + 60)
    )
    given = {"ada": 0, "bo": 0}
    for _ in range(20):
        best = (await rank(world, limit=1))[0].candidates[0]
        (name,) = best.resource_ids
        given[name] += 1
        day = moment_of(best.start).date()
        world = replace(
            world,
            bookings={**world.bookings, (name, day): 1},
            free={start: names for start, names in world.free.items() if start != best.start},
        )
    assert given == {"ada": 10, "bo": 10}


async def test_who_offers_more_is_given_more():
    days = [START + 1440 * i for i in range(30)]
    world = team(
        free={day: frozenset({"ada", "bo"}) for day in days},
        window=(START, days[-1] + 60),
        offered={("ada", Month(2027, 3)): 20, ("bo", Month(2027, 3)): 10},
    )
    given = {"ada": 0, "bo": 0}
    for day in days:
        slot = Window(moment_of(day), moment_of(day + 60))
        (name,) = (await rank(world, limit=1, slot=slot))[0].candidates[0].resource_ids
        given[name] += 1
        world = replace(world, bookings={**world.bookings, (name, moment_of(day).date()): 1})
    assert given == {"ada": 20, "bo": 10}


async def test_ties_fall_by_start_priority_bookings_and_id():
    later = START + 60
    world = World(
        window=(START, START + 60 * 1440),
        resources=tuple(
            table(name, 0, priority=priority)
            for name, priority in (("d", 0), ("a", 0), ("b", 0), ("c", 1))
        ),
        free={START: frozenset("dabc"), later: frozenset("ab")},
        # 20 // 7, 20 // 8 and 20 // 9 are all 2 points.
        bookings={
            (name, date(2027, 3, 1)): n for name, n in (("d", 6), ("a", 7), ("b", 7), ("c", 8))
        },
    )
    ranking, _ = await rank(world)
    order = [(one.resource_ids[0], one.start) for one in ranking.candidates]
    assert order == [
        ("d", START),
        ("a", START),
        ("b", START),
        ("a", later),
        ("b", later),
        ("c", START),
    ]


async def test_a_day_that_never_was_is_not_worked():
    # Samoa went from 29 December 2011 straight to the 31st.
    start = at("2011-12-29T20:00")
    world = team(
        zone="Pacific/Apia",
        window=(start, start + 4 * 1440),
        duration=1500,
        free={start: frozenset({"ada", "bo"})},
        offered={(name, Month(2011, 12)): 10 for name in ("ada", "bo")},
        bookings={("bo", date(2011, 12, 5)): 1},
    )
    ada = (await rank(world))[0].candidates[0]
    assert "gave 0 of 1 day (gap -50.0 points), with this it is 2 of 3 " in ada.explanation


async def fair(world: World, month: Month, **asked):
    calls = Calls()
    engine = Engine(
        availability=WorldAvailability(world, calls), assignment=WorldAssignment(world, calls)
    )
    return await engine.fairness(FairnessCall(month=month, **asked)), calls


async def test_fairness_counts_delivered_and_committed_apart():
    march = Month(2027, 3)
    days = dates("2027-02-27", 6)
    world = team(
        bookings={("ada", day): 2 for day in days}
        | {("bo", date(2027, 3, 31)): 1, ("t1", days[3]): 5},
        delivered=frozenset({("ada", day) for day in days[:4]}),
        offered={("ada", march): 15, ("bo", march): 5},
    )
    found, calls = await fair(world, march)
    assert [one.resource_id for one in found.rows] == ["ada", "bo"]
    ada, bo = found.rows
    # 27 and 28 February belong to February.
    assert (ada.delivered_days, ada.committed_days) == (2, 2)
    assert (bo.delivered_days, bo.committed_days) == (0, 1)
    assert (ada.share.given, ada.share.given_all) == (4, 5)
    assert (ada.share.offered, ada.share.offered_all) == (15, 20)
    assert ada.share.within_tolerance
    assert bo.share.within_tolerance  # 1/5 against 1/4: exactly 20 % below
    assert calls.workloads[0][2] == ("ada", "bo")
    assert (str(found.month), found.time_zone, found.tolerance_percent) == (
        "2027-03",
        "Europe/Berlin",
        20,
    )


async def test_nobody_and_nothing_have_no_gap():
    found, calls = await fair(team(resources=(table("t1", 2),)), Month(2027, 3))
    assert found.rows == ()
    assert calls.names == ["offers"]
    for changes in ({"offered": {}}, {"bookings": {}}):
        found, _ = await fair(team(**changes), Month(2027, 3))
        assert all(one.share.within_tolerance for one in found.rows)
        assert all(one.share.gap_tenths == 0 for one in found.rows)


async def test_people_named_are_compared_with_each_other():
    found, _ = await fair(team(), Month(2027, 3), resource_ids=("ada",))
    assert [one.share.offered_all for one in found.rows] == [20]
