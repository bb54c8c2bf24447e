"""Runs one statement as one transaction, and says what the database's complaints mean."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import errors

from kit.db import Pool, borrowed, concurrent_update, translated
from kit.fault import Conflict, Exhausted, Fault, Invalid, TimedOut
from kit.idempotency import key_reused
from services.assignment.domain import CheckAgain

# Raised by the ledger's functions, as are LD001 to LD003; migrations/sql/04_calls.sql says when.
NOT_REGISTERED = "LD004"
# Raised by assignment.refusal_of_checks() and by whoever finds the request edited.
MOVED = "LD006"


async def rows_of(pool: Pool, statement: str, *arguments: object) -> list[tuple[Any, ...]]:
    """Runs a statement on a connection that commits by itself; returns its rows."""
    async with borrowed(pool) as connection, translated():
        cursor = await connection.execute(statement, arguments, prepare=True)
        return await cursor.fetchall()


async def value_of(pool: Pool, statement: str, *arguments: object) -> Any:
    """Runs a statement that answers one value; returns it."""
    [[value]] = await rows_of(pool, statement, *arguments)
    return value


@contextmanager
def told() -> Iterator[None]:
    """Raises what the database complains of as a fault, where it means anything to the caller, or
    as CheckAgain.
    """
    try:
        yield
    except psycopg.Error as error:
        if error.sqlstate == MOVED:
            raise CheckAgain(json.loads(error.diag.message_detail or "{}")) from error
        fault = fault_of(error)
        if fault is None:
            raise
        raise fault from error


def fault_of(error: psycopg.Error) -> Fault | None:
    """Returns what a complaint means to the caller, if it means anything."""
    match error.sqlstate:
        case "LD001":
            return Conflict(
                "REQUEST_IN_PROGRESS",
                "the same key is being worked on; repeat the call",
                retry_after_seconds=0.2,
            )
        case "LD002":
            return key_reused()
        case "LD003":
            return Exhausted("TOO_MANY_HOLDS", "this customer's budget of live holds is used up")
    match error:
        case errors.LockNotAvailable():
            return concurrent_update()
        case errors.QueryCanceled():
            return TimedOut("DEADLINE_EXCEEDED", "time ran out; nothing was done")
        case psycopg.DataError():
            # Such as the character U+0000, which no text here can have.
            return Invalid("INVALID_ARGUMENT", "the call has something that cannot be stored")
    return None
