"""Placements that come together are committed together, each answered as if it were alone."""

from __future__ import annotations

import asyncio
from collections import Counter

import psycopg
import pytest

from kit.fault import Exhausted, Invalid, Unavailable
from services.assignment.store import together
from services.assignment.store.running import value_of
from services.assignment.store.together import PLACE_MANY, TOGETHER_MAX
from services.assignment.tests.books import (
    allocation_id,
    deadlocks,
    key,
    open_books,
    reason,
    slot,
    violations,
)

CLIENTS = 64


async def test_many_at_once_go_in_few_transactions(books, ledger_database, monkeypatch):
    batches = []

    async def counted(pool, statement, calls):
        batches.append(len(calls.obj))
        return await value_of(pool, statement, calls)

    monkeypatch.setattr(together, "value_of", counted)
    outcomes = await asyncio.gather(
        *(books.hold(f"r{n % 8}", at=slot(n // 8 * 2)) for n in range(CLIENTS))
    )
    assert Counter(map(reason, outcomes)) == {"OK": CLIENTS}
    assert violations(ledger_database.admin_url) == {}
    assert sum(batches) > CLIENTS * 3 / 4
    assert max(batches) == TOGETHER_MAX


async def test_racers_of_one_batch_meet_as_those_of_many(books, ledger_database):
    for number in range(10):
        outcomes = await asyncio.gather(
            *(books.hold("r1", "r2", at=slot(number * 2)) for _ in range(CLIENTS))
        )
        assert Counter(map(reason, outcomes)) == {"OK": 1, "SLOT_TAKEN": CLIENTS - 1}
    assert violations(ledger_database.admin_url) == {}
    assert deadlocks(ledger_database.admin_url) == 0


async def test_one_key_in_one_batch_is_one_execution(books, ledger_database):
    write = key("PlaceHold")
    outcomes = await asyncio.gather(*(books.hold("r1", write=write) for _ in range(CLIENTS)))
    assert len({allocation_id(outcome) for outcome in outcomes}) == 1
    assert sum(not outcome.replayed for outcome in outcomes) == 1
    assert violations(ledger_database.admin_url) == {}


async def test_what_one_raises_is_raised_to_it_alone(books, ledger_database):
    await books.hold("r9", write=key("PlaceHold", "used", payload="this"))

    async def other(number: int):
        return await books.hold(f"r{number}", at=slot(4))

    answers = await asyncio.gather(
        *(other(number) for number in range(CLIENTS // 2)),
        books.hold("r9", write=key("PlaceHold", "used", payload="that")),
        *(books.hold("c1", at=slot(n * 2), customer="c", budget=2) for n in range(4)),
        *(other(number) for number in range(CLIENTS // 2, CLIENTS)),
        return_exceptions=True,
    )
    raised = [answer for answer in answers if isinstance(answer, Exception)]
    assert Counter(type(error) for error in raised) == {Invalid: 1, Exhausted: 2}
    assert all(reason(a) == "OK" for a in answers if not isinstance(a, Exception))
    assert violations(ledger_database.admin_url) == {}


async def test_a_lock_that_is_not_free_keeps_only_its_own_waiting(books, ledger_database):
    await books.hold("stuck", at=slot(-9))
    async with await psycopg.AsyncConnection.connect(ledger_database.admin_url) as blocker:
        await blocker.execute(
            "SELECT FROM assignment.resource WHERE resource_id = 'stuck' FOR UPDATE"
        )
        stuck = asyncio.create_task(books.hold("stuck", at=slot(0)))
        calls = [books.hold(f"r{n}", at=slot(0)) for n in range(CLIENTS)]
        outcomes = await asyncio.gather(*calls)
        assert not stuck.done()
        await blocker.rollback()
    assert {reason(outcome) for outcome in (*outcomes, await stuck)} == {"OK"}
    assert violations(ledger_database.admin_url) == {}


async def test_a_batch_whose_session_dies_is_unknown_to_all_and_their_keys_tell(ledger_database):
    async with open_books(ledger_database.url, size=8) as books:
        await books.hold("r0", at=slot(-9))
        writes = [key("PlaceHold") for _ in range(TOGETHER_MAX)]

        def calls():
            return [books.hold(f"r{n}", at=slot(0), write=w) for n, w in enumerate(writes)]

        with psycopg.connect(ledger_database.admin_url, autocommit=True) as admin:
            admin.execute(
                "CREATE FUNCTION assignment.die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                " PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$;"
                "CREATE CONSTRAINT TRIGGER die AFTER INSERT ON assignment.outbox DEFERRABLE"
                " INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION assignment.die()"
            )
            answers = await asyncio.gather(*calls(), return_exceptions=True)
            assert {type(answer) for answer in answers} == {Unavailable}
            assert {answer.reason for answer in answers} == {"OUTCOME_UNKNOWN"}
            admin.execute("DROP TRIGGER die ON assignment.outbox")
        assert {reason(o) for o in await asyncio.gather(*calls())} == {"OK"}
    assert violations(ledger_database.admin_url) == {}


@pytest.mark.parametrize("broken", ['[["acme"]]', "[[null, null]]"])
async def test_nonsense_raises_nothing_but_its_own_answer(books, broken):
    async with books.pool.connection() as connection:
        cursor = await connection.execute(PLACE_MANY, (broken,))
        [[answer]] = [row[0] for row in await cursor.fetchall()]
    assert "raised" in answer
