"""What goes wrong around the ledger: lost answers, dead sessions, writers that meet."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from kit.fault import Conflict, Unavailable
from services.assignment.tests.books import allocation_id, key, reason, slot, violations

KILL = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND state = 'active'"""


async def waits_for_a_lock(admin: psycopg.AsyncConnection) -> None:
    blocked = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    async with asyncio.timeout(5):
        while (await (await admin.execute(blocked)).fetchone())[0] == 0:
            await asyncio.sleep(0.005)


async def test_a_lost_answer_is_unknown_and_its_key_tells_the_truth(books, ledger_database):
    await books.hold("r1", at=slot(20))
    url = ledger_database.admin_url
    async with (
        await psycopg.AsyncConnection.connect(url) as blocker,
        await psycopg.AsyncConnection.connect(url, autocommit=True) as admin,
    ):
        for number in range(10):
            write = key("PlaceHold")
            await blocker.execute("SELECT FROM assignment.resource FOR UPDATE")
            calling = asyncio.create_task(books.hold("r1", at=slot(number * 2), write=write))
            await waits_for_a_lock(admin)
            await admin.execute(KILL)
            with pytest.raises(Unavailable) as raised:
                await calling
            assert raised.value.reason == "OUTCOME_UNKNOWN"
            await blocker.rollback()
            # The same key does it once, however often it is sent.
            outcomes = [await books.hold("r1", at=slot(number * 2), write=write) for _ in range(3)]
            assert {reason(outcome) for outcome in outcomes} <= {"OK"}
            assert len({allocation_id(outcome) for outcome in outcomes}) == 1
    assert violations(ledger_database.admin_url) == {}


async def test_a_call_that_is_given_up_leaves_nothing_or_everything(books, ledger_database):
    """The caller goes away at any moment; afterwards the key says which of the two it was."""
    for number in range(40):
        write = key("PlaceHold")
        calling = asyncio.create_task(books.hold("r1", at=slot(number * 2), write=write))
        await asyncio.sleep(0.0004 * (number % 10))
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
        assert reason(await books.hold("r1", at=slot(number * 2), write=write)) == "OK"
    assert violations(ledger_database.admin_url) == {}


async def test_writers_that_meet_once_are_not_told(books, ledger_database):
    """What moved between looking and locking is looked at again, by the same call."""
    request = await books.request()
    held = allocation_id(await books.hold("r1", request=request))
    async with await psycopg.AsyncConnection.connect(ledger_database.admin_url) as blocker:
        await blocker.execute("SELECT FROM assignment.resource FOR UPDATE")
        assigning = asyncio.create_task(books.assign("r1", request=request))
        releasing = asyncio.create_task(books.release(held))
        await asyncio.sleep(0.1)
        await blocker.rollback()
    outcomes = [reason(outcome) for outcome in await asyncio.gather(assigning, releasing)]
    # Either the hold became the assignment first, or it was given back and its time taken anew.
    assert outcomes in (["OK", "HOLD_ALREADY_CONFIRMED"], ["OK", "OK"])
    assert await books.state_of(request) == "ASSIGNED"
    assert violations(ledger_database.admin_url) == {}


async def test_writers_that_keep_meeting_are_told_to_come_again(books, ledger_database):
    with psycopg.connect(ledger_database.admin_url, autocommit=True) as admin:
        admin.execute(
            "CREATE FUNCTION assignment.meet() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " RAISE EXCEPTION 'met' USING ERRCODE = 'serialization_failure'; END $$;"
            "CREATE TRIGGER meet BEFORE INSERT ON assignment.allocation"
            " FOR EACH ROW EXECUTE FUNCTION assignment.meet()"
        )
    with pytest.raises(Conflict) as raised:
        await books.hold("r1")
    assert raised.value.reason == "CONCURRENT_UPDATE"
    assert raised.value.retry_after_seconds
    assert violations(ledger_database.admin_url) == {}
