"""Keeps who served which customer, as the ledger tells of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

import psycopg

from kit.call import current_caller
from kit.db import Pool, tenant_transaction

# How far back, and ahead, somebody counts as having served a customer.
LATELY = "180 days"
# The latest assignments of one customer that are looked at.
LOOKED_AT_MAX = 100

SERVE = """
INSERT INTO matching.service (tenant_id, assignment_id, customer_hash, resource_ids, start_at)
VALUES (%(tenant_id)s, %(assignment_id)s, %(customer_hash)s, %(resource_ids)s, %(start_at)s)
ON CONFLICT (tenant_id, assignment_id) DO UPDATE
SET resource_ids = excluded.resource_ids, start_at = excluded.start_at
"""
MOVE = """
UPDATE matching.service SET resource_ids = %(resource_ids)s, start_at = %(start_at)s
WHERE tenant_id = %(tenant_id)s AND assignment_id = %(assignment_id)s
"""
CANCEL = """
DELETE FROM matching.service
WHERE tenant_id = %(tenant_id)s AND assignment_id = %(assignment_id)s
"""
SERVED = f"""
SELECT resource_ids FROM matching.service
WHERE tenant_id = %(tenant_id)s AND customer_hash = %(customer_hash)s
  AND start_at > now() - interval '{LATELY}' AND assignment_id <> %(but_for)s
ORDER BY start_at DESC, assignment_id LIMIT {LOOKED_AT_MAX}
"""


@dataclass(frozen=True, slots=True)
class Service:
    """An assignment as the ledger last told of it.

    An empty customer is the one it had before; no resources mean that it was cancelled.
    """

    tenant: str
    assignment_id: str
    customer_hash: str
    resource_ids: tuple[str, ...]
    start: datetime


class CustomerRows:
    """Reads who served one tenant's customers."""

    def __init__(self, pool: Pool) -> None:
        """Takes connections as the service's role."""
        self._pool = pool

    async def served_by(self, customer_hash: str, *, but_for: str) -> Mapping[str, int]:
        """Returns who was booked for a customer lately, and how often; the allocation `but_for`
        does not count.
        """
        tenant = current_caller().tenant
        values = {"tenant_id": tenant, "customer_hash": customer_hash, "but_for": but_for}
        async with tenant_transaction(self._pool, tenant) as connection:
            rows = await (await connection.execute(SERVED, values)).fetchall()
        counts = Counter(name for (names,) in rows for name in names)
        return dict(sorted(counts.items()))


async def note(cursor: psycopg.AsyncCursor[Any], services: Sequence[Service]) -> None:
    """Takes over what the ledger told, in its order; telling it twice makes no difference."""
    for statement, alike in groupby(services, key=_statement):
        values = [
            {
                "tenant_id": one.tenant,
                "assignment_id": one.assignment_id,
                "customer_hash": one.customer_hash,
                "resource_ids": list(one.resource_ids),
                "start_at": one.start,
            }
            for one in alike
        ]
        await cursor.executemany(statement, values)


def _statement(service: Service) -> str:
    if not service.resource_ids:
        return CANCEL
    return SERVE if service.customer_hash else MOVE
