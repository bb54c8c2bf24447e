"""Plans made while tables are empty, and kept, must not read a tenant's history to find one row."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from services.assignment.app import SESSION
from services.assignment.domain import Checks, Limits
from services.assignment.tests.books import Books, allocation_id, open_books, reason, slot

BOOKED = 120
# Rows that a call may read more: keys and steps of the tree lie otherwise in a larger table.
MORE_READ = 12
READ = """
SELECT coalesce(sum(idx_tup_read), 0) + (
    SELECT coalesce(sum(seq_tup_read), 0) FROM pg_stat_user_tables
    WHERE schemaname = 'assignment')
FROM pg_stat_user_indexes WHERE schemaname = 'assignment'"""
BY_KEY = {
    "SELECT * FROM assignment.allocation WHERE tenant_id = $1 AND allocation_id = $2": (
        "allocation_pkey"
    ),
    "SELECT * FROM assignment.request WHERE tenant_id = $1 AND request_id = $2": "request_pkey",
    "SELECT * FROM assignment.resource WHERE tenant_id = $1 AND resource_id = $2": "resource_by_id",
    "SELECT * FROM assignment.resource WHERE tenant_id = $1 AND resource_no = $2": "resource_pkey",
    "SELECT * FROM assignment.allocation WHERE tenant_id = $1 AND slot_start >= '-infinity'"
    " ORDER BY slot_start, allocation_id LIMIT $2": "allocation_by_start",
    "SELECT * FROM assignment.request WHERE tenant_id = $1 AND created_at >= '-infinity'"
    " ORDER BY created_at, request_id LIMIT $2": "request_by_age",
}


@pytest.mark.parametrize(("query", "index"), BY_KEY.items(), ids=range(len(BY_KEY)))
def test_on_an_empty_ledger_what_is_looked_for_decides_the_index(ledger_database, query, index):
    with psycopg.connect(ledger_database.url, options=SESSION) as connection:
        connection.execute("SELECT set_config('app.tenant_id', 'acme', false)")
        explained = connection.execute(f"EXPLAIN (GENERIC_PLAN) {query}".encode(), prepare=False)
        plan = "\n".join(row[0] for row in explained.fetchall())
    assert f"using {index} " in plan, plan
    assert "Filter: ((" not in plan, plan
    assert "Sort" not in plan, plan


async def collide(books: Books, hours: float) -> None:
    await books.assign("r1", at=slot(hours))
    assert reason(await books.hold("r2", "r1", at=slot(hours))) == "SLOT_TAKEN"


async def keep_limits(books: Books, hours: float) -> None:
    """In a week of its own, as a week is what it looks at."""
    day = 168 * hours
    checks = Checks(limits={"r1": Limits(zone="Europe/Berlin", per_day=1)})
    assert reason(await books.assign("r1", at=slot(day), checks=checks)) == "OK"
    assert reason(await books.assign("r1", at=slot(day + 2), checks=checks)) == "NOT_AVAILABLE"


async def confirm(books: Books, hours: float) -> None:
    request = await books.request()
    held = allocation_id(await books.hold("r1", at=slot(hours), request=request))
    assert reason(await books.confirm(held)) == "OK"


async def release(books: Books, hours: float) -> None:
    held = allocation_id(await books.hold("r1", at=slot(hours)))
    assert reason(await books.release(held)) == "OK"


async def take_over(books: Books, hours: float) -> None:
    """From a hold whose time is over."""
    await books.hold("r1", at=slot(hours), ttl=0.001)
    await asyncio.sleep(0.005)
    assert reason(await books.hold("r1", at=slot(hours))) == "OK"


async def move(books: Books, hours: float) -> None:
    made = allocation_id(await books.assign("r1", at=slot(hours)))
    assert reason(await books.reassign(made, "r2", at=slot(hours))) == "OK"
    assert reason(await books.reassign(made, "r1", at=slot(hours))) == "OK"
    assert reason(await books.complete(made)) == "OK"


async def cancel(books: Books, hours: float) -> None:
    request = await books.request()
    made = allocation_id(await books.assign("r1", at=slot(hours), request=request))
    assert reason(await books.cancel(made)) == "OK"


async def take_any(books: Books, hours: float) -> None:
    await books.assign("r2", at=slot(hours))
    assert reason(await books.assign("r2", "r1", any_of=True, at=slot(hours))) == "OK"


async def read_by(books: Books, work, hours: float) -> int:
    """How many rows of its tables and entries of its indexes some work reads."""
    async with books.pool.connection() as connection:
        before = await counted(connection)
    await work(books, hours)
    async with books.pool.connection() as connection:
        return await counted(connection) - before


async def counted(connection) -> int:
    await connection.execute("SELECT pg_stat_force_next_flush()")
    return int((await (await connection.execute(READ)).fetchone())[0])


async def grow(books: Books) -> None:
    """Books the two more, and others whose time nobody asks for later."""
    for number in range(BOOKED):
        await books.assign("r1", "r2", at=slot(100 + 2 * number))
        await books.assign(f"x{number}")


@pytest.mark.parametrize(
    "work", [collide, keep_limits, confirm, release, take_over, move, cancel, take_any]
)
async def test_no_call_reads_more_in_a_fuller_ledger(ledger_database, work):
    async with open_books(ledger_database.url, size=1) as books:
        # Plans are made now, and kept.
        for number in range(6):
            await work(books, 2 * number)
        first = await read_by(books, work, 20)
        await grow(books)
        last = await read_by(books, work, 22)
    print(f"{work.__name__} reads {first}, and {last} once there are {BOOKED} more")
    assert last <= first + MORE_READ
