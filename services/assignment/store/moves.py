"""The writes beside the hot path: edits of requests, longer holds, moves, completion, flags."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from psycopg.types.json import Jsonb

from kit.db import Pool, retrying
from services.assignment.domain import (
    Allocation,
    Outcome,
    Place,
    Placing,
    Risk,
    WriteKey,
)
from services.assignment.store.codec import allocation_of, checks_json, place_of
from services.assignment.store.ledger import KEY, Ledger, jsonb_or_null
from services.assignment.store.running import rows_of, told, value_of

UPDATE_REQUEST = f"SELECT assignment.update_request({KEY}, %s::text, %s::bigint, %s::jsonb)"
EXTEND = f"SELECT assignment.extend({KEY}, %s::text, %s::bytea, %s::float8, %s::int)"
REASSIGN = (
    f"SELECT assignment.reassign({KEY}, %s::text, %s::bigint, %s::text[], %s::timestamptz,"
    " %s::timestamptz, %s::timestamptz, %s::timestamptz, %s::text, %s::jsonb)"
)
COMPLETE = f"SELECT assignment.complete({KEY}, %s::text, %s::bigint, %s::text)"
NOTE_CATALOG = "SELECT assignment.note_catalog(%s::text, %s::text[], %s::bigint)"
TO_COME = (
    "SELECT record, place, required FROM assignment.to_come("
    "%s::text, %s::text[], %s::timestamptz, %s::text, %s::int)"
)
FLAG = "SELECT assignment.flag(%s::text, %s::text, %s::bigint, %s::jsonb, %s::text)"
START = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ToCome:
    """A live hold or assignment that has not ended, with what a question about it needs."""

    allocation: Allocation
    place: Place | None
    required_skills: tuple[str, ...]


class Moves:
    """Changes what the ledger has already."""

    def __init__(self, ledger: Ledger, pool: Pool) -> None:
        """Takes the ledger, and the pool for what is done without a key."""
        self._ledger = ledger
        self._pool = pool

    async def update_request(
        self, key: WriteKey, *, request_id: str, version: int, changes: Mapping[str, Any]
    ) -> Outcome:
        """Replaces fields of a booking request; version 0 accepts any."""
        return await self._ledger.write(
            UPDATE_REQUEST, key, request_id, version, Jsonb(dict(changes))
        )

    async def extend(
        self,
        key: WriteKey,
        *,
        hold_id: str,
        token_hash: bytes,
        seconds: float,
        extensions_max: int,
    ) -> Outcome:
        """Gives a live hold more time."""
        return await self._ledger.write(EXTEND, key, hold_id, token_hash, seconds, extensions_max)

    async def reassign(
        self, key: WriteKey, placing: Placing, *, assignment_id: str, version: int
    ) -> Outcome:
        """Gives an assignment this plan and time in one step; version 0 accepts any."""
        return await self._ledger.registered(
            key,
            placing.resource_ids,
            REASSIGN,
            assignment_id,
            version,
            list(placing.resource_ids),
            placing.slot.start,
            placing.slot.end,
            placing.occupied.start,
            placing.occupied.end,
            placing.reasons[0],
            jsonb_or_null(checks_json(placing.checks)),
        )

    async def complete(
        self, key: WriteKey, *, assignment_id: str, version: int, reason: str
    ) -> Outcome:
        """Says that an assignment was served; version 0 accepts any."""
        return await self._ledger.write(COMPLETE, key, assignment_id, version, reason)

    async def note_catalog(
        self, tenant: str, resource_ids: Sequence[str] | None, revision: int
    ) -> None:
        """Has whatever is placed on these resources, or with None on any, from now on checked at
        that revision.
        """
        await self._run(NOTE_CATALOG, tenant, _array(resource_ids), revision)

    async def to_come(
        self, tenant: str, resource_ids: Sequence[str] | None, *, limit: int, after: ToCome | None
    ) -> list[ToCome]:
        """Returns the next live holds and assignments of these resources, or with None of all, by
        start and id.
        """
        at, name = (START, "")
        if after is not None:
            at, name = after.allocation.slot.start, after.allocation.id
        with told():
            rows = await rows_of(self._pool, TO_COME, tenant, _array(resource_ids), at, name, limit)
        return [
            ToCome(allocation_of(record), place_of(place), tuple(required or ()))
            for record, place, required in rows
        ]

    async def flag(
        self, tenant: str, allocation: Allocation, risks: Sequence[Risk], *, reason: str
    ) -> bool:
        """Writes down what is in an allocation's way; returns False if it has moved meanwhile."""
        said = Jsonb([asdict(risk) for risk in risks])
        return bool(await self._run(FLAG, tenant, allocation.id, allocation.version, said, reason))

    async def _run(self, statement: str, *arguments: object) -> Any:
        with told():
            return await retrying(partial(value_of, self._pool, statement, *arguments))


def _array(names: Sequence[str] | None) -> list[str] | None:
    return None if names is None else list(names)
