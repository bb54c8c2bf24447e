"""Keys: one execution, one answer, for ever the same."""

from __future__ import annotations

import asyncio
import time

import psycopg
import pytest

from kit import call as kit_call
from kit.fault import Conflict, Exhausted, Invalid
from services.assignment.domain import Candidate, Refusal
from services.assignment.store.upkeep import empty_ring
from services.assignment.tests.books import (
    allocation_id,
    key,
    open_books,
    reason,
    slot,
    violations,
)


def plain(outcome):
    """What was answered, apart from whether it was answered before."""
    return (outcome.allocation, outcome.request, dict(outcome.generations), outcome.refusal)


@pytest.mark.parametrize("rounds", [1, pytest.param(100, marks=pytest.mark.soak)])
async def test_the_same_key_a_hundred_times_at_once_is_one_execution(ledger_database, rounds):
    took: list[float] = []
    async with open_books(ledger_database.url, size=40) as books:

        async def once(write, number: int):
            began = time.perf_counter()
            outcome = await books.hold("r1", at=slot(number * 2), write=write)
            took.append(time.perf_counter() - began)
            return outcome

        for number in range(rounds):
            write = key("PlaceHold", f"once {number}")
            outcomes = await asyncio.gather(*(once(write, number) for _ in range(100)))
            assert len({repr(plain(outcome)) for outcome in outcomes}) == 1
            assert sum(not outcome.replayed for outcome in outcomes) == 1
            assert reason(outcomes[0]) == "OK"
    print(f"{rounds} keys a hundred times: p99 {sorted(took)[len(took) * 99 // 100] * 1000:.0f} ms")
    assert violations(ledger_database.admin_url) == {}
    with psycopg.connect(ledger_database.admin_url) as admin:
        assert admin.execute("SELECT count(*) FROM assignment.allocation").fetchone() == (rounds,)


async def test_a_key_used_for_another_payload_is_refused(books):
    await books.hold("r1", write=key("PlaceHold", "k", payload="this"))
    with pytest.raises(Invalid) as raised:
        await books.hold("r2", write=key("PlaceHold", "k", payload="that"))
    assert raised.value.reason == "IDEMPOTENCY_KEY_REUSED"


async def test_keys_of_other_callers_methods_and_tenants_are_other_keys(books):
    first = await books.hold("r1", at=slot(0), write=key("PlaceHold", "k"))
    bob = await books.hold("r1", at=slot(2), write=key("PlaceHold", "k", actor="bob"))
    method = await books.assign("r1", at=slot(4), write=key("Assign", "k"))
    tenant = await books.hold("r1", at=slot(0), write=key("PlaceHold", "k", tenant="globex"))
    assert len({allocation_id(o) for o in (first, bob, method, tenant)}) == 4


async def test_an_answer_stays_though_the_world_moves_on(books):
    request = await books.request()
    place, confirm, cancel = key("PlaceHold"), key("ConfirmHold"), key("CancelAssignment")
    held = await books.hold("r1", request=request, write=place)
    name = allocation_id(held)
    taken_key = key("PlaceHold")
    taken = await books.hold("r1", write=taken_key)
    confirmed = await books.confirm(name, write=confirm)
    again = await books.confirm(name)
    assert again.allocation == confirmed.allocation
    cancelled = await books.cancel(name, write=cancel)
    # The time is free now, and somebody else takes it.
    assert reason(await books.assign("r1")) == "OK"
    assert plain(await books.hold("r1", request=request, write=place)) == plain(held)
    assert plain(await books.confirm(name, write=confirm)) == plain(confirmed)
    assert plain(await books.cancel(name, write=cancel)) == plain(cancelled)
    # A refusal never turns into a booking, even where the time is free again.
    assert plain(await books.hold("r1", write=taken_key)) == plain(taken)
    assert reason(taken) == "SLOT_TAKEN"


async def test_every_definitive_refusal_is_stored(books):
    request = await books.request()
    held = allocation_id(await books.hold("r1", request=request))
    calls = {
        "NOT_FOUND": lambda k: books.cancel("nowhere", write=k),
        "HOLD_ALREADY_RELEASED": lambda k: books.confirm(held, write=k),
    }
    await books.release(held)
    for expected, call in calls.items():
        write = key("Some", expected)
        assert reason(await call(write)) == expected
        repeated = await call(write)
        assert reason(repeated) == expected
        assert repeated.replayed
    stale = key("CancelAssignment")
    assigned = allocation_id(await books.assign("r1"))
    assert reason(await books.cancel(assigned, version=7, write=stale)) == "STALE_ETAG"
    assert reason(await books.cancel(assigned, version=1)) == "OK"
    assert reason(await books.cancel(assigned, version=7, write=stale)) == "STALE_ETAG"


async def test_a_refusal_decided_outside_is_stored_unless_the_key_was_answered(books):
    write = key("PlaceHold")
    first = await books.ledger.settle(write, Refusal("NOT_AVAILABLE", {"obstacles": "TIME_OFF"}))
    second = await books.ledger.settle(write, Refusal("NOT_QUALIFIED"))
    assert first.refusal == second.refusal == Refusal("NOT_AVAILABLE", {"obstacles": "TIME_OFF"})
    done = key("PlaceHold")
    held = await books.hold("r1", write=done)
    assert plain(await books.ledger.settle(done, Refusal("NOT_AVAILABLE"))) == plain(held)
    assert await books.ledger.stored(key("PlaceHold")) is None


async def test_alternatives_are_stored_once_and_are_free_in_the_ledger(books):
    def candidate(name: str, hours: float = 0.0) -> Candidate:
        return Candidate((name,), slot(hours), 80, f"{name} would do")

    await books.assign("r1")
    await books.assign("r2")
    write = key("PlaceHold")
    assert reason(await books.hold("r1", write=write)) == "SLOT_TAKEN"
    offered = (
        candidate("r1"),
        candidate("r2"),
        candidate("r3"),
        candidate("r1", 3),
        candidate("r4"),
    )
    reach = slot(0).end - slot(0.75).start
    stored = await books.ledger.attach_alternatives(
        write, offered, limit=2, before=reach, after=reach
    )
    assert stored == (candidate("r3"), candidate("r1", 3))
    again = await books.ledger.attach_alternatives(
        write, (candidate("r4"),), limit=2, before=reach, after=reach
    )
    assert again == stored
    assert (await books.hold("r1", write=write)).refusal.alternatives == stored


async def test_a_key_in_flight_is_waited_for_until_the_deadline(books, ledger_database):
    write = key("PlaceHold", "slow")
    with psycopg.connect(ledger_database.admin_url) as blocker:
        await books.hold("r1", at=slot(20))
        blocker.execute("SELECT FROM assignment.resource FOR UPDATE")
        first = asyncio.create_task(books.hold("r1", write=write))
        await asyncio.sleep(0.1)
        token = kit_call.current.set(
            kit_call.Call(
                method="", request_id="", deadline_at=asyncio.get_running_loop().time() + 0.3
            )
        )
        with pytest.raises(Conflict) as raised:
            await books.hold("r1", write=write)
        kit_call.current.reset(token)
        assert raised.value.reason == "REQUEST_IN_PROGRESS"
        blocker.rollback()
    assert reason(await first) == "OK"
    assert (await books.hold("r1", write=write)).replayed


async def test_too_many_holds_is_exact_under_races_and_not_stored(books):
    writes = [key("PlaceHold") for _ in range(24)]

    async def one(number: int, write) -> str:
        try:
            return reason(await books.hold(f"r{number}", customer="c1", budget=3, write=write))
        except Exhausted as refused:
            return refused.reason

    answers = await asyncio.gather(*(one(n, write) for n, write in enumerate(writes)))
    assert answers.count("OK") == 3
    assert answers.count("TOO_MANY_HOLDS") == 21
    held = await books.ledger.stored(writes[answers.index("OK")])
    await books.release(allocation_id(held))
    refused = answers.index("TOO_MANY_HOLDS")
    assert await one(refused, writes[refused]) == "OK"
    assert reason(await books.hold("r99", customer="c2", budget=3)) == "OK"


async def test_keys_are_forgotten_after_three_days_and_not_before(books, ledger_database):
    write = key("PlaceHold", "old")
    await books.hold("r1", write=write)
    with psycopg.connect(ledger_database.admin_url, autocommit=True) as admin:
        today, tomorrow = admin.execute(
            "SELECT assignment.ring_of(clock_timestamp()), assignment.ring_to_empty()"
        ).fetchone()
        assert (today + 1) % 5 == tomorrow
        for age in range(5):
            row = "INSERT INTO assignment.idem SELECT tenant_id, principal, method, %s, %s,"
            admin.execute(
                row + " request_hash, outcome, alternatives, created_at - make_interval(days => %s)"
                " FROM assignment.idem WHERE key = 'old'",
                (f"age {age}", (today - age) % 5, age),
            )
    async with await psycopg.AsyncConnection.connect(
        ledger_database.worker_url, autocommit=True
    ) as worker:
        await empty_ring(worker)
        await empty_ring(worker)
    kept = [age for age in range(5) if await books.ledger.stored(key("PlaceHold", f"age {age}"))]
    assert kept == [0, 1, 2, 3]
    assert (await books.hold("r1", write=write)).replayed
