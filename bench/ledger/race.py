"""A race for one time of one resource: the ledger's way beside a plain INSERT behind EXCLUDE."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg
from psycopg import errors

from bench.ledger.books import HOUR, MORNING, TENANT, Measured, open_desk
from services.assignment.domain import HoldTerms, Placing, Question, Span, WriteKey

# A new time to race for comes this often; each racer wants it a little later than the one before.
ROUND_SECONDS = 0.02
OFFSET = timedelta(minutes=5)
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
PLAIN_TABLE = """
CREATE TABLE public.plain (
    resource bigint NOT NULL, during tstzrange NOT NULL,
    EXCLUDE USING gist (resource WITH =, during WITH &&))
"""

# Tries to take a span for a racer; tells whether it got it.
Attempt = Callable[[int, datetime], Awaitable[bool]]


@dataclass(frozen=True)
class Raced:
    """What came of a race."""

    won: int
    attempts: int
    deadlocks: int
    p50_ms: float
    p99_ms: float


async def raced(attempt: Attempt, *, racers: int, seconds: float) -> tuple[int, list[float]]:
    """Lets all racers try for each new time; returns how many got one and how long tries took."""
    begun = time.monotonic()
    took: list[float] = []
    won = 0

    async def racer(number: int) -> None:
        nonlocal won
        tried = 0
        while (now := time.monotonic() - begun) < seconds:
            turn = int(now / ROUND_SECONDS)
            if turn == tried:
                await asyncio.sleep((turn + 1) * ROUND_SECONDS - now)
                continue
            tried = turn
            at = time.perf_counter()
            got = await attempt(number, MORNING + turn * 3 * HOUR + number * OFFSET)
            won += got
            took.append((time.perf_counter() - at) * 1000)

    await asyncio.gather(*(racer(number) for number in range(racers)))
    return won, sorted(took)


async def race_ledger(measured: Measured, *, racers: int, seconds: float) -> Raced:
    """Races for holds of one resource."""
    before = measured.count(DEADLOCKS)
    terms = HoldTerms(seconds=90.0, token_hash=b"race", max_live_holds=1)
    async with open_desk(measured, "race", size=racers) as desk:

        async def attempt(number: int, start: datetime) -> bool:
            name = f"race-{number}-{start.timestamp()}"
            span = Span(start, start + HOUR)
            placing = Placing(
                allocation_id=name,
                question=Question("visit"),
                resource_ids=("contested",),
                any_of=False,
                slot=span,
                occupied=span,
            )
            key = WriteKey(TENANT, "ann", "PlaceHold", name, b"race")
            return (await desk.ledger.place(key, placing, hold=terms)).refusal is None

        await attempt(0, MORNING - 5 * HOUR)
        won, took = await raced(attempt, racers=racers, seconds=seconds)
    return told(won, took, measured.count(DEADLOCKS) - before)


async def race_plain(measured: Measured, *, racers: int, seconds: float) -> Raced:
    """Races with plain INSERTs, under PostgreSQL's own deadlock_timeout of one second."""
    deadlocks = 0
    connections = [
        await psycopg.AsyncConnection.connect(
            measured.admin_url, autocommit=True, options="-c deadlock_timeout=1s"
        )
        for _ in range(racers)
    ]
    await connections[0].execute("DROP TABLE IF EXISTS public.plain")
    await connections[0].execute(PLAIN_TABLE)

    async def attempt(number: int, start: datetime) -> bool:
        nonlocal deadlocks
        try:
            await connections[number].execute(
                "INSERT INTO public.plain VALUES (1, tstzrange(%s, %s))", (start, start + HOUR)
            )
        except errors.ExclusionViolation:
            return False
        except errors.DeadlockDetected:
            deadlocks += 1
            return False
        return True

    won, took = await raced(attempt, racers=racers, seconds=seconds)
    for connection in connections:
        await connection.close()
    return told(won, took, deadlocks)


def told(won: int, took: list[float], deadlocks: int) -> Raced:
    """Puts the figures of a race together."""
    return Raced(won, len(took), deadlocks, took[len(took) // 2], took[len(took) * 99 // 100])
