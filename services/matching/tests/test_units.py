"""Fairness in days or hours, from a cutover on, within a tolerance: by hand and by fractions."""

from datetime import date
from fractions import Fraction
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.call import Call, Caller, current
from services.matching.domain import Month, Window, day_of, day_start, moment_of
from services.matching.engine import Engine, FairnessCall, Offer, Offers, RankCall, Workload
from services.matching.engine.fairness import fairness
from services.matching.rules.fairness import Share
from services.matching.rules.policies import policy_named
from services.matching.rules.settings import Settings, Unit, wrong_weights
from services.matching.tests.team import START, team
from services.matching.tests.worlds import (
    WorldAssignment,
    WorldAvailability,
    at,
    person,
)

MARCH = Month(2027, 3)
HOURS = Settings(unit=Unit.HOURS)


class Ledger:
    """Answers with a workload as it is given."""

    def __init__(self, *entries: tuple[str, date, int, int, bool, int]) -> None:
        names = sorted({one[0] for one in entries})
        self.asked: list[Window] = []
        self.found = Workload(
            resource_ids=tuple(names),
            indexes=np.array([names.index(one[0]) for one in entries], dtype=np.int64),
            days=np.array([day_of(one[1]) for one in entries], dtype=np.int64),
            bookings=np.array([one[2] for one in entries], dtype=np.int64),
            minutes=np.array([one[3] for one in entries], dtype=np.int64),
            delivered=np.array([one[4] for one in entries], dtype=np.bool_),
            legacy=np.array([one[5] for one in entries], dtype=np.int64),
        )

    async def workload(self, window, *, time_zone, resource_ids):
        self.asked.append(window)
        return self.found


class Offering:
    """Offers so many days and minutes per person."""

    def __init__(self, zone="Europe/Berlin", **offers: tuple[int, int]) -> None:
        self.zone, self.offers_, self.since = zone, offers, []

    async def offers(self, month, *, skill, resource_ids, at_least_as_fresh, since=None):
        self.since.append(since)
        return Offers(
            tuple(Offer(person(name), *offer) for name, offer in self.offers_.items()), self.zone
        )


async def report(offering, ledger, wanted=None):
    found = await fairness(FairnessCall(month=MARCH), offering, ledger, wanted or Settings())
    return {one.resource_id: one for one in found.rows}


async def test_hours_count_minutes_and_legacy_counts_nothing():
    ledger = Ledger(
        ("ada", date(2027, 3, 2), 2, 480, True, 0),
        ("ada", date(2027, 3, 3), 1, 240, False, 0),
        # Half of the day's bookings were taken over from elsewhere.
        ("bo", date(2027, 3, 2), 2, 480, True, 1),
        ("bo", date(2027, 3, 4), 1, 480, True, 1),
    )
    offering = Offering(ada=(10, 4800), bo=(5, 2400))
    rows = await report(offering, ledger, HOURS)
    assert (rows["ada"].delivered, rows["ada"].committed) == (480, 240)
    assert (rows["bo"].delivered, rows["bo"].committed) == (240, 0)
    assert (rows["ada"].share.offered, rows["ada"].share.offered_all) == (4800, 7200)
    assert (rows["ada"].share.given, rows["ada"].share.given_all) == (720, 960)
    rows = await report(offering, ledger)
    # In days, the day of legacy records alone is no day.
    assert (rows["ada"].delivered, rows["ada"].committed) == (1, 1)
    assert rows["bo"].delivered == 1


async def test_days_before_the_cutover_do_not_count():
    ledger = Ledger(
        ("ada", date(2027, 3, 9), 1, 60, True, 0),
        ("ada", date(2027, 3, 10), 1, 60, True, 0),
        ("bo", date(2027, 3, 11), 1, 60, False, 0),
    )
    offering = Offering(ada=(10, 600), bo=(10, 600))
    rows = await report(offering, ledger, Settings(cutover=date(2027, 3, 10)))
    assert offering.since == [date(2027, 3, 10)]
    assert {name: row.share.given for name, row in rows.items()} == {"ada": 1, "bo": 1}


async def test_the_tolerance_is_the_tenants_and_inclusive():
    ledger = Ledger(
        *(("ada", date(2027, 3, day), 1, 60, True, 0) for day in range(1, 7)),
        *(("bo", date(2027, 3, day), 1, 60, True, 0) for day in range(1, 5)),
    )
    offering = Offering(ada=(10, 600), bo=(10, 600))
    # 6 of 10 where half would be fair: a fifth of the target too much.
    assert all(row.share.within_tolerance for row in (await report(offering, ledger)).values())
    rows = await report(offering, ledger, Settings(tolerance_percent=19))
    assert not any(row.share.within_tolerance for row in rows.values())


@given(
    offered=st.lists(st.integers(0, 31), min_size=1, max_size=6),
    given_=st.lists(st.integers(0, 31), min_size=6, max_size=6),
    tolerance=st.integers(0, 100),
)
@settings(max_examples=300, deadline=None)
def test_whole_numbers_decide_as_fractions_do(offered, given_, tolerance):
    given_ = given_[: len(offered)]
    for mine, got in zip(offered, given_, strict=True):
        share = Share(mine, sum(offered), got, sum(given_), tolerance)
        if not sum(offered) or not sum(given_):
            assert share.within_tolerance
            continue
        target = Fraction(mine, sum(offered))
        gap = abs(Fraction(got, sum(given_)) - target)
        assert share.within_tolerance == (gap <= Fraction(tolerance, 100) * target)


@pytest.mark.parametrize(
    ("zone", "first", "end"),
    [
        ("Europe/Berlin", "2027-02-28T23:00", "2027-03-31T22:00"),
        ("America/New_York", "2027-03-01T05:00", "2027-04-01T04:00"),
        ("Australia/Lord_Howe", "2027-02-28T13:00", "2027-03-31T13:00"),
        ("Asia/Kolkata", "2027-02-28T18:30", "2027-03-31T18:30"),
        ("Pacific/Apia", "2027-02-28T11:00", "2027-03-31T11:00"),
        ("America/Sao_Paulo", "2027-03-01T03:00", "2027-04-01T03:00"),
    ],
)
async def test_a_month_runs_between_local_midnights(zone, first, end):
    ledger = Ledger(
        ("ada", date(2027, 2, 28), 1, 60, True, 0),
        ("ada", date(2027, 3, 1), 1, 60, True, 0),
        ("ada", date(2027, 3, 31), 1, 60, True, 0),
        ("ada", date(2027, 4, 1), 1, 60, True, 0),
    )
    rows = await report(Offering(zone, ada=(20, 1200)), ledger)
    assert rows["ada"].delivered == 2
    assert ledger.asked == [Window(moment_of(at(first)), moment_of(at(end)))]
    assert day_start(MARCH.first_day, ZoneInfo(zone)) == at(first)


async def foretold(wanted: Settings, **changes) -> str:
    world = team(**changes)
    engine = Engine(
        availability=WorldAvailability(world),
        assignment=WorldAssignment(world),
        settings=Kept(wanted),
    )
    mark = current.set(Call("test", "", caller=Caller("demo", "t", frozenset(), "")))
    try:
        ranking = await engine.rank(RankCall(question=world.question))
    finally:
        current.reset(mark)
    return ranking.candidates[0].explanation


class Kept:
    """Settings that are always the same."""

    def __init__(self, wanted: Settings) -> None:
        self.wanted = wanted

    async def of(self, tenant):
        return self.wanted


async def test_the_forecast_speaks_in_the_tenants_units():
    bookings = {("bo", date(2027, 3, 2)): 1}
    said = await foretold(Settings(tolerance_percent=50), bookings=bookings)
    assert "the tolerance of 50 %" in said
    said = await foretold(Settings(cutover=date(2027, 3, 3)), bookings=bookings)
    assert "nothing is given in March 2027 yet" in said
    world = team(free={START: frozenset({"ada"})})
    offers = Offering(ada=(20, 6000), bo=(20, 6000))
    ledger = Ledger(("bo", date(2027, 3, 2), 1, 60, True, 0))
    availability = WorldAvailability(world)
    availability.offers = offers.offers
    engine = Engine(availability=availability, assignment=ledger, settings=Kept(HOURS))
    mark = current.set(Call("test", "", caller=Caller("demo", "t", frozenset(), "")))
    ranking = await engine.rank(RankCall(question=world.question))
    current.reset(mark)
    assert "gave 0.0 of 1.0 hours" in ranking.candidates[0].explanation
    assert "with this it is 1.0 of 2.0 (gap 0.0 points, within" in ranking.candidates[0].explanation


def test_weights_are_validated_and_change_only_the_policy_that_may():
    assert wrong_weights({"fairness": 10, "fit": 0}) == ()
    assert wrong_weights({"luck": 1})[0][0] == "luck"
    assert wrong_weights({"load": 1001}) == (("load", "must be from 0 to 1000"),)
    everything = dict.fromkeys(policy_named("v2").weights(), 0)
    assert wrong_weights(everything)[0][1] == "some preference must weigh something"
    weighed = policy_named("v2").weighed({"fairness": 7, "earliest": 0})
    assert weighed.weights()["fairness"] == 7
    assert "earliest" not in weighed.weights()
    assert policy_named("v1").weighed({"load": 1}) is policy_named("v1")
