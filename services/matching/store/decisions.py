"""Keeps rankings with their inputs, links them to what was committed and tells of it, and keeps
shadow pairs.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from kit.db import Connection, Pool, borrowed, leading, tenant_transaction, translated
from services.matching.store.customers import Service, note

LEDGER = "ASSIGNMENT"
DECISION_MADE = "fairslot.matching.v1.DecisionMade"
# Any number that nothing else on the server locks.
LEADER_LOCK = 0x_FA12_3A7C
# A ranking answers for commits this long after it; clocks of two machines may differ by the slack.
LINKED_FOR = "24 hours"
CLOCK_SLACK = "5 seconds"

KEEP = """
INSERT INTO matching.ranking (tenant_id, id, at, policy, service_type_id, booking_request_id,
  pick, places, inputs) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
PAIR = """
INSERT INTO matching.shadow_pair (tenant_id, ranking_id, at, deciding_policy, other_policy,
  comparison) VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
# Of the rankings that showed this place, the one for this very request, then the latest. Only what
# was not linked before is told: a link and its event are made together, by one statement.
LINK = f"""
WITH chosen AS (
  SELECT r.id, r.at, r.policy, r.places, r.pick FROM matching.ranking r
  WHERE r.tenant_id = %(tenant_id)s AND r.service_type_id = %(service_type_id)s
    AND r.at <= %(at)s::timestamptz + interval '{CLOCK_SLACK}'
    AND r.at > %(at)s::timestamptz - interval '{LINKED_FOR}'
    AND r.places @> ARRAY[%(place)s]
    AND r.booking_request_id IN ('', %(booking_request_id)s)
  ORDER BY r.booking_request_id = %(booking_request_id)s DESC, r.at DESC LIMIT 1
), linked AS (
  INSERT INTO matching.decision (tenant_id, assignment_id, ranking_id, booking_request_id, at,
    resource_ids, start_at)
  SELECT %(tenant_id)s, %(assignment_id)s, id, %(booking_request_id)s, %(at)s, %(resource_ids)s,
    %(start_at)s FROM chosen
  ON CONFLICT DO NOTHING
  RETURNING *
)
INSERT INTO matching.outbox (tenant_id, aggregate, version, type, payload)
SELECT d.tenant_id, d.assignment_id, 1, '{DECISION_MADE}', jsonb_build_object(
  'assignment_id', d.assignment_id, 'booking_request_id', d.booking_request_id,
  'service_type_id', %(service_type_id)s::text, 'ranking_id', d.ranking_id, 'policy', c.policy,
  'resource_ids', d.resource_ids, 'start', d.start_at,
  'rank', array_position(c.places, %(place)s),
  'joint', coalesce(c.pick -> 'joint', 'false'),
  'ranked_at', c.at, 'committed_at', d.at)
FROM linked d, chosen c
"""
MOVE = """
INSERT INTO matching.projection (stream, made_at, position) VALUES (%s, %s, %s)
ON CONFLICT (stream) DO UPDATE SET made_at = excluded.made_at, position = excluded.position
"""
POSITION = "SELECT made_at, position FROM matching.projection WHERE stream = %s"
DECIDED = """
SELECT r.id, r.at, r.policy, r.booking_request_id, r.pick, r.inputs
FROM matching.ranking r
WHERE r.tenant_id = %(tenant_id)s AND EXISTS (
  SELECT FROM matching.decision d WHERE d.tenant_id = r.tenant_id AND d.ranking_id = r.id
  AND d.at >= %(start)s AND d.at < %(end)s)
ORDER BY r.at DESC, r.id LIMIT %(limit)s
"""
PAIRS = """
SELECT p.ranking_id, p.at, p.deciding_policy, p.other_policy, p.comparison,
  EXISTS (SELECT FROM matching.decision d
    WHERE d.tenant_id = p.tenant_id AND d.ranking_id = p.ranking_id)
FROM matching.shadow_pair p
WHERE p.tenant_id = %(tenant_id)s AND p.at >= %(start)s AND p.at < %(end)s
ORDER BY p.at DESC, p.ranking_id LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class KeptRanking:
    """A ranking that was answered, with all it was decided on as bytes."""

    tenant: str
    id: str
    at: datetime
    policy: str
    service_type_id: str
    booking_request_id: str
    pick: Mapping[str, Any]
    places: tuple[str, ...]
    inputs: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeptPair:
    """What a second policy made of one ranking's inputs; whether the ranking led to a commit."""

    tenant: str
    ranking_id: str
    at: datetime
    deciding_policy: str
    other_policy: str
    comparison: Mapping[str, Any]
    committed: bool = False


@dataclass(frozen=True, slots=True)
class Commit:
    """An assignment that the ledger made; `place` names its resources and start."""

    tenant: str
    assignment_id: str
    booking_request_id: str
    service_type_id: str
    resource_ids: tuple[str, ...]
    start: datetime
    at: datetime
    place: str


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a stream; a stream that was made anew counts from its beginning."""

    made_at: str
    number: int


class Decisions:
    """Reads what one tenant decided."""

    def __init__(self, pool: Pool) -> None:
        """Takes connections as the service's role."""
        self._pool = pool

    async def decided(
        self, tenant: str, window: tuple[datetime, datetime], *, limit: int
    ) -> list[KeptRanking]:
        """Returns the latest rankings that led to a commit in the window, latest first."""
        values = {"tenant_id": tenant, "start": window[0], "end": window[1], "limit": limit}
        async with tenant_transaction(self._pool, tenant) as connection:
            rows = await (await connection.execute(DECIDED, values)).fetchall()
        return [
            KeptRanking(tenant, str(number), at, policy, "", request, pick, (), bytes(inputs))
            for number, at, policy, request, pick, inputs in rows
        ]

    async def pairs(
        self, tenant: str, window: tuple[datetime, datetime], *, limit: int
    ) -> list[KeptPair]:
        """Returns the latest pairs of the window, latest first."""
        values = {"tenant_id": tenant, "start": window[0], "end": window[1], "limit": limit}
        async with tenant_transaction(self._pool, tenant) as connection:
            rows = await (await connection.execute(PAIRS, values)).fetchall()
        return [KeptPair(tenant, str(row[0]), *row[1:]) for row in rows]


class Records:
    """Writes beside the calls, across tenants, as the worker's role."""

    def __init__(self, pool: Pool, url: str) -> None:
        """Takes connections of the worker's role, and its URL for the session that leads."""
        self._pool = pool
        self._url = url

    async def keep(self, rankings: Sequence[KeptRanking]) -> None:
        """Stores rankings, all or none."""
        rows = [
            (
                one.tenant,
                one.id,
                one.at,
                one.policy,
                one.service_type_id,
                one.booking_request_id,
                Jsonb(one.pick),
                list(one.places),
                one.inputs,
            )
            for one in rankings
        ]
        async with (
            borrowed(self._pool) as connection,
            translated(),
            connection.transaction(),
            connection.cursor() as cursor,
        ):
            await cursor.executemany(KEEP, rows)

    async def keep_pair(self, pair: KeptPair) -> None:
        """Stores what a second policy made of a ranking."""
        async with borrowed(self._pool) as connection, translated():
            await connection.execute(
                PAIR,
                (
                    pair.tenant,
                    pair.ranking_id,
                    pair.at,
                    pair.deciding_policy,
                    pair.other_policy,
                    Jsonb(pair.comparison),
                ),
            )

    @asynccontextmanager
    async def lead(self) -> AsyncIterator[Connection | None]:
        """Yields a session with the lead, or none where another process has it."""
        async with leading(self._url, LEADER_LOCK, application="matching-decisions") as connection:
            yield connection

    async def position(self, connection: Connection) -> Position:
        """Returns how far the ledger's stream was read."""
        row = await (await connection.execute(POSITION, (LEDGER,))).fetchone()
        return Position("", 0) if row is None else Position(row[0], int(row[1]))

    async def link(
        self,
        connection: Connection,
        commits: Sequence[Commit],
        services: Sequence[Service],
        position: Position,
    ) -> None:
        """Links commits to the rankings that led to them and tells of it, notes who serves whom and
        moves on, together or not at all.
        """
        async with connection.transaction(), connection.cursor() as cursor:
            await cursor.executemany(
                LINK,
                [
                    {
                        "tenant_id": one.tenant,
                        "assignment_id": one.assignment_id,
                        "booking_request_id": one.booking_request_id,
                        "service_type_id": one.service_type_id,
                        "resource_ids": list(one.resource_ids),
                        "start_at": one.start,
                        "at": one.at,
                        "place": one.place,
                    }
                    for one in commits
                ],
            )
            await note(cursor, services)
            await cursor.execute(MOVE, (LEDGER, position.made_at, position.number))
