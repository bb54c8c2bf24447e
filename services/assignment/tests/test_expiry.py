"""Expiry: by the database's clock, at the microsecond, whoever looks first."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import UTC, datetime

import psycopg
import pytest

from services.assignment.store.upkeep import Upkeep, sweep
from services.assignment.tests.books import (
    SECRET_HASH,
    allocation_id,
    deadlocks,
    key,
    open_books,
    reason,
    slot,
    violations,
)

LATE = """
    SELECT a.allocation_id, a.assigned_at - a.hold_expires_at FROM assignment.allocation a
    WHERE a.assigned_at >= a.hold_expires_at"""
EARLY = """
    SELECT o.aggregate FROM assignment.outbox o
    JOIN assignment.allocation a ON a.allocation_id = o.aggregate
    WHERE o.payload ->> 'state' = 'EXPIRED'
      AND (o.payload ->> 'at')::timestamptz < a.hold_expires_at"""


@pytest.mark.parametrize("rounds", [40, pytest.param(334, marks=pytest.mark.soak)])
async def test_confirms_around_the_end_behind_locks_are_never_late(books, ledger_database, rounds):
    """Each waits behind a lock that is let go within 5 ms of the hold's end, before or after."""
    lanes, ttl = 6, 0.06
    ended = Counter()

    async def lane(number: int) -> None:
        rng = random.Random(number)
        resource = f"r{number}"
        async with await psycopg.AsyncConnection.connect(ledger_database.admin_url) as blocker:
            for turn in range(rounds):
                held = await books.hold(resource, at=slot(turn * 2), ttl=ttl)
                await blocker.execute(
                    "SELECT FROM assignment.resource WHERE resource_id = %s FOR UPDATE",
                    (resource,),
                )
                confirming = asyncio.create_task(books.confirm(allocation_id(held)))
                left = held.allocation.expires_at - datetime.now(UTC)
                await asyncio.sleep(left.total_seconds() + rng.uniform(-0.007, 0.003))
                await blocker.rollback()
                ended[reason(await confirming)] += 1

    await asyncio.gather(*(lane(number) for number in range(lanes)))
    with psycopg.connect(ledger_database.admin_url) as admin:
        assert admin.execute(LATE).fetchall() == []
        assert admin.execute(EARLY).fetchall() == []
    print(f"{ended.total()} confirms around the end of their holds: {dict(ended)}")
    # Both sides of the limit were met.
    assert set(ended) == {"OK", "HOLD_EXPIRED"}, ended
    assert violations(ledger_database.admin_url) == {}


async def test_at_the_very_end_it_is_over(books, ledger_database):
    held = allocation_id(await books.hold("r1", ttl=60))
    with psycopg.connect(ledger_database.admin_url, autocommit=True) as admin:
        # Over by less than anybody could measure between two statements.
        admin.execute(
            "UPDATE assignment.allocation SET hold_expires_at = clock_timestamp()"
            " WHERE allocation_id = %s",
            (held,),
        )
    assert reason(await books.confirm(held)) == "HOLD_EXPIRED"
    assert reason(await books.hold("r1")) == "OK"


async def test_a_dead_hold_gives_way_to_whoever_comes_and_is_told(books, ledger_database):
    request = await books.request()
    dead = allocation_id(await books.hold("r1", "r2", "r3", request=request, ttl=0.02))
    await asyncio.sleep(0.03)
    assert await books.state_of(request) == "OPEN"
    assert reason(await books.hold("r2")) == "OK"
    found = await books.reads.allocation("acme", dead)
    assert found.outcome.allocation.state == "EXPIRED"
    assert reason(await books.confirm(dead)) == "HOLD_EXPIRED"
    # All of it is free, not only what was asked for.
    assert reason(await books.hold("r1", "r3", request=request)) == "OK"
    with psycopg.connect(ledger_database.admin_url) as admin:
        events = admin.execute(
            "SELECT payload ->> 'state', version, payload -> 'request' ->> 'state'"
            " FROM assignment.outbox WHERE aggregate = %s ORDER BY id",
            (dead,),
        ).fetchall()
    assert events == [("HELD", 1, "HELD"), ("EXPIRED", 2, "OPEN")]
    assert violations(ledger_database.admin_url) == {}


async def test_ones_own_dead_hold_elsewhere_is_no_hindrance(books, ledger_database):
    request = await books.request()
    await books.hold("r1", at=slot(5), request=request, ttl=0.02)
    await asyncio.sleep(0.03)
    assert reason(await books.hold("r2", at=slot(0), request=request)) == "OK"
    assert await books.state_of(request) == "HELD"
    assert violations(ledger_database.admin_url) == {}


async def test_a_live_hold_in_the_way_keeps_dead_ones_from_being_touched(books, ledger_database):
    await books.hold("r1", ttl=0.02)
    await books.hold("r2", ttl=60)
    await asyncio.sleep(0.03)
    assert reason(await books.hold("r1", "r2")) == "SLOT_TAKEN"
    assert violations(ledger_database.admin_url) == {}
    assert reason(await books.hold("r1")) == "OK"


async def test_the_sweeper_tells_of_what_ended_while_others_take_it(books, ledger_database):
    held = [
        allocation_id(
            await books.hold(f"r{n % 6}", at=slot(n), request=await books.request(), ttl=0.05)
        )
        for n in range(0, 120, 2)
    ]
    await asyncio.sleep(0.06)
    async with await psycopg.AsyncConnection.connect(
        ledger_database.worker_url, autocommit=True
    ) as worker:
        await asyncio.gather(
            sweep(worker),
            *(books.hold(f"r{n % 6}", at=slot(n)) for n in range(0, 120, 2)),
            *(books.confirm(name) for name in held),
        )
        await sweep(worker)
    for name in held:
        found = await books.reads.allocation("acme", name)
        assert (found.outcome.allocation.state, found.outcome.allocation.version) == ("EXPIRED", 2)
    assert violations(ledger_database.admin_url) == {}
    assert deadlocks(ledger_database.admin_url) == 0


async def test_the_sweeper_waits_for_nobody(books, ledger_database):
    request = await books.request()
    stuck = allocation_id(await books.hold("r1", request=request, ttl=0.02))
    free = allocation_id(await books.hold("r2", ttl=0.02))
    await asyncio.sleep(0.03)
    async with await psycopg.AsyncConnection.connect(
        ledger_database.worker_url, autocommit=True
    ) as worker:
        with psycopg.connect(ledger_database.admin_url) as blocker:
            blocker.execute("SELECT FROM assignment.request FOR UPDATE")
            async with asyncio.timeout(1):
                assert await sweep(worker) == 1
            blocker.rollback()
        assert await sweep(worker) == 1
    states = [
        (await books.reads.allocation("acme", name)).outcome.allocation.state
        for name in (stuck, free)
    ]
    assert states == ["EXPIRED", "EXPIRED"]
    assert violations(ledger_database.admin_url) == {}


async def test_upkeep_expires_holds_of_every_tenant_within_two_seconds(books, ledger_database):
    mine = allocation_id(await books.hold("r1", ttl=0.1))
    theirs = allocation_id(await books.hold("r1", ttl=0.1, write=key("PlaceHold", tenant="globex")))
    working = [asyncio.create_task(Upkeep(ledger_database.worker_url).run()) for _ in range(2)]
    try:
        async with asyncio.timeout(3):
            while True:
                found = [
                    (await books.reads.allocation(tenant, name)).outcome.allocation.state
                    for tenant, name in (("acme", mine), ("globex", theirs))
                ]
                if found == ["EXPIRED", "EXPIRED"]:
                    break
                await asyncio.sleep(0.05)
    finally:
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
    assert violations(ledger_database.admin_url, "acme", "globex") == {}


@pytest.mark.parametrize("secret", [b"", b"wrong", SECRET_HASH[::-1]])
async def test_a_wrong_secret_is_no_hold(books, secret):
    held = allocation_id(await books.hold("r1"))
    outcome = await books.ledger.confirm(
        key("ConfirmHold"), hold_id=held, token_hash=secret, reason="x"
    )
    assert reason(outcome) == "NOT_FOUND"


async def test_a_clock_of_ours_decides_nothing(ledger_database):
    """The process's clock is never asked: no test sets it, and the ledger takes none."""
    async with open_books(ledger_database.url) as books:
        held = allocation_id(await books.hold("r1", ttl=0.05))
        await asyncio.sleep(0.06)
        assert reason(await books.confirm(held)) == "HOLD_EXPIRED"
