"""Commits placements together when many come at once: one transaction, one flush for all."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from kit.db import RETRYABLE, Pool, outcome_unknown
from services.assignment.domain import Outcome
from services.assignment.store.codec import outcome_of
from services.assignment.store.metrics import LedgerMetrics
from services.assignment.store.running import told, value_of

# Placements that may be committed side by side before others wait to go together.
FLIGHTS_MAX = 3
# In one transaction; each leaves two subtransactions, and past 64 the whole server pays.
TOGETHER_MAX = 24
# One of many does not keep the others waiting: it is placed alone when a lock is not free soon. It
# is also less than it takes to look for a deadlock, so that two transactions never stay in one.
LOCK_MS = 50
# By our own clock: where the database's goes back, its patience lasts as much longer.
FLIGHT_SECONDS = 4.0
# Where the arguments of place have the method, the patience for a lock, and the plan.
METHOD_ARGUMENT, LOCK_ARGUMENT, PLAN_ARGUMENT = 2, 5, 9
PLACE_MANY = "SELECT assignment.place_many(%s::jsonb)"

Alone = Callable[[], Awaitable[Outcome]]
Waiting = tuple[Sequence[object], asyncio.Future[Any]]


class Together:
    """Placements on their way. While few are, each goes alone, at once."""

    def __init__(self, pool: Pool, metrics: LedgerMetrics) -> None:
        """Takes a pool of connections that commit every statement by itself."""
        self._pool = pool
        self._metrics = metrics
        self._flying = 0
        self._waiting: deque[Waiting] = deque()
        self._flights: set[asyncio.Task[None]] = set()

    async def place(self, arguments: Sequence[object], alone: Alone) -> Outcome:
        """Returns the outcome of these arguments of place; `alone` places them in a transaction of
        their own.
        """
        if self._flying >= FLIGHTS_MAX:
            landed: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            self._waiting.append((arguments, landed))
            answer = await landed
            # What was raised is raised again where it can be dealt with.
            if "raised" in answer:
                return await alone()
            outcome = outcome_of(answer)
            self._metrics.written(str(arguments[METHOD_ARGUMENT]), outcome)
            return outcome
        self._flying += 1
        try:
            return await alone()
        finally:
            self._land()

    def _land(self) -> None:
        self._flying -= 1
        going: list[Waiting] = []
        while self._waiting and len(going) < TOGETHER_MAX:
            arguments, landed = self._waiting.popleft()
            if not landed.done():
                going.append((arguments, landed))
        if going:
            self._flying += 1
            # In a context of its own: no caller's deadline is that of the others.
            flight = asyncio.get_running_loop().create_task(self._fly(going), context=Context())
            self._flights.add(flight)
            flight.add_done_callback(self._flights.discard)

    async def _fly(self, going: Sequence[Waiting]) -> None:
        # Resources are locked in their order, as far as plans allow.
        ordered = sorted(going, key=lambda pair: str(pair[0][PLAN_ARGUMENT]))
        self._metrics.together(len(ordered))
        try:
            calls = Jsonb([plain(arguments) for arguments, _ in ordered])
            with told():
                async with asyncio.timeout(FLIGHT_SECONDS):
                    answers = await value_of(self._pool, PLACE_MANY, calls)
        except RETRYABLE as error:
            # Undone whole: each tries by itself.
            for _, landed in ordered:
                if not landed.done():
                    landed.set_result({"raised": error.sqlstate})
        except TimeoutError:
            for _, landed in ordered:
                if not landed.done():
                    landed.set_exception(outcome_unknown())
        except Exception as error:
            for _, landed in ordered:
                if not landed.done():
                    landed.set_exception(error)
        else:
            for (_, landed), answer in zip(ordered, answers, strict=True):
                if not landed.done():
                    landed.set_result(answer)
        finally:
            self._land()


def plain(arguments: Sequence[object]) -> list[object]:
    """Returns the arguments of place as JSON has them."""
    found = [json_of(argument) for argument in arguments]
    found[LOCK_ARGUMENT] = LOCK_MS
    return found


def json_of(argument: object) -> object:
    """Returns one argument as JSON has it; bytes in hexadecimal."""
    if isinstance(argument, bytes):
        return argument.hex()
    if isinstance(argument, datetime):
        return argument.isoformat()
    return argument.obj if isinstance(argument, Jsonb) else argument
