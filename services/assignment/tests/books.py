"""A ledger under test: short words for its calls, and a check of what must always hold."""

from __future__ import annotations

import hashlib
import itertools
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import psycopg
from psycopg.conninfo import make_conninfo

from kit.db import Pool, open_pool
from services.assignment.app import SESSION
from services.assignment.domain import (
    BookingRequest,
    Checks,
    HoldTerms,
    Outcome,
    Placing,
    Question,
    Span,
    WriteKey,
)
from services.assignment.store import Ledger, Moves, Reads

MORNING = datetime(2027, 3, 1, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
BUFFER = timedelta(minutes=15)
NO_CHECKS = Checks()
SECRET_HASH = hashlib.sha256(b"secret").digest()


def slot(hours: float = 0.0, *, length: timedelta = HOUR) -> Span:
    start = MORNING + timedelta(hours=hours)
    return Span(start, start + length)


def key(
    method: str, name: str = "", *, tenant: str = "acme", actor: str = "ann", payload: str = ""
):
    digest = hashlib.sha256(f"{method} {payload}".encode()).digest()
    return WriteKey(tenant, actor, method, name or str(uuid.uuid4()), digest)


@dataclass
class Books:
    """One tenant's view of a ledger, unless told otherwise."""

    ledger: Ledger
    reads: Reads
    moves: Moves
    pool: Pool
    numbers: itertools.count = field(default_factory=itertools.count)

    def placing(
        self,
        *resources: str,
        at: Span | None = None,
        request: str = "",
        any_of: bool = False,
        customer: str = "",
        reason: str = "because",
        buffer: timedelta = BUFFER,
        checks: Checks = NO_CHECKS,
    ) -> Placing:
        when = at or slot()
        return Placing(
            allocation_id=f"a{next(self.numbers)}-{uuid.uuid4()}",
            question=Question("visit", booking_request_id=request, customer_hash=customer),
            resource_ids=resources or ("r1",),
            any_of=any_of,
            slot=when,
            occupied=Span(when.start - buffer, when.end + buffer),
            reasons=(reason,),
            checks=checks,
        )

    async def hold(
        self, *resources: str, ttl: float = 90.0, write: WriteKey | None = None, budget=5, **more
    ):
        terms = HoldTerms(seconds=ttl, token_hash=SECRET_HASH, max_live_holds=budget)
        placing = self.placing(*resources, **more)
        return await self.ledger.place(write or key("PlaceHold"), placing, hold=terms)

    async def assign(self, *resources: str, write: WriteKey | None = None, **more) -> Outcome:
        return await self.ledger.place(
            write or key("Assign"), self.placing(*resources, **more), hold=None
        )

    async def confirm(
        self, hold_id: str, *, write: WriteKey | None = None, reason="fits"
    ) -> Outcome:
        return await self.ledger.confirm(
            write or key("ConfirmHold"), hold_id=hold_id, token_hash=SECRET_HASH, reason=reason
        )

    async def release(self, hold_id: str, *, write: WriteKey | None = None) -> Outcome:
        return await self.ledger.release(
            write or key("ReleaseHold"), hold_id=hold_id, token_hash=SECRET_HASH
        )

    async def cancel(self, assignment_id: str, *, version=0, close=False, write=None) -> Outcome:
        return await self.ledger.cancel(
            write or key("CancelAssignment"),
            assignment_id=assignment_id,
            version=version,
            reason="changed plans",
            close_request=close,
        )

    async def extend(self, hold_id: str, *, ttl: float = 90.0, write=None) -> Outcome:
        return await self.moves.extend(
            write or key("ExtendHold"),
            hold_id=hold_id,
            token_hash=SECRET_HASH,
            seconds=ttl,
            extensions_max=2,
        )

    async def reassign(
        self, assignment_id: str, *resources: str, version=0, write=None, **more
    ) -> Outcome:
        return await self.moves.reassign(
            write or key("Reassign"),
            self.placing(*resources, **more),
            assignment_id=assignment_id,
            version=version,
        )

    async def complete(self, assignment_id: str, *, version=0, write=None) -> Outcome:
        return await self.moves.complete(
            write or key("CompleteAssignment"),
            assignment_id=assignment_id,
            version=version,
            reason="done",
        )

    async def update(self, name: str, *, version=0, write=None, **changes) -> Outcome:
        return await self.moves.update_request(
            write or key("UpdateRequest"), request_id=name, version=version, changes=changes
        )

    async def request(self, name: str = "", *, write: WriteKey | None = None, **more) -> str:
        name = name or f"q{next(self.numbers)}"
        wanted = BookingRequest(
            id=name, service_type_id="visit", window=Span(MORNING, MORNING + timedelta(days=30))
        )
        outcome = await self.ledger.create_request(
            write or key("CreateRequest"), replace(wanted, **more)
        )
        assert outcome.refusal is None, outcome.refusal
        return name

    async def cancel_request(self, name: str, *, version: int = 0) -> Outcome:
        return await self.ledger.cancel_request(
            key("CancelRequest"), request_id=name, version=version, reason="no longer wanted"
        )

    async def state_of(self, request: str, *, tenant: str = "acme") -> str:
        found = await self.reads.request(tenant, request)
        return found.state.value if found else "nowhere"


@asynccontextmanager
async def open_books(url: str, *, size: int = 8) -> AsyncIterator[Books]:
    """Opens a ledger whose sessions are those of the service."""
    session = make_conninfo(url, options=SESSION)
    async with open_pool(session, size=size, application="test", autocommit=True) as pool:
        ledger = Ledger(pool)
        yield Books(ledger, Reads(pool), Moves(ledger, pool), pool)


def reason(outcome: Outcome) -> str:
    return outcome.refusal.reason if outcome.refusal else "OK"


def allocation_id(outcome: Outcome) -> str:
    assert outcome.allocation is not None, outcome.refusal
    return outcome.allocation.id


# Each query finds what must not be; they look at allocations, not at the claims that guard them.
LAWS = {
    "double booking": """
        SELECT a.allocation_id, b.allocation_id, r
        FROM assignment.allocation a, assignment.allocation b, unnest(a.resource_ids) r
        WHERE a.tenant_id = b.tenant_id AND a.allocation_id < b.allocation_id
          AND r = ANY (b.resource_ids)
          AND a.state IN ('HELD', 'ASSIGNED', 'COMPLETED')
          AND b.state IN ('HELD', 'ASSIGNED', 'COMPLETED')
          AND a.occupied_start < b.occupied_end AND b.occupied_start < a.occupied_end""",
    "live allocation without its claims, or claims without a live allocation": """
        SELECT a.allocation_id, n, c.allocation_id FROM (
            SELECT tenant_id, allocation_id, unnest(resource_nos) n, occupied_start, occupied_end
            FROM assignment.allocation WHERE state IN ('HELD', 'ASSIGNED', 'COMPLETED')) a
        FULL JOIN assignment.claim c
          ON c.tenant_id = a.tenant_id AND c.resource_no = a.n AND c.allocation_id = a.allocation_id
         AND c.starts_at = a.occupied_start AND c.ends_at = a.occupied_end
        WHERE a.allocation_id IS NULL OR c.allocation_id IS NULL""",
    "version without its event, or event without its version": """
        SELECT a.allocation_id, a.version, count(o.version), max(o.version)
        FROM assignment.allocation a LEFT JOIN assignment.outbox o
          ON o.tenant_id = a.tenant_id AND o.aggregate = a.allocation_id
         AND o.type = 'fairslot.assignment.v1.AllocationChanged'
        GROUP BY a.allocation_id, a.version, a.state
        HAVING count(o.version) <> a.version OR max(o.version) <> a.version""",
    "state that is not the last event's": """
        SELECT a.allocation_id, a.state, o.payload ->> 'state'
        FROM assignment.allocation a JOIN assignment.outbox o
          ON o.tenant_id = a.tenant_id AND o.aggregate = a.allocation_id AND o.version = a.version
         AND o.type = 'fairslot.assignment.v1.AllocationChanged'
        WHERE o.payload ->> 'state' <> a.state""",
    "versions out of the outbox's order": """
        SELECT * FROM (
            SELECT aggregate, version, lag(version, 1, 0) OVER (
                PARTITION BY tenant_id, type, aggregate ORDER BY id) before
            FROM assignment.outbox WHERE type LIKE '%.AllocationChanged') x
        WHERE version <> before + 1""",
    "request at odds with what serves it": """
        SELECT r.request_id, r.state, a.allocation_id, a.state
        FROM assignment.request r FULL JOIN (
            SELECT * FROM assignment.allocation
            WHERE request_id IS NOT NULL AND state IN ('HELD', 'ASSIGNED', 'COMPLETED')) a
          ON a.tenant_id = r.tenant_id AND a.request_id = r.request_id
        WHERE r.allocation_id IS DISTINCT FROM a.allocation_id
           OR (a.allocation_id IS NOT NULL AND a.state <> r.state)
           OR (a.allocation_id IS NULL AND r.state NOT IN ('OPEN', 'CANCELLED'))""",
    "request version without exactly one event": """
        SELECT r.request_id, r.version, count(e.version), count(DISTINCT e.version), max(e.version)
        FROM assignment.request r LEFT JOIN (
            SELECT tenant_id, payload -> 'request' ->> 'id' id,
                   coalesce(payload ->> 'request_version', version::text)::bigint AS version
            FROM assignment.outbox WHERE payload ? 'request') e
          ON e.tenant_id = r.tenant_id AND e.id = r.request_id
        GROUP BY r.tenant_id, r.request_id, r.version
        HAVING count(e.version) <> r.version OR count(DISTINCT e.version) <> r.version""",
    "generation that is not in exactly one event": """
        SELECT r.resource_id, r.generation, count(DISTINCT g.generation), max(g.generation)
        FROM assignment.resource r LEFT JOIN (
            SELECT o.tenant_id, x ->> 'resource_id' id, (x ->> 'generation')::bigint generation
            FROM assignment.outbox o, jsonb_array_elements(
                o.payload -> 'resources' || coalesce(o.payload -> 'left', '[]')) x
            WHERE o.payload ->> 'state' <> 'EXPIRED') g
          ON g.tenant_id = r.tenant_id AND g.id = r.resource_id
        GROUP BY r.tenant_id, r.resource_id, r.generation
        HAVING count(g.generation) <> r.generation
            OR count(DISTINCT g.generation) <> r.generation""",
}


def violations(admin_url: str, *tenants: str) -> dict[str, list]:
    """Returns every law that is broken, with the rows that break it."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        found = {law: connection.execute(query).fetchall() for law, query in LAWS.items()}
        for tenant in tenants or ("acme",):
            found[f"audit of {tenant}"] = connection.execute(
                "SELECT * FROM assignment.broken_audit(%s)", (tenant,)
            ).fetchall()
    return {law: rows for law, rows in found.items() if rows}


def deadlocks(admin_url: str) -> int:
    """Returns how many deadlocks the database has seen."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
        row = connection.execute(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
        return row[0]
