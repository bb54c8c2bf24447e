"""Keeps on which side of the tolerance people stand, and tells when one changes sides."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from kit.db import Connection, Pool, leading, tenant_transaction
from services.matching.store.decisions import Position

DRIFTED = "fairslot.matching.v1.FairnessDrifted"
STREAM = "ASSIGNMENT for fairness"
# Any number that nothing else on the server locks.
LEADER_LOCK = 0x_FA12_3A7D

LOCKED = """
SELECT resource_id, within_tolerance, version FROM matching.standing
WHERE tenant_id = %(tenant_id)s AND month = %(month)s FOR UPDATE
"""
SAVE = """
INSERT INTO matching.standing (tenant_id, month, resource_id, within_tolerance, version)
VALUES (%(tenant_id)s, %(month)s, %(resource_id)s, %(within)s, %(version)s)
ON CONFLICT (tenant_id, month, resource_id) DO UPDATE
SET within_tolerance = excluded.within_tolerance, version = excluded.version
"""
TELL = """
INSERT INTO matching.outbox (tenant_id, aggregate, version, type, payload)
VALUES (%(tenant_id)s, %(aggregate)s, %(version)s, %(type)s, %(payload)s)
"""
POSITION = "SELECT made_at, position FROM matching.projection WHERE stream = %s"
MOVE = """
INSERT INTO matching.projection (stream, made_at, position) VALUES (%s, %s, %s)
ON CONFLICT (stream) DO UPDATE SET made_at = excluded.made_at, position = excluded.position
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where somebody stands in a month, and what to tell of it."""

    resource_id: str
    within: bool
    payload: dict[str, Any]


class Standings:
    """The standings of all tenants, and how far the ledger was read for them."""

    def __init__(self, pool: Pool, worker_url: str) -> None:
        """Takes connections as the service's role, and the URL of the session that leads."""
        self._pool = pool
        self._worker_url = worker_url

    async def settle(self, tenant: str, month: str, now: Sequence[Standing]) -> int:
        """Takes over where people stand; tells of those who changed sides, and how many they are.

        Who was never looked at before counts as having been within.
        """
        told = 0
        async with tenant_transaction(self._pool, tenant) as connection:
            scope = {"tenant_id": tenant, "month": month}
            rows = await (await connection.execute(LOCKED, scope)).fetchall()
            known = {row[0]: (bool(row[1]), int(row[2])) for row in rows}
            for one in now:
                within, version = known.get(one.resource_id, (True, 0))
                if within == one.within:
                    continue
                told += 1
                values = scope | {
                    "resource_id": one.resource_id,
                    "within": one.within,
                    "version": version + 1,
                    "aggregate": f"fairness/{month}/{one.resource_id}",
                    "type": DRIFTED,
                    "payload": Jsonb(one.payload | {"version": str(version + 1)}),
                }
                await connection.execute(SAVE, values)
                await connection.execute(TELL, values)
        return told

    @asynccontextmanager
    async def lead(self) -> AsyncIterator[Connection | None]:
        """Opens a session that leads, or nothing if another process does already."""
        async with leading(
            self._worker_url, LEADER_LOCK, application="matching-standings"
        ) as connection:
            yield connection

    async def position(self, connection: Connection) -> Position | None:
        """Returns how far the ledger's stream was read; nothing where it never was."""
        row = await (await connection.execute(POSITION, (STREAM,))).fetchone()
        return None if row is None else Position(row[0], int(row[1]))

    async def move(self, connection: Connection, position: Position) -> None:
        """Says how far the ledger's stream is read."""
        await connection.execute(MOVE, (STREAM, position.made_at, position.number))
