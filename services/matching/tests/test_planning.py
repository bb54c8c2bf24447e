"""Batches end to end: questions asked once, conflicts planned again, work in other processes."""

import asyncio
import os
from dataclasses import dataclass, field, replace

import pytest

from kit.fault import Broken, Conflict, Refused, Unavailable
from services.matching.domain import Question, Window, moment_of
from services.matching.engine.batch import BatchCall, Batches, Committed, Moving, Outcome, Tally
from services.matching.engine.batch.grouping import together
from services.matching.engine.batch.planning import newest
from services.matching.engine.pool import Done, open_pool
from services.matching.tests.team import START, team
from services.matching.tests.worlds import WorldAssignment, WorldAvailability

DAY = 1440


@dataclass
class Book:
    """A ledger that refuses what the test wants refused, and remembers the rest."""

    refusals: dict[str, list[Exception]] = field(default_factory=dict)
    made: dict[str, tuple[str | int, ...]] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)

    async def assign(self, booking_request_id, candidate, *, reason, key):
        self.keys.append(key)
        assert reason.startswith("Planned together with others. ")
        if self.refusals.get(booking_request_id):
            raise self.refusals[booking_request_id].pop()
        self.made[booking_request_id] = (*candidate.resource_ids, candidate.start)
        return Committed(f"a-{booking_request_id}", "")


@dataclass
class Wants:
    """Booking requests by id."""

    world: object
    windows: dict[str, tuple[int, int]]
    # What is asked beside the window, by request.
    more: dict[str, dict[str, object]] = field(default_factory=dict)

    def __post_init__(self):
        self.work = WorldAssignment(self.world)
        self.workload = self.work.workload

    async def question_of(self, booking_request_id):
        low, high = self.windows[booking_request_id]
        window = Window(moment_of(low), moment_of(high))
        more = self.more.get(booking_request_id, {})
        return replace(self.world.question, window=window, **more)


async def planned(world, windows, book=None, *, more=None, travel=None, kept=None, **asked):
    availability = WorldAvailability(world)
    book = book or Book()

    async def keep(places):
        if kept is not None:
            kept.extend(places)

    async with open_pool(1) as pool:
        batches = Batches(
            availability=availability,
            assignment=Wants(world, windows, more or {}),
            ledger=book,
            pool=pool,
            workers=1,
            travel=travel,
            keep=keep,
            new_key=lambda: "key",
        )
        call = BatchCall(booking_request_ids=tuple(windows), **asked)
        said = [one async for one in batches.plan(call)]
    outcomes = {one.booking_request_id: one for one in said if isinstance(one, Outcome)}
    assert isinstance(said[-1], Tally)
    assert any(isinstance(one, Moving) for one in said)
    return outcomes, said[-1], book, availability.calls


WEEK = (START, START + 7 * DAY)


async def test_all_are_served_where_one_after_the_other_would_fail():
    # q1 could take either day, but q2 only the first, on which ada alone is free.
    outcomes, tally, _, calls = await planned(team(), {"q1": WEEK, "q2": (START, START + 60)})
    assert outcomes["q2"].candidate.resource_ids == ("ada",)
    assert outcomes["q1"].candidate.start == START + DAY
    assert tally.first.served == tally.first.served_bound == 2
    assert tally.first.optimal
    # Both were asked for together.
    assert calls.names.count("slots") == 1
    assert "Fairness" in outcomes["q1"].candidate.explanation


async def test_neighbours_keep_their_buffers():
    world = team(free={START: frozenset({"ada"}), START + 60: frozenset({"ada"})}, buffers=(0, 15))
    outcomes, tally, _, _ = await planned(world, {"q1": WEEK, "q2": WEEK})
    assert tally.first.served == tally.first.served_bound == 1
    (left,) = [one for one in outcomes.values() if one.candidate is None]
    assert "no plan serves more than 1" in left.reason
    outcomes, tally, _, _ = await planned(replace(world, buffers=(0, 0)), {"q1": WEEK, "q2": WEEK})
    assert tally.first.served == 2


async def test_nobody_free_is_a_reason():
    outcomes, tally, _, _ = await planned(team(), {"q1": (START + 300, START + 600)})
    assert outcomes["q1"].candidate is None
    assert "Nobody" in outcomes["q1"].reason
    assert tally.first.served_bound == 0


async def test_conflicts_are_planned_again_and_final_refusals_are_not():
    book = Book(
        {
            "q1": [Conflict("SLOT_TAKEN", "taken")],
            "q2": [Refused("REQUEST_NOT_OPEN", "it is assigned already")],
        }
    )
    windows = {"q1": WEEK, "q2": WEEK, "q3": WEEK}
    outcomes, tally, _, calls = await planned(team(), windows, book, apply=True, key="k")
    assert (tally.rounds, tally.conflicts) == (2, 1)
    assert set(book.made) == {"q1", "q3"}
    assert outcomes["q1"].assignment_id == "a-q1"
    assert outcomes["q2"].refused
    assert outcomes["q2"].reason == "it is assigned already"
    assert calls.names.count("slots") == 2
    assert sorted(book.keys) == ["k/1/q1", "k/1/q2", "k/1/q3", "k/2/q1"]


async def test_conflicts_do_not_go_on_for_ever():
    book = Book({"q1": [Conflict("SLOT_TAKEN", "taken")] * 99})
    outcomes, tally, _, _ = await planned(team(), {"q1": WEEK}, book, apply=True)
    assert tally.rounds == 4
    assert outcomes["q1"].refused


async def test_without_apply_nothing_is_committed():
    outcomes, _, book, _ = await planned(team(), {"q1": WEEK})
    assert not book.keys
    assert outcomes["q1"].candidate is not None


def test_windows_far_apart_are_asked_apart():
    ask = Question("course")

    def window(day, days=1):
        return Window(moment_of(START + day * DAY), moment_of(START + (day + days) * DAY))

    questions = {
        "a": replace(ask, window=window(0)),
        "b": replace(ask, window=window(20)),
        "c": replace(ask, window=window(100)),
        "d": replace(ask, window=window(0), party_size=4),
        "e": ask,
        "f": replace(ask, window=window(101, days=90)),
    }
    groups = {
        tuple(sorted(one.booking_request_id for one in members)): question
        for question, members in together(questions)
    }
    assert set(groups) == {("a", "b"), ("c",), ("d",), ("e",), ("f",)}
    assert groups["a", "b"].window == Window(moment_of(START), moment_of(START + 21 * DAY))


def test_freshness_of_several_writes():
    assert newest(["", ""]) == ""
    assert newest(["eyJhIjoxfQ", "eyJhIjozLCJiIjoyfQ"]) == "eyJhIjozLCJiIjoyfQ"


def count_up(job, tell):
    for number in range(job):
        tell(number)
    return os.getpid()


def fall_over(job, tell):
    raise ValueError(job)


def die(job, tell):
    os._exit(3)


def hang(job, tell):
    tell("begun")
    while True:
        pass


async def test_a_process_does_job_after_job_and_outlives_a_failure():
    async with open_pool(1) as pool:
        first = [said async for said in pool.run(count_up, 2)]
        assert first[:2] == [0, 1]
        assert isinstance(first[2], Done)
        with pytest.raises(Broken, match="ValueError"):
            _ = [said async for said in pool.run(fall_over, "no")]
        again = [said async for said in pool.run(count_up, 0)]
        assert again == [first[2]]
        with pytest.raises(Unavailable):
            _ = [said async for said in pool.run(die, None)]
        assert [said async for said in pool.run(count_up, 0)] != again


async def test_a_job_nobody_waits_for_is_ended():
    async with open_pool(1) as pool:
        run = pool.run(hang, None)
        assert await anext(run) == "begun"
        await run.aclose()
        async with asyncio.timeout(30):
            assert len([said async for said in pool.run(count_up, 1)]) == 2
