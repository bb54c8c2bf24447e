"""Keeps what the ledger's events say: by version, so that twice or late makes no difference."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from psycopg.types.json import Jsonb

from kit.db import Connection, leading
from services.availability.domain import Allocation, Span, ceil_minute, floor_minute
from services.availability.store.rows import bound, fetch, fetch_one
from services.availability.store.time_codec import allocation_values

LEDGER = "ASSIGNMENT"
# Any number that nothing else on the server locks.
LEADER_LOCK = 0x_FA12_A7A1

UPSERT = """
INSERT INTO availability.allocation AS known (tenant_id, id, version, state, resource_ids,
  slot_start, slot_end, occupied_start, occupied_end, expires_at,
  latitude, longitude, service_type_id, booked_at)
SELECT tenant_id, id, version, state, resource_ids, slot_start, slot_end,
  occupied_start, occupied_end, expires_at, latitude, longitude, service_type_id, booked_at
FROM jsonb_to_recordset(%(rows)s) AS said (tenant_id text, id text, version bigint, state text,
  resource_ids text[], slot_start timestamptz, slot_end timestamptz, occupied_start timestamptz,
  occupied_end timestamptz, expires_at timestamptz, latitude float8, longitude float8,
  service_type_id text, booked_at timestamptz)
ON CONFLICT (tenant_id, id) DO UPDATE SET version = excluded.version, state = excluded.state,
  resource_ids = excluded.resource_ids, slot_start = excluded.slot_start,
  slot_end = excluded.slot_end, occupied_start = excluded.occupied_start,
  occupied_end = excluded.occupied_end, expires_at = excluded.expires_at,
  latitude = excluded.latitude, longitude = excluded.longitude,
  service_type_id = excluded.service_type_id,
  booked_at = coalesce(known.booked_at, excluded.booked_at)
WHERE excluded.version > known.version
"""
RAISE_GENERATION = """
INSERT INTO availability.resource_generation AS known (tenant_id, resource_id, generation)
SELECT * FROM unnest(%(tenant_ids)s::text[], %(resource_ids)s::text[], %(generations)s::bigint[])
ON CONFLICT (tenant_id, resource_id) DO UPDATE SET generation = excluded.generation
WHERE excluded.generation > known.generation
"""
PRIOR = """
SELECT tenant_id, id, version, occupied_start, occupied_end FROM availability.allocation
WHERE (tenant_id, id) IN (SELECT * FROM unnest(%(tenant_ids)s::text[], %(ids)s::text[]))
"""
STAMP = """
INSERT INTO availability.day_stamp (tenant_id, day, stamp)
SELECT * FROM unnest(%(tenant_ids)s::text[], %(days)s::int[], %(stamps)s::text[])
ON CONFLICT (tenant_id, day) DO UPDATE SET stamp = excluded.stamp
"""
STAMPS = "SELECT day, stamp FROM availability.day_stamp WHERE tenant_id = %(tenant_id)s"
MOVE = """
INSERT INTO availability.projection (stream, made_at, position)
VALUES (%(stream)s, %(made_at)s, %(position)s)
ON CONFLICT (stream) DO UPDATE SET made_at = excluded.made_at, position = excluded.position
"""
# Moments as PostgreSQL reads them.
_text = partial(json.dumps, default=datetime.isoformat)
POSITION = "SELECT made_at, position FROM availability.projection WHERE stream = %(stream)s"


@dataclass(frozen=True, slots=True)
class LedgerMove:
    """One event of the ledger: an allocation, and the generations of the resources it touched."""

    tenant: str
    allocation: Allocation
    generations: Mapping[str, int]
    # Where in the ledger's stream it stands.
    position: int = 0


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a stream; a stream that was made anew counts from its beginning."""

    made_at: str
    number: int

    def stamp(self, number: int) -> str:
        """Names the event at another place of the same stream."""
        return f"{self.made_at}/{number}"


class Projection:
    """Writes the projection of the ledger; one process at a time holds the lead."""

    def __init__(self, url: str) -> None:
        """Takes the URL of the worker's role, which works across tenants."""
        self._url = url

    @asynccontextmanager
    async def lead(self) -> AsyncIterator[Connection | None]:
        """Yields a session with the lead, or none where another process has it."""
        async with leading(
            self._url, LEADER_LOCK, application="availability-projection"
        ) as connection:
            yield connection

    async def apply(
        self, connection: Connection, moves: Sequence[LedgerMove], position: Position
    ) -> None:
        """Applies events and moves the position, together or not at all."""
        async with connection.transaction(), connection.cursor() as cursor:
            if moves:
                stamps = await _stamps(connection, moves, position)
                await cursor.execute(STAMP, stamps)
                await cursor.execute(UPSERT, {"rows": Jsonb(_newest(moves), dumps=_text)})
                await cursor.execute(RAISE_GENERATION, _generations(moves))
            await cursor.execute(
                MOVE,
                {"stream": LEDGER, "made_at": position.made_at, "position": position.number},
            )

    async def position(self, connection: Connection) -> Position:
        """Gives how far the projection has come."""
        return await projected(connection)


async def projected(connection: Connection) -> Position:
    """Gives how far the projection has come, to any role."""
    row = await fetch_one(connection, POSITION, {"stream": LEDGER})
    return Position("", 0) if row is None else Position(row["made_at"], int(row["position"]))


async def day_stamps(connection: Connection, tenant: str) -> dict[int, str]:
    """Gives the last event on each day of a tenant, as far as the projection has come."""
    rows = await fetch(connection, STAMPS, bound(tenant, {}))
    return {row["day"]: row["stamp"] for row in rows}


async def _stamps(
    connection: Connection, moves: Sequence[LedgerMove], position: Position
) -> dict[str, Any]:
    """Gives the days on which the moves take or free time, each with the last move that does, in
    columns.
    """
    keys = {
        "tenant_ids": [move.tenant for move in moves],
        "ids": [move.allocation.id for move in moves],
    }
    known: dict[tuple[str, str], tuple[int, Span]] = {}
    for row in await fetch(connection, PRIOR, keys):
        span = Span(floor_minute(row["occupied_start"]), ceil_minute(row["occupied_end"]))
        known[row["tenant_id"], row["id"]] = (row["version"], span)
    stamps: dict[tuple[str, int], str] = {}
    for move in moves:
        key, said = (move.tenant, move.allocation.id), move.allocation
        version, before = known.get(key, (0, said.occupied))
        # Where it was before as well: what it leaves becomes free.
        for day in (*before.days(), *said.occupied.days()):
            stamps[move.tenant, day] = position.stamp(move.position)
        if said.version > version:
            known[key] = (said.version, said.occupied)
    return {
        "tenant_ids": [tenant for tenant, _ in stamps],
        "days": [day for _, day in stamps],
        "stamps": list(stamps.values()),
    }


def _newest(moves: Sequence[LedgerMove]) -> list[dict[str, Any]]:
    """Gives the last version of each allocation, as if they were applied one after the other."""
    found: dict[tuple[str, str], Allocation] = {}
    for move in moves:
        key, said = (move.tenant, move.allocation.id), move.allocation
        known = found.get(key)
        if known is None:
            found[key] = said
        elif said.version > known.version:
            found[key] = replace(said, booked_at=known.booked_at or said.booked_at)
    return [bound(tenant, allocation_values(said)) for (tenant, _), said in found.items()]


def _generations(moves: Sequence[LedgerMove]) -> dict[str, Any]:
    """Gives the highest generation of each resource, in columns."""
    highest: dict[tuple[str, str], int] = {}
    for move in moves:
        for resource_id, generation in move.generations.items():
            key = (move.tenant, resource_id)
            highest[key] = max(generation, highest.get(key, 0))
    return {
        "tenant_ids": [tenant for tenant, _ in highest],
        "resource_ids": [resource_id for _, resource_id in highest],
        "generations": list(highest.values()),
    }
