"""PostgreSQL: pools, sessions, tenant-bound transactions, and retries of what may be retried."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from kit.call import remaining_seconds
from kit.fault import Conflict, Fault, Unavailable

Connection = psycopg.AsyncConnection[TupleRow]
Pool = AsyncConnectionPool[Connection]
Result = TypeVar("Result")

POOL_WAIT_SECONDS = 3.0
CONNECT_SECONDS = 3
# How long a server may take to say that it has ended a statement whose caller is gone.
GIVEN_UP_SECONDS = 0.5
TRIES_MAX = 3
RETRY_SECONDS_MIN = 0.005
RETRY_SECONDS_MAX = 0.05
# What PostgreSQL undoes whole and a second try may finish.
RETRYABLE = (errors.SerializationFailure, errors.DeadlockDetected)


class Session(psycopg.AsyncConnection[TupleRow]):
    """A session that is hung up where the server does not answer a statement that was given up:
    a silent one would keep its caller, and its place in the pool, for ten seconds more.
    """

    _hanging_up: asyncio.TimerHandle | None = None

    async def wait(self, *args: Any, **named: Any) -> Any:
        """Waits as the library does; what was answered need not be hung up."""
        try:
            return await super().wait(*args, **named)
        finally:
            if self._hanging_up is not None:
                self._hanging_up.cancel()
                self._hanging_up = None

    async def cancel_safe(self, *, timeout: float = GIVEN_UP_SECONDS) -> None:
        """Asks the server to end what it does; called where a statement is given up."""
        loop = asyncio.get_running_loop()
        self._hanging_up = loop.call_later(GIVEN_UP_SECONDS, self._hang_up)
        await super().cancel_safe(timeout=min(timeout, GIVEN_UP_SECONDS))

    def _hang_up(self) -> None:
        # The descriptor stays the library's: whoever waits at it finds the connection's end.
        with socket.socket(fileno=os.dup(self.pgconn.socket)) as wire:
            wire.shutdown(socket.SHUT_RDWR)


@asynccontextmanager
async def open_pool(
    url: str, *, size: int, application: str, autocommit: bool = False
) -> AsyncIterator[Pool]:
    """Opens a pool of up to `size` connections and closes it with the block."""
    pool: Pool = AsyncConnectionPool(
        url,
        connection_class=Session,
        min_size=1,
        max_size=size,
        timeout=POOL_WAIT_SECONDS,
        open=False,
        check=AsyncConnectionPool.check_connection if not autocommit else None,
        kwargs={
            "application_name": application,
            "autocommit": autocommit,
            # Whoever does not answer must not keep a place in the pool.
            "connect_timeout": CONNECT_SECONDS,
            # A statement is prepared on the server the first time it is used.
            "prepare_threshold": 0,
        },
    )
    await pool.open()
    try:
        yield pool
    finally:
        await pool.close()


@asynccontextmanager
async def open_session(
    url: str, *, application: str, options: str = ""
) -> AsyncIterator[Connection]:
    """Opens one session that commits every statement by itself, and closes it with the block.

    Not by psycopg's own block: who is cancelled again leaves that one while it rolls back, and the
    session open.
    """
    connection = await Session.connect(
        url,
        autocommit=True,
        application_name=application,
        options=options or None,
        prepare_threshold=0,
    )
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def leading(url: str, lock: int, *, application: str) -> AsyncIterator[Connection | None]:
    """Opens a session that holds an advisory lock until it ends; yields none where another has
    it.
    """
    async with open_session(url, application=application) as connection:
        cursor = await connection.execute("SELECT pg_try_advisory_lock(%s)", (lock,))
        row = await cursor.fetchone()
        yield connection if row is not None and row[0] else None


@asynccontextmanager
async def tenant_transaction(
    pool: Pool, tenant: str, *, snapshot: bool = False
) -> AsyncIterator[Connection]:
    """Yields a connection inside a transaction that sees and writes one tenant's rows alone; with
    `snapshot` all it reads is of one moment.
    """
    async with borrowed(pool) as connection, translated(), connection.transaction():
        if snapshot:
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        await connection.execute("SELECT set_config('app.tenant_id', %s, true)", (tenant,))
        yield connection


@asynccontextmanager
async def borrowed(pool: Pool) -> AsyncIterator[Connection]:
    """Yields a connection of the pool; refuses when none is free within the caller's deadline."""
    try:
        connection = await pool.getconn(
            timeout=min(POOL_WAIT_SECONDS, remaining_seconds(default=POOL_WAIT_SECONDS))
        )
    except (PoolTimeout, psycopg.OperationalError) as error:
        raise Unavailable(
            "UNAVAILABLE", "the database cannot be reached right now", retry_after_seconds=0.2
        ) from error
    try:
        yield connection
    finally:
        # Whoever is cancelled again here must not take it along, and its place in the pool.
        await asyncio.shield(pool.putconn(connection))


@asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """Turns a lost connection into OUTCOME_UNKNOWN: whether a commit happened cannot be told from
    here.
    """
    try:
        yield
    except (errors.QueryCanceled, errors.LockNotAvailable):
        raise
    except psycopg.OperationalError as error:
        if isinstance(error, RETRYABLE):
            raise
        raise outcome_unknown() from error


def outcome_unknown() -> Fault:
    """Returns the refusal for a write that may have been committed or not."""
    return Unavailable(
        "OUTCOME_UNKNOWN",
        "the database's answer was lost; repeat the call with the same key",
        retry_after_seconds=0.2,
    )


async def retrying(
    work: Callable[[], Awaitable[Result]],
    *,
    on_retry: Callable[[Exception], None] | None = None,
) -> Result:
    """Does `work`, again if PostgreSQL undid it for others' sake, at most three times within the
    deadline. `on_retry` is told what undid it, before each further try.
    """
    for attempt in range(1, TRIES_MAX + 1):
        try:
            return await work()
        except RETRYABLE as error:
            pause = random.uniform(RETRY_SECONDS_MIN, RETRY_SECONDS_MAX)
            if attempt == TRIES_MAX or remaining_seconds(default=10.0) <= pause:
                raise concurrent_update() from error
            if on_retry is not None:
                on_retry(error)
            await asyncio.sleep(pause)
    raise AssertionError("the loop returns or raises")


def concurrent_update() -> Fault:
    """Returns the refusal for writers that kept meeting on the same rows."""
    return Conflict(
        "CONCURRENT_UPDATE",
        "too many writers met here; repeat the call with the same key",
        retry_after_seconds=0.1,
    )


async def ready(pool: Pool) -> None:
    """Passes if the database answers: a health check."""
    began = time.monotonic()
    async with borrowed(pool) as connection:
        await connection.execute("SELECT 1")
        if not connection.autocommit:
            await connection.rollback()
    if time.monotonic() - began > POOL_WAIT_SECONDS:
        raise Unavailable("UNAVAILABLE", "the database is slow")
