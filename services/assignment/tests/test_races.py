"""Races for time: exactly one wins, nobody deadlocks, nothing is left half done."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from datetime import timedelta

import pytest

from services.assignment.tests.books import (
    HOUR,
    allocation_id,
    deadlocks,
    reason,
    slot,
    violations,
)

RACERS = 32
LONG = pytest.mark.soak


@pytest.mark.parametrize("rounds", [40, pytest.param(1000, marks=LONG)])
async def test_of_32_racers_for_one_slot_one_wins(books, ledger_database, rounds):
    took: list[float] = []

    async def racer(at):
        began = time.perf_counter()
        outcome = await books.hold("r1", at=at)
        took.append(time.perf_counter() - began)
        return outcome

    for number in range(rounds):
        at = slot(number * 2)
        outcomes = await asyncio.gather(*(racer(at) for _ in range(RACERS)))
        assert Counter(map(reason, outcomes)) == {"OK": 1, "SLOT_TAKEN": RACERS - 1}
        winner = next(o.allocation for o in outcomes if o.allocation)
        loser = next(o.refusal for o in outcomes if o.refusal)
        assert loser.metadata["assignment_id"] == winner.id
        assert loser.metadata["resource_id"] == "r1"
    p99 = sorted(took)[len(took) * 99 // 100] * 1000
    print(f"{rounds} races of {RACERS}, one winner each, p99 {p99:.0f} ms")
    assert violations(ledger_database.admin_url) == {}
    assert deadlocks(ledger_database.admin_url) == 0


@pytest.mark.parametrize("turns", [30, pytest.param(1000, marks=LONG)])
async def test_plans_of_several_resources_in_any_order_are_taken_whole(
    books, ledger_database, turns
):
    rng = random.Random(4)
    resources = [f"r{n}" for n in range(8)]

    async def racer(seed: int) -> Counter:
        own = random.Random(seed)
        seen, mine = Counter(), []
        for _ in range(turns):
            # What is taken is given back, or nothing would be left to take.
            if mine and own.random() < 0.5:
                seen[reason(await books.cancel(mine.pop()))] += 1
            plan = own.sample(resources, own.randint(1, 4))
            # Few starts, overlapping by halves: most plans meet another.
            at = slot(own.randrange(12) / 2)
            outcome = await books.assign(*plan, at=at)
            seen[reason(outcome)] += 1
            if outcome.allocation:
                mine.append(outcome.allocation.id)
        return seen

    total = sum(await asyncio.gather(*(racer(rng.random()) for _ in range(16))), Counter())
    print(f"{total.total()} writes of 16 clients: {dict(total)}")
    assert set(total) == {"OK", "SLOT_TAKEN"}
    assert violations(ledger_database.admin_url) == {}
    assert deadlocks(ledger_database.admin_url) == 0


async def test_dead_holds_in_the_way_of_each_other_close_no_circle(books, ledger_database):
    """Requests whose dead holds lie where the others want to go, over shared resources."""
    for number in range(15):
        at = slot(number * 2)
        plans = [("r1", "r2"), ("r3", "r4"), ("r5", "r6")]
        requests = [await books.request() for _ in plans]
        for request, plan in zip(requests, plans, strict=True):
            assert reason(await books.hold(*plan, at=at, request=request, ttl=0.03)) == "OK"
        await asyncio.sleep(0.05)
        wanted = [("r2", "r3"), ("r4", "r5"), ("r6", "r1")]
        outcomes = await asyncio.gather(
            *(
                books.hold(*plan, at=at, request=request)
                for request, plan in zip(requests, wanted, strict=True)
            )
        )
        assert [reason(outcome) for outcome in outcomes] == ["OK"] * 3
    assert violations(ledger_database.admin_url) == {}
    assert deadlocks(ledger_database.admin_url) == 0


@pytest.mark.parametrize("rounds", [60, pytest.param(2000, marks=LONG)])
async def test_a_hold_ends_in_one_way_however_many_pull_at_it(books, ledger_database, rounds):
    rng = random.Random(7)
    ends = Counter()
    for number in range(rounds):
        request = await books.request()
        ttl = rng.choice((0.004, 0.02, 60.0))
        # A place of its own, inside the window of its request.
        mine, at = f"r{number % 8}", slot(number // 8 * 2)
        held = allocation_id(await books.hold(mine, at=at, request=request, ttl=ttl))
        await asyncio.sleep(rng.random() * 0.01)
        confirmed, released, cancelled, taken, closed = await asyncio.gather(
            books.confirm(held),
            books.release(held),
            books.cancel(held),
            books.hold(mine, at=at),
            books.cancel_request(request),
        )
        found = await books.reads.allocation("acme", held)
        state = found.outcome.allocation.state.value
        ends[state] += 1
        if reason(confirmed) == "OK":
            assert state in ("ASSIGNED", "CANCELLED")
        else:
            assert state in ("RELEASED", "EXPIRED")
            assert reason(confirmed) in ("HOLD_EXPIRED", "HOLD_ALREADY_RELEASED")
        assert (reason(released) == "OK") == (state in ("RELEASED", "EXPIRED"))
        if reason(cancelled) == "OK":
            assert state == "CANCELLED"
        if state == "ASSIGNED":
            assert reason(closed) == "REQUEST_NOT_OPEN"
        if reason(taken) == "OK":
            assert state in ("RELEASED", "EXPIRED", "CANCELLED")
    print(f"{rounds} holds ended: {dict(ends)}")
    assert len(ends) >= 2, ends
    assert violations(ledger_database.admin_url) == {}
    assert deadlocks(ledger_database.admin_url) == 0


@pytest.mark.parametrize("turns", [15, pytest.param(1000, marks=LONG)])
@pytest.mark.timeout(1800)
async def test_assignments_that_swap_and_are_pulled_at_end_in_one_way(
    books, ledger_database, turns
):
    rng, seen = random.Random(11), Counter()
    resources = [f"r{n}" for n in range(5)]
    names = []
    for number in range(6):
        request = await books.request()
        names.append(
            allocation_id(
                await books.assign(resources[number % 5], at=slot(3 * number), request=request)
            )
        )
    for _ in range(turns):
        # Whoever books meanwhile gets what is free at that moment, and only that.
        works = [books.hold(rng.choice(resources), at=slot(rng.randrange(12) / 2), ttl=0.01)]
        for name in rng.sample(names, 4):
            plan = rng.sample(resources, rng.randint(1, 3))
            works.append(books.reassign(name, *plan, at=slot(rng.randrange(12) / 2)))
            works.append(books.reassign(name, *plan[:1], at=slot(rng.randrange(12) / 2)))
        seen.update(map(reason, await asyncio.gather(*works)))
        assert set(seen) <= {"OK", "SLOT_TAKEN"}
    print(f"{turns} turns of moves and holds at once: {dict(seen)}")
    for name in names:
        moved, cancelled, completed = await asyncio.gather(
            books.reassign(name, rng.choice(resources), at=slot(rng.randrange(12))),
            books.cancel(name),
            books.complete(name),
        )
        found = await books.reads.allocation("acme", name)
        state = found.outcome.allocation.state.value
        assert (reason(cancelled) == "OK") == (state == "CANCELLED")
        assert (reason(completed) == "OK") == (state == "COMPLETED")
        assert reason(moved) in ("OK", "SLOT_TAKEN", "ASSIGNMENT_NOT_ACTIVE")
    assert violations(ledger_database.admin_url) == {}
    assert deadlocks(ledger_database.admin_url) == 0


async def test_k_free_resources_allow_k_holds_to_whoever_asks_for_any(books, ledger_database):
    units = [f"table-{n}" for n in range(5)]
    for number in range(10):
        at = slot(number * 2)
        assert reason(await books.assign("table-2", at=at)) == "OK"
        outcomes = await asyncio.gather(
            *(books.hold(*units, at=at, any_of=True) for _ in range(20))
        )
        taken = [o.allocation.resource_ids for o in outcomes if o.allocation]
        assert sorted(taken) == [("table-0",), ("table-1",), ("table-3",), ("table-4",)]
        assert Counter(map(reason, outcomes))["SLOT_TAKEN"] == 16
    assert violations(ledger_database.admin_url) == {}
    assert deadlocks(ledger_database.admin_url) == 0


async def test_any_takes_the_best_that_is_free(books):
    units = ("best", "good", "last")
    order = [await books.hold(*units, any_of=True) for _ in range(4)]
    assert [o.allocation.resource_ids[0] for o in order[:3]] == list(units)
    assert reason(order[3]) == "SLOT_TAKEN"


async def test_one_request_gets_one_assignment_however_many_serve_it(books, ledger_database):
    for number in range(10):
        request = await books.request()
        outcomes = await asyncio.gather(
            *(
                books.assign(
                    f"r{n}", at=slot(n + 30 * number), request=request, reason=f"planner {n}"
                )
                for n in range(16)
            ),
            *(books.hold(f"h{n}", at=slot(n + 30 * number), request=request) for n in range(8)),
        )
        assert await books.state_of(request) in ("ASSIGNED", "HELD")
        won = [o.allocation for o in outcomes if o.allocation]
        lost = Counter(map(reason, outcomes))
        assert set(lost) <= {"OK", "REQUEST_NOT_OPEN"}
        live = [a for a in won if await _live(books, a.id)]
        assert len(live) == 1
    assert violations(ledger_database.admin_url) == {}
    assert deadlocks(ledger_database.admin_url) == 0


async def _live(books, name: str) -> bool:
    found = await books.reads.allocation("acme", name)
    return found.outcome.allocation.state.value in ("HELD", "ASSIGNED")


async def test_neighbours_fit_when_their_buffers_do(books):
    quarter = timedelta(minutes=15)
    assert reason(await books.hold("r1", at=slot(0), buffer=quarter)) == "OK"
    assert reason(await books.hold("r1", at=slot(1), buffer=quarter)) == "SLOT_TAKEN"
    assert reason(await books.hold("r1", at=slot(1.25), buffer=quarter)) == "SLOT_TAKEN"
    assert reason(await books.hold("r1", at=slot(1.5), buffer=quarter)) == "OK"


async def test_a_long_one_that_began_before_is_seen(books):
    assert reason(await books.hold("r1", at=slot(0, length=30 * HOUR))) == "OK"
    assert reason(await books.hold("r1", at=slot(29))) == "SLOT_TAKEN"
    assert reason(await books.hold("r1", at=slot(-2, length=40 * HOUR))) == "SLOT_TAKEN"
