"""What the engine asks of the two other contexts, and how it answers where little is left."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from kit.fault import Invalid
from services.matching.domain import Question, Rejection, Window, moment_of
from services.matching.tests.team import START, rank, team
from services.matching.tests.worlds import World, at, table


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
    assert calls.names == ["slots", "slots"]
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


async def test_no_candidates_wanted_still_counts_them():
    ranking, _ = await rank(team(), limit=0)
    assert ranking.candidates == ()
    assert ranking.result.startswith("There are 3 candidates, best first; the best is Ada")


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
