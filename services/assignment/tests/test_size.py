"""A ledger of millions of allocations books as one that is empty; the sizes are printed."""

from __future__ import annotations

import time
from statistics import median

import psycopg
import pytest

from services.assignment.tests.books import open_books, slot

RESOURCES = 2000
CALLS = 100
TURNS = 11
# Hours of each resource that are filled in at once.
STEP = 250
RESOURCES_MADE = """
SET session_replication_role = replica;
INSERT INTO assignment.resource (tenant_id, resource_id)
SELECT 'acme', 'old' || n FROM generate_series(1, {resources}) AS n;
"""
# What was assigned and delivered before, an hour every two hours of each resource, years ago.
FILL = """
INSERT INTO assignment.allocation (tenant_id, allocation_id, version, state, service_type_id,
    resource_ids, resource_nos, slot_start, slot_end, occupied_start, occupied_end, party_size,
    customer_hash, reason, created_by, assigned_by, assigned_at)
SELECT 'acme', format('old-%s-%s', r.resource_no, n), 1, 'ASSIGNED', 'visit', ARRAY[r.resource_id],
       ARRAY[r.resource_no], t, t + interval '1 h', t, t + interval '1 h', 0, '', 'kept', 'ann',
       'ann', t
FROM (SELECT * FROM assignment.resource WHERE resource_id LIKE 'old%') AS r,
     generate_series({first}, {last}) AS n,
     LATERAL (SELECT '2020-01-01Z'::timestamptz + n * interval '2 h' AS t) AS at;
INSERT INTO assignment.claim (tenant_id, resource_no, starts_at, ends_at, allocation_id)
SELECT tenant_id, resource_nos[1], occupied_start, occupied_end, allocation_id
FROM assignment.allocation
WHERE tenant_id = 'acme' AND allocation_id LIKE 'old-%'
  AND slot_start > '2020-01-01Z'::timestamptz + {before} * interval '2 h';
"""
SIZES = """
SELECT c.relname, pg_size_pretty(pg_relation_size(c.oid)) FROM pg_class AS c
WHERE c.relnamespace = 'assignment'::regnamespace AND c.relkind IN ('r', 'i')
  AND pg_relation_size(c.oid) > 1000000 ORDER BY pg_relation_size(c.oid) DESC LIMIT 12"""


async def timed(books, first: int, took: list[float]) -> None:
    """Books, and adds how many milliseconds each took."""
    for number in range(first, first + CALLS):
        at = time.perf_counter()
        outcome = await books.assign(f"r{number % 8}", at=slot(number // 8 * 2))
        took.append((time.perf_counter() - at) * 1000)
        assert outcome.refusal is None


def said(took: list[float]) -> str:
    ordered = sorted(took)
    return f"p50 {median(ordered):.2f} ms, p99 {ordered[len(ordered) * 99 // 100]:.2f} ms"


def fill(admin, *, each: int) -> None:
    """Gives each resource so many hours that are over, and says how far it is."""
    admin.execute(RESOURCES_MADE.format(resources=RESOURCES).encode())
    for before in range(0, each, STEP):
        last = min(before + STEP, each)
        admin.execute(FILL.format(before=before, first=before + 1, last=last).encode())
        print(f"{last * RESOURCES / 1e6:.1f} million", end=" ", flush=True)
    admin.execute("ANALYZE")
    admin.execute("CHECKPOINT")


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("millions", [0.2, 5])
async def test_a_large_ledger_is_as_quick_as_an_empty_one(database, millions):
    empty, large = database("assignment"), database("assignment")
    with psycopg.connect(large.admin_url, autocommit=True) as admin:
        fill(admin, each=int(millions * 1_000_000 / RESOURCES))
        sizes = admin.execute(SIZES).fetchall()
    took: tuple[list[float], list[float]] = ([], [])
    async with (
        open_books(empty.url) as small_books,
        open_books(large.url) as large_books,
    ):
        # In turns, so that both meet the same machine; the first turn warms up.
        for turn in range(TURNS):
            for books, times in zip((small_books, large_books), took, strict=True):
                await timed(books, turn * CALLS, times if turn else [])
    print(f"{millions} million: {said(took[1])}; an empty one: {said(took[0])}")
    print(*(f"{name} {size}" for name, size in sizes), sep=", ")
    assert sum(took[1]) < 1.3 * sum(took[0])
    assert median(took[1]) < 1.3 * median(took[0])
