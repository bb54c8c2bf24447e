"""Databases to measure on: a fresh ledger with booking requests in it, and its size."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import psycopg
from psycopg.conninfo import make_conninfo

from deploy.local.database import create_database, drop_database, set_up
from kit.db import open_pool
from services.assignment.app import SESSION
from services.assignment.domain import Outcome, Placing, Question, Span, WriteKey
from services.assignment.store import Ledger, Reads

TENANT = "bench"
MORNING = datetime(2027, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
LANES = 64
RESOURCES_PER_LANE = 10
ROLE_SECRET = "for the roles of measured databases"

REQUESTS = """
INSERT INTO assignment.request (tenant_id, request_id, state, service_type_id, window_start,
    window_end, party_size, customer_hash, wish, created_at)
SELECT %(tenant)s, format('%%s-%%s-%%s', %(name)s::text, lane, n), 'OPEN', 'visit', %(start)s,
       %(start)s + interval '10 years', 0, '', '{}', now()
FROM generate_series(0, %(lanes)s - 1) AS lane, generate_series(0, %(each)s - 1) AS n
"""
RESOURCES = """
INSERT INTO assignment.resource (tenant_id, resource_id)
SELECT %(tenant)s, format('r%%s-%%s', lane, n)
FROM generate_series(0, %(lanes)s - 1) AS lane, generate_series(0, %(each)s - 1) AS n
"""


@dataclass(frozen=True)
class Measured:
    """A database with a ledger: as the service reaches it, and as its administrator."""

    url: str
    admin_url: str

    def fill(self, name: str, *, each: int, lanes: int = LANES) -> None:
        """Adds booking requests `name`-lane-number to be booked, each by one writer's lane."""
        with psycopg.connect(self.admin_url, autocommit=True) as admin:
            values = {"tenant": TENANT, "start": MORNING, "lanes": lanes, "name": name}
            admin.execute(REQUESTS, {**values, "each": each})
            admin.execute("ANALYZE assignment.request")

    def count(self, query: str) -> int:
        """Returns the one number that a query of the administrator gives."""
        with psycopg.connect(self.admin_url, autocommit=True) as admin:
            row = admin.execute(query.encode()).fetchone()
        assert row is not None
        return int(row[0])


@contextmanager
def fresh_ledger(server_url: str, name: str) -> Iterator[Measured]:
    """Makes a ledger of its own, with all lanes' resources, and removes it."""
    drop_database(server_url, name)
    admin_url = create_database(server_url, name)
    try:
        urls = set_up(admin_url, secret=ROLE_SECRET, services=["assignment"])
        with psycopg.connect(admin_url, autocommit=True) as admin:
            values = {"tenant": TENANT, "lanes": LANES, "each": RESOURCES_PER_LANE}
            admin.execute(RESOURCES, values)
            admin.execute("ANALYZE")
        yield Measured(urls["assignment"].app, admin_url)
    finally:
        drop_database(server_url, name)


@dataclass
class Desk:
    """Books as the service's engine does, without a wire: reads the request, then commits."""

    ledger: Ledger
    reads: Reads
    name: str
    first: int = 0
    numbers: list[Iterator[int]] = field(
        default_factory=lambda: [itertools.count() for _ in range(LANES)]
    )

    async def book(self, lane: int) -> Outcome:
        """Gives the lane's next request the lane's next free slot."""
        number = next(self.numbers[lane])
        request = f"{self.name}-{lane}-{number}"
        found = await self.reads.request(TENANT, request)
        assert found is not None, request
        outcome = await self.ledger.place(self.key(request), self.placing(lane, number), hold=None)
        assert outcome.refusal is None, outcome.refusal
        return outcome

    def key(self, request: str) -> WriteKey:
        """Returns the key under which a request is booked."""
        return WriteKey(TENANT, "ann", "Assign", request, hashlib.sha256(request.encode()).digest())

    def placing(self, lane: int, number: int) -> Placing:
        """Returns the plan: one of the lane's resources, two hours after its last."""
        request = f"{self.name}-{lane}-{number}"
        turn, resource = divmod(self.first + number, RESOURCES_PER_LANE)
        slot = Span(MORNING + 2 * turn * HOUR, MORNING + (2 * turn + 1) * HOUR)
        return Placing(
            allocation_id=f"a-{request}",
            question=Question("visit", booking_request_id=request),
            resource_ids=(f"r{lane}-{resource}",),
            any_of=False,
            slot=slot,
            occupied=slot,
            reasons=("measured",),
        )


@asynccontextmanager
async def open_desk(
    measured: Measured, name: str, *, size: int, first: int = 0
) -> AsyncIterator[Desk]:
    """Opens a pool as the service does; `first` is where the lanes' free time begins."""
    url = make_conninfo(measured.url, options=SESSION)
    async with open_pool(url, size=size, application="bench", autocommit=True) as pool:
        yield Desk(Ledger(pool), Reads(pool), name, first)
