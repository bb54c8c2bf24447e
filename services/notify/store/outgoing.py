"""Deliveries of all tenants: queued once per change, taken on to be sent, and settled."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from kit.db import Pool, borrowed
from services.notify.domain import Answer, DeliveryState, Due, Message

# A sender that died leaves what it took on to others after this; longer than any attempt.
LEASE = timedelta(seconds=60)
# Of one endpoint at a time, so that a slow one cannot keep the others waiting.
TAKEN_PER_ENDPOINT_MAX = 8
# Of one endpoint; what comes beyond is a dead letter at once.
WAITING_MAX = 10_000
KEPT = timedelta(days=14)
FORGOTTEN_AT_ONCE_MAX = 10_000

ENDPOINTS = """
SELECT tenant_id, id, topics, created_at FROM notify.endpoint
WHERE active AND tenant_id = ANY (%(tenants)s)
"""
WAITING = """
SELECT count(*) FROM (SELECT 1 FROM notify.delivery WHERE tenant_id = %(tenant)s
  AND endpoint_id = %(endpoint_id)s AND state = 'PENDING' LIMIT %(limit)s) AS waiting
"""
QUEUE = """
INSERT INTO notify.delivery
  (tenant_id, id, endpoint_id, message_id, type, body, state, next_at)
VALUES (%(tenant)s, uuidv7()::text, %(endpoint_id)s, %(message_id)s, %(type)s, %(body)s, %(state)s,
  CASE WHEN %(state)s = 'PENDING' THEN clock_timestamp() END)
ON CONFLICT (tenant_id, endpoint_id, message_id) DO NOTHING
"""
TAKE = """
UPDATE notify.delivery AS taken
SET next_at = clock_timestamp() + %(lease)s, round_attempt = taken.round_attempt + 1
FROM (
  SELECT due.tenant_id, due.id, e.url, e.secret,
    CASE WHEN e.previous_expires_at > clock_timestamp() THEN e.previous_secret ELSE '' END AS old
  FROM notify.endpoint e CROSS JOIN LATERAL (
    SELECT d.tenant_id, d.id FROM notify.delivery d
    WHERE d.tenant_id = e.tenant_id AND d.endpoint_id = e.id AND d.state = 'PENDING'
      AND d.next_at <= clock_timestamp()
    ORDER BY d.next_at LIMIT %(each)s FOR UPDATE SKIP LOCKED) due
  WHERE e.active AND NOT (e.tenant_id || '/' || e.id = ANY (%(busy)s))
  LIMIT %(limit)s
) AS due
WHERE taken.tenant_id = due.tenant_id AND taken.id = due.id
RETURNING taken.tenant_id, taken.id, taken.endpoint_id, taken.message_id, due.url, due.secret,
  due.old, taken.body, taken.round_attempt
"""
SETTLE = """
WITH settled AS (
  UPDATE notify.delivery SET state = %(state)s, attempt_count = attempt_count + 1,
    next_at = CASE WHEN %(state)s = 'PENDING' THEN clock_timestamp() + %(wait)s END
  WHERE tenant_id = %(tenant)s AND id = %(id)s RETURNING tenant_id, id, attempt_count)
INSERT INTO notify.attempt (tenant_id, delivery_id, number, at, status, error, took)
SELECT tenant_id, id, attempt_count, %(at)s, %(status)s, %(error)s, %(took)s FROM settled
"""
RETIRE = "UPDATE notify.endpoint SET active = false WHERE tenant_id = %(tenant)s AND id = %(id)s"
READ_TO = "SELECT made_at, position FROM notify.reading WHERE stream = %(stream)s"
MOVE = """
INSERT INTO notify.reading AS known (stream, made_at, position)
VALUES (%(stream)s, %(made_at)s, %(position)s)
ON CONFLICT (stream) DO UPDATE SET made_at = excluded.made_at, position = excluded.position
WHERE known.made_at <> excluded.made_at OR known.position < excluded.position
"""
FORGET = (
    "DELETE FROM notify.delivery WHERE ctid = ANY (ARRAY(SELECT ctid FROM notify.delivery"
    " WHERE state <> 'PENDING' AND created_at < clock_timestamp() - %(kept)s LIMIT %(limit)s))",
    "DELETE FROM notify.idem WHERE ctid = ANY (ARRAY(SELECT ctid FROM notify.idem"
    " WHERE created_at < clock_timestamp() - interval '96 hours' LIMIT %(limit)s))",
)


@dataclass(frozen=True, slots=True)
class ReadTo:
    """How far a stream was read; one that was made anew counts from its beginning."""

    made_at: str
    position: int


@dataclass(frozen=True, slots=True)
class Listening:
    """An endpoint as the one who queues sees it."""

    tenant: str
    id: str
    topics: frozenset[str]
    since: datetime

    def wants(self, message: Message) -> bool:
        """Returns whether a message is for it."""
        return (
            message.tenant == self.tenant
            and message.at >= self.since
            and (not self.topics or message.topic in self.topics)
        )


class Outgoing:
    """The queue of deliveries; every process of the service may work on it."""

    def __init__(self, pool: Pool) -> None:
        """Takes a pool of the worker's role, each statement a transaction unless said otherwise."""
        self._pool = pool

    async def read_to(self, stream: str) -> ReadTo | None:
        """Returns how far a stream was read, if it ever was."""
        async with borrowed(self._pool) as connection:
            row = await (await connection.execute(READ_TO, {"stream": stream})).fetchone()
        return ReadTo(*row) if row else None

    async def listening(self, tenants: Collection[str]) -> list[Listening]:
        """Returns the active endpoints of these tenants."""
        async with borrowed(self._pool) as connection:
            cursor = await connection.execute(ENDPOINTS, {"tenants": list(tenants)})
            rows = await cursor.fetchall()
        return [Listening(tenant, name, frozenset(topics), at) for tenant, name, topics, at in rows]

    async def queue(
        self, stream: str, read: ReadTo, wanted: Sequence[tuple[Listening, Message]]
    ) -> None:
        """Queues messages and notes how far was read, together or not at all."""
        async with borrowed(self._pool) as connection, connection.transaction():
            left: dict[tuple[str, str], int] = {}
            for endpoint, message in wanted:
                name = (endpoint.tenant, endpoint.id)
                values = {"tenant": endpoint.tenant, "endpoint_id": endpoint.id}
                if name not in left:
                    limit = {"limit": WAITING_MAX}
                    row = await (await connection.execute(WAITING, values | limit)).fetchone()
                    assert row is not None
                    left[name] = WAITING_MAX - int(row[0])
                state = DeliveryState.PENDING if left[name] > 0 else DeliveryState.DEAD
                left[name] -= 1
                told = {"message_id": message.id, "type": message.type, "body": message.body}
                await connection.execute(QUEUE, values | told | {"state": str(state)})
            await connection.execute(
                MOVE, {"stream": stream, "made_at": read.made_at, "position": read.position}
            )

    async def take(self, *, limit: int, busy: Collection[str]) -> list[Due]:
        """Takes on what is due, of each endpoint but the busy ("tenant/id") a few."""
        values = {"lease": LEASE, "each": TAKEN_PER_ENDPOINT_MAX, "limit": limit}
        async with borrowed(self._pool) as connection:
            cursor = await connection.execute(TAKE, values | {"busy": list(busy)})
            rows = await cursor.fetchall()
        return [
            Due(
                tenant=tenant,
                id=name,
                endpoint_id=endpoint_id,
                message_id=message_id,
                url=url,
                secrets=(secret, old) if old else (secret,),
                body=body,
                round_attempt=attempt,
            )
            for tenant, name, endpoint_id, message_id, url, secret, old, body, attempt in rows
        ]

    async def settle(
        self, due: Due, answer: Answer, state: DeliveryState, *, wait: timedelta | None, gone: bool
    ) -> None:
        """Notes what became of an attempt; an endpoint that is gone gets nothing more."""
        values = {
            "tenant": due.tenant,
            "id": due.id,
            "state": str(state),
            "wait": wait or timedelta(),
            "at": answer.at,
            "status": answer.status,
            "error": answer.error,
            "took": answer.took,
        }
        async with borrowed(self._pool) as connection, connection.transaction():
            await connection.execute(SETTLE, values)
            if gone:
                await connection.execute(RETIRE, {"tenant": due.tenant, "id": due.endpoint_id})

    async def forget(self) -> None:
        """Deletes old deliveries that are settled, and old idempotency keys."""
        async with borrowed(self._pool) as connection:
            for statement in FORGET:
                await connection.execute(statement, {"kept": KEPT, "limit": FORGOTTEN_AT_ONCE_MAX})
