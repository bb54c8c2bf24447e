"""Fairness as the engine sees it: in the report, in the ranking, and in what it foretells."""

from dataclasses import replace
from datetime import date

from services.matching.domain import Month, Window, moment_of
from services.matching.tests.team import START, fair, rank, team
from services.matching.tests.worlds import at, dates, person, table


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
    assert (ada.delivered, ada.committed) == (2, 2)
    assert (bo.delivered, bo.committed) == (0, 1)
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
