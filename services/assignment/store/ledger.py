"""Writes to the ledger, each one call of the database: one round trip, one transaction."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from kit.call import remaining_seconds
from kit.db import Pool, retrying
from kit.fault import TimedOut
from services.assignment.domain import (
    BookingRequest,
    Candidate,
    HoldTerms,
    Outcome,
    Placing,
    Refusal,
    WriteKey,
)
from services.assignment.store.codec import (
    candidate_of,
    candidates_json,
    checks_json,
    outcome_of,
    place_json,
    refusal_json,
    wish_of,
)
from services.assignment.store.metrics import LedgerMetrics
from services.assignment.store.running import NOT_REGISTERED, told, value_of
from services.assignment.store.together import Together

# How long one lock is waited for at most; less where the caller's deadline is nearer.
LOCK_SECONDS_MAX = 3.0
# Left of the deadline for the way back; with less than the least there is no point in starting.
WAY_BACK_SECONDS = 0.05
LEAST_SECONDS = 0.03
# A plan is placed again once its resources are registered.
PLACINGS_MAX = 2

KEY = "%s::text, %s::text, %s::text, %s::text, %s::bytea, %s::int"
PLACE = (
    f"SELECT assignment.place({KEY}, %s::text, %s::text, %s::text, %s::text[], %s::bool,"
    " %s::timestamptz, %s::timestamptz, %s::timestamptz, %s::timestamptz,"
    " %s::float8, %s::bytea, %s::text, %s::int, %s::int, %s::jsonb, %s::text[], %s::jsonb)"
)
CONFIRM = f"SELECT assignment.confirm({KEY}, %s::text, %s::bytea, %s::text)"
RELEASE = f"SELECT assignment.release({KEY}, %s::text, %s::bytea)"
CANCEL = f"SELECT assignment.cancel({KEY}, %s::text, %s::bigint, %s::text, %s::bool)"
CREATE_REQUEST = (
    f"SELECT assignment.create_request({KEY}, %s::text, %s::text, %s::timestamptz,"
    " %s::timestamptz, %s::int, %s::text, %s::jsonb)"
)
CANCEL_REQUEST = f"SELECT assignment.cancel_request({KEY}, %s::text, %s::bigint, %s::text)"
SETTLE = f"SELECT assignment.settle({KEY}, %s::jsonb)"
FIND_OUTCOME = f"SELECT assignment.find_outcome({KEY})"
ATTACH = (
    "SELECT assignment.attach_alternatives(%s::text, %s::text, %s::text, %s::text, %s::jsonb,"
    " %s::int, %s::interval, %s::interval)"
)
REGISTER = "SELECT assignment.register_resources(%s::text, %s::text[])"
FIND_SECRET = "SELECT value FROM assignment.secret WHERE name = 'hold_token'"  # noqa: S105


class Ledger:
    """Commits time. The rules are in migrations/sql; here they are called and answers read."""

    def __init__(self, pool: Pool, metrics: LedgerMetrics | None = None) -> None:
        """Takes a pool of connections that commit every statement by itself."""
        self._pool = pool
        self._metrics = metrics or LedgerMetrics()
        self._together = Together(pool, self._metrics)

    async def place(self, key: WriteKey, placing: Placing, *, hold: HoldTerms | None) -> Outcome:
        """Commits a plan: as a hold on these terms, or without terms as an assignment at once."""
        wanted = placing.question
        arguments = (
            placing.allocation_id,
            wanted.booking_request_id or None,
            wanted.service_type_id,
            list(placing.resource_ids),
            placing.any_of,
            placing.slot.start,
            placing.slot.end,
            placing.occupied.start,
            placing.occupied.end,
            hold.seconds if hold else None,
            hold.token_hash if hold else None,
            wanted.customer_hash,
            hold.max_live_holds if hold else 0,
            wanted.party_size,
            Jsonb(place_json(wanted.place)) if wanted.place else None,
            list(placing.reasons),
            jsonb_or_null(checks_json(placing.checks)),
        )
        alone = partial(self.registered, key, placing.resource_ids, PLACE, *arguments)
        return await self._together.place((*named(key), *arguments), alone)

    async def confirm(
        self, key: WriteKey, *, hold_id: str, token_hash: bytes, reason: str
    ) -> Outcome:
        """Turns a live hold into an assignment."""
        return await self.write(CONFIRM, key, hold_id, token_hash, reason)

    async def release(self, key: WriteKey, *, hold_id: str, token_hash: bytes) -> Outcome:
        """Gives a hold back."""
        return await self.write(RELEASE, key, hold_id, token_hash)

    async def cancel(
        self, key: WriteKey, *, assignment_id: str, version: int, reason: str, close_request: bool
    ) -> Outcome:
        """Cancels an assignment; version 0 accepts any."""
        return await self.write(CANCEL, key, assignment_id, version, reason, close_request)

    async def create_request(self, key: WriteKey, request: BookingRequest) -> Outcome:
        """Creates a booking request in state OPEN."""
        return await self.write(
            CREATE_REQUEST,
            key,
            request.id,
            request.service_type_id,
            request.window.start,
            request.window.end,
            request.party_size,
            request.customer_hash,
            Jsonb(wish_of(request)),
        )

    async def cancel_request(
        self, key: WriteKey, *, request_id: str, version: int, reason: str
    ) -> Outcome:
        """Cancels a booking request that is not assigned; version 0 accepts any."""
        return await self.write(CANCEL_REQUEST, key, request_id, version, reason)

    async def settle(self, key: WriteKey, refusal: Refusal) -> Outcome:
        """Stores a refusal decided outside the ledger, unless the key has an outcome already."""
        return await self.write(SETTLE, key, Jsonb(refusal_json(refusal)))

    async def stored(self, key: WriteKey) -> Outcome | None:
        """Returns the outcome a key has already, if any."""
        answer = await self._run(FIND_OUTCOME, *named(key))
        return None if answer is None else outcome_of(answer)

    async def attach_alternatives(
        self,
        key: WriteKey,
        candidates: tuple[Candidate, ...],
        *,
        limit: int,
        before: timedelta,
        after: timedelta,
    ) -> tuple[Candidate, ...]:
        """Stores with a refusal the first candidates that are free in the ledger; returns those
        stored.
        """
        stored = await self._run(
            ATTACH,
            key.tenant,
            key.actor,
            key.method,
            key.key,
            Jsonb(candidates_json(candidates)),
            limit,
            before,
            after,
        )
        return tuple(map(candidate_of, stored))

    async def hold_token_key(self) -> bytes:
        """Returns the key that hold tokens are made with; all processes share it."""
        return bytes(await self._run(FIND_SECRET))

    async def write(self, statement: str, key: WriteKey, *arguments: object) -> Outcome:
        """Makes one call under a key; raises CheckAgain where a plan must be checked again."""
        outcome = outcome_of(await self._run(statement, *named(key), *arguments))
        self._metrics.written(key.method, outcome)
        return outcome

    async def registered(
        self, key: WriteKey, resource_ids: Sequence[str], statement: str, *arguments: object
    ) -> Outcome:
        """Makes a call that takes time of resources, which the ledger may not have met yet."""
        for attempt in range(1, PLACINGS_MAX + 1):
            try:
                return await self.write(statement, key, *arguments)
            except psycopg.Error as error:
                if error.sqlstate != NOT_REGISTERED or attempt == PLACINGS_MAX:
                    raise
                await self._run(REGISTER, key.tenant, list(resource_ids))
        raise AssertionError("the loop returns or raises")

    async def _run(self, statement: str, *arguments: object) -> Any:
        with told():
            return await retrying(
                partial(value_of, self._pool, statement, *arguments),
                on_retry=self._metrics.retried,
            )


def jsonb_or_null(value: object | None) -> Jsonb | None:
    """Returns a value as JSON for the database; nothing for nothing."""
    return None if value is None else Jsonb(value)


def named(key: WriteKey) -> tuple[object, ...]:
    """Returns the arguments that every write begins with."""
    return (key.tenant, key.actor, key.method, key.key, key.fingerprint, lock_milliseconds())


def lock_milliseconds() -> int:
    """Returns how long to wait for one lock; refuses when the deadline is too near to begin."""
    left = remaining_seconds(default=LOCK_SECONDS_MAX + WAY_BACK_SECONDS)
    if left < LEAST_SECONDS:
        raise TimedOut("DEADLINE_EXCEEDED", "the deadline is too near to begin")
    return max(1, int(min(LOCK_SECONDS_MAX, left - WAY_BACK_SECONDS) * 1000))
