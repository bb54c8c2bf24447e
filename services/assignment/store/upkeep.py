"""What the ledger does by itself: expires holds promptly and forgets old keys."""

import asyncio
import contextlib

import psycopg
from psycopg import errors

from kit.db import open_session
from kit.logs import logger
from services.assignment.store.metrics import LedgerMetrics

log = logger("upkeep")

SWEEP_SECONDS = 1.0
# How many holds one transaction expires, and how many transactions one round may take.
SWEEP_ROWS_MAX = 50
SWEEP_ROUNDS_MAX = 4
EMPTYING_SECONDS = 600.0
EMPTYING_LOCK_MS = 200
BACKOFF_SECONDS_MAX = 5.0
# One process sweeps at a time; the others ask again.
SWEEPER_LOCK = 0x_5EED_1E0A
TRY_LOCK = "SELECT pg_try_advisory_lock(%s)"
WAITING = """
    SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(w.at)), 0) FROM (
        SELECT o.at FROM assignment.outbox AS o WHERE NOT o.published ORDER BY o.id LIMIT 10000
    ) AS w"""
RING = 5
# Runs of automatic assignment are told this long after they began.
RUNS_DAYS = 7
FORGET_TASKS = (
    "DELETE FROM assignment.auto_task AS k USING assignment.auto_run AS r"
    " WHERE r.tenant_id = k.tenant_id AND r.run_id = k.run_id"
    " AND r.created_at < clock_timestamp() - make_interval(days => %s)"
)
FORGET_RUNS = (
    "DELETE FROM assignment.auto_run"
    " WHERE created_at < clock_timestamp() - make_interval(days => %s)"
)
RING_TO_EMPTY = "SELECT assignment.ring_to_empty()"


class Upkeep:
    """The sweeper and the emptier of old keys, for all tenants, on a session of their own."""

    def __init__(self, url: str, metrics: LedgerMetrics | None = None) -> None:
        """Takes the URL of the worker's role, which sees every tenant."""
        self._url = url
        self._metrics = metrics or LedgerMetrics()

    async def run(self) -> None:
        """Works for ever; after a failure it takes a fresh session and the lock again."""
        backoff = SWEEP_SECONDS
        while True:
            try:
                await self._lead()
            except (psycopg.Error, OSError) as error:
                log.warning("upkeep starts again", error=repr(error))
                backoff = min(backoff * 2, BACKOFF_SECONDS_MAX)
            await asyncio.sleep(backoff)

    async def _lead(self) -> None:
        async with open_session(self._url, application="assignment-upkeep") as connection:
            loop = asyncio.get_running_loop()
            empty_at = loop.time()
            leads = False
            while True:
                leads = leads or bool(await _first(connection, TRY_LOCK, SWEEPER_LOCK))
                if leads:
                    await sweep(connection)
                    await self._look(connection)
                if leads and loop.time() >= empty_at:
                    await empty_ring(connection)
                    await forget_runs(connection)
                    empty_at = loop.time() + EMPTYING_SECONDS
                await asyncio.sleep(SWEEP_SECONDS)

    async def _look(self, connection: psycopg.AsyncConnection) -> None:
        """Notes what waits to be published."""
        cursor = await connection.execute(WAITING)
        row = await cursor.fetchone()
        assert row is not None
        self._metrics.outbox(pending=row[0], lag_seconds=float(row[1]))


async def sweep(connection: psycopg.AsyncConnection) -> int:
    """Expires the holds that are over, some at a time; returns how many."""
    total = 0
    for _ in range(SWEEP_ROUNDS_MAX):
        done: int = await _first(connection, "SELECT assignment.sweep(%s)", SWEEP_ROWS_MAX)
        total += done
        if done < SWEEP_ROWS_MAX:
            break
    return total


async def empty_ring(connection: psycopg.AsyncConnection) -> None:
    """Forgets the keys of the day whose place in the ring tomorrow takes; tries again later if it
    is in use.
    """
    ring = await _first(connection, RING_TO_EMPTY)
    assert 0 <= ring < RING
    if not await _first(connection, f"SELECT pg_relation_size('assignment.idem_{ring}')"):
        return
    with contextlib.suppress(errors.LockNotAvailable):
        async with connection.transaction():
            await connection.execute(f"SET LOCAL lock_timeout = {EMPTYING_LOCK_MS}")
            await connection.execute(f"TRUNCATE assignment.idem_{ring}")
            # Past midnight the place is in use: nobody can have read or written it meanwhile.
            if await _first(connection, RING_TO_EMPTY) != ring:
                raise psycopg.Rollback


async def forget_runs(connection: psycopg.AsyncConnection) -> None:
    """Forgets runs of automatic assignment that began long ago, with what became of their tasks."""
    async with connection.transaction():
        await connection.execute(FORGET_TASKS, (RUNS_DAYS,))
        await connection.execute(FORGET_RUNS, (RUNS_DAYS,))


async def _first(connection: psycopg.AsyncConnection, statement: str, *arguments: object) -> int:
    cursor = await connection.execute(statement, arguments)
    row = await cursor.fetchone()
    assert row is not None
    value: int = row[0]
    return value
