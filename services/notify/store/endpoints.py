"""Endpoints and deliveries of one tenant, inside a transaction of the caller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from psycopg.rows import dict_row

from kit.db import Connection
from services.notify.domain import Attempt, Delivery, DeliveryState, Endpoint

ATTEMPTS_SHOWN = 20

CREATE = """
INSERT INTO notify.endpoint (tenant_id, id, url, topics, description, secret)
VALUES (%(tenant)s, coalesce(nullif(%(id)s, ''), uuidv7()::text), %(url)s, %(topics)s,
  %(description)s, %(secret)s)
ON CONFLICT DO NOTHING RETURNING *
"""
COUNT = "SELECT count(*) AS count FROM notify.endpoint WHERE tenant_id = %(tenant)s"
LIST = """
SELECT * FROM notify.endpoint WHERE tenant_id = %(tenant)s
  AND (%(at)s::timestamptz IS NULL OR (created_at, id) > (%(at)s, %(id)s))
ORDER BY created_at, id LIMIT %(limit)s
"""
DELETE = "DELETE FROM notify.endpoint WHERE tenant_id = %(tenant)s AND id = %(id)s RETURNING id"
ROTATE = """
UPDATE notify.endpoint SET previous_secret = secret, secret = %(secret)s,
  previous_expires_at = clock_timestamp() + %(overlap)s
WHERE tenant_id = %(tenant)s AND id = %(id)s RETURNING *
"""
DELIVERIES = """
SELECT * FROM notify.delivery WHERE tenant_id = %(tenant)s
  AND (%(endpoint_id)s = '' OR endpoint_id = %(endpoint_id)s)
  AND (%(state)s = '' OR state = %(state)s)
  AND (%(at)s::timestamptz IS NULL OR (created_at, id) < (%(at)s, %(id)s))
ORDER BY created_at DESC, id DESC LIMIT %(limit)s
"""
ATTEMPTS = """
SELECT shown.* FROM unnest(%(ids)s::text[]) AS wanted(id) CROSS JOIN LATERAL (
  SELECT * FROM notify.attempt WHERE tenant_id = %(tenant)s AND delivery_id = wanted.id
  ORDER BY number DESC LIMIT %(limit)s) shown
ORDER BY shown.number DESC
"""
REDELIVER = """
UPDATE notify.delivery SET state = 'PENDING', next_at = clock_timestamp(), round_attempt = 0
WHERE tenant_id = %(tenant)s AND id = %(id)s RETURNING *
"""
ACTIVATE = "UPDATE notify.endpoint SET active = true WHERE tenant_id = %(tenant)s AND id = %(id)s"


class HookRows:
    """What a tenant sees and changes of its webhooks."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        """Keeps the connection, which is bound to the tenant already."""
        self._connection = connection
        self._tenant = tenant

    async def create(
        self, *, name: str, url: str, topics: Sequence[str], description: str, secret: str
    ) -> Endpoint | None:
        """Adds an endpoint; gives none where the id is taken."""
        rows = await self._rows(
            CREATE, id=name, url=url, topics=list(topics), description=description, secret=secret
        )
        return endpoint_of(rows[0]) if rows else None

    async def count(self) -> int:
        """Counts the endpoints."""
        return int((await self._rows(COUNT))[0]["count"])

    async def listed(self, *, limit: int, after: tuple[datetime, str] | None) -> list[Endpoint]:
        """Reads endpoints, oldest first, after a place."""
        at, name = after or (None, "")
        return [endpoint_of(row) for row in await self._rows(LIST, at=at, id=name, limit=limit)]

    async def delete(self, name: str) -> bool:
        """Removes an endpoint with its deliveries; tells whether there was one."""
        return bool(await self._rows(DELETE, id=name))

    async def rotate(self, name: str, *, secret: str, overlap: timedelta) -> Endpoint | None:
        """Gives an endpoint a new secret; the old one signs too for a while."""
        rows = await self._rows(ROTATE, id=name, secret=secret, overlap=overlap)
        return endpoint_of(rows[0]) if rows else None

    async def deliveries(
        self, *, endpoint_id: str, state: str, limit: int, after: tuple[datetime, str] | None
    ) -> list[Delivery]:
        """Reads deliveries, newest first, after a place."""
        at, name = after or (None, "")
        rows = await self._rows(
            DELIVERIES, endpoint_id=endpoint_id, state=state, at=at, id=name, limit=limit
        )
        return await self._with_attempts(rows)

    async def redeliver(self, name: str) -> Delivery | None:
        """Makes a delivery due now, and its endpoint active."""
        rows = await self._rows(REDELIVER, id=name)
        if not rows:
            return None
        await self._connection.execute(
            ACTIVATE, {"tenant": self._tenant, "id": rows[0]["endpoint_id"]}
        )
        return (await self._with_attempts(rows))[0]

    async def _with_attempts(self, rows: Sequence[Mapping[str, Any]]) -> list[Delivery]:
        ids = [row["id"] for row in rows]
        found: dict[str, list[Attempt]] = {name: [] for name in ids}
        for row in await self._rows(ATTEMPTS, ids=ids, limit=ATTEMPTS_SHOWN):
            found[row["delivery_id"]].append(
                Attempt(at=row["at"], status=row["status"], error=row["error"], took=row["took"])
            )
        return [delivery_of(row, tuple(found[row["id"]])) for row in rows]

    async def _rows(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        async with self._connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(statement, {"tenant": self._tenant, **values})
            return await cursor.fetchall()


def endpoint_of(row: Mapping[str, Any]) -> Endpoint:
    """Reads a row of `endpoint`."""
    return Endpoint(
        id=row["id"],
        url=row["url"],
        topics=tuple(row["topics"]),
        description=row["description"],
        secret=row["secret"],
        previous_secret=row["previous_secret"],
        previous_expires_at=row["previous_expires_at"],
        active=row["active"],
        created_at=row["created_at"],
    )


def delivery_of(row: Mapping[str, Any], attempts: tuple[Attempt, ...]) -> Delivery:
    """Reads a row of `delivery`."""
    return Delivery(
        id=row["id"],
        endpoint_id=row["endpoint_id"],
        message_id=row["message_id"],
        type=row["type"],
        state=DeliveryState(row["state"]),
        attempt_count=row["attempt_count"],
        created_at=row["created_at"],
        next_attempt_at=row["next_at"],
        attempts=attempts,
        body=row["body"],
    )
