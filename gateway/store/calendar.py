"""The inbox of outside calendars: each message once, and the newest revision of each booking."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from gateway.domain import Booking, Happening, Outcome, Received, Subject
from kit.db import Connection, Pool, borrowed

# A message that was being applied by a process that died is taken on by another after this.
LEASE = timedelta(seconds=20)
TAKEN_MAX = 50
# Longer than a message may be old when it comes, so that none is ever taken twice.
KEPT = timedelta(days=35)
FORGOTTEN_AT_ONCE_MAX = 10_000

TAKE_IN = """
INSERT INTO gateway.received (tenant_id, body_hash, trigger, happening, uid, replaced_uid, revision,
  start_at, end_at, event_type_keys, users, told_at, outcome, next_at)
VALUES (%(tenant)s, %(body_hash)s, %(trigger)s, %(happening)s, %(uid)s, %(replaced_uid)s,
  %(revision)s, %(start)s, %(end)s, %(event_type_keys)s, %(users)s, %(told_at)s,
  CASE WHEN %(happening)s = 'OTHER' THEN 'IGNORED' ELSE 'WAITING' END,
  clock_timestamp() + %(lease)s)
ON CONFLICT (tenant_id, body_hash) DO NOTHING RETURNING *
"""
# Of two that come at once the older one finds the newer one's revision here.
ADVANCE = """
INSERT INTO gateway.booking AS known (tenant_id, uid, revision, resource_ids)
VALUES (%(tenant)s, %(uid)s, %(revision)s, %(resource_ids)s)
ON CONFLICT (tenant_id, uid) DO UPDATE SET revision = excluded.revision, resource_ids = ARRAY(
  SELECT DISTINCT one FROM unnest(known.resource_ids || excluded.resource_ids) one ORDER BY one)
WHERE known.revision <= excluded.revision
RETURNING resource_ids
"""
SETTLE = """
UPDATE gateway.received SET outcome = %(outcome)s, service_type_id = %(service_type_id)s,
  required_skills = %(required_skills)s, resource_ids = %(resource_ids)s,
  missing_skills = %(missing_skills)s
WHERE tenant_id = %(tenant)s AND id = %(id)s RETURNING *
"""
LIST = """
SELECT * FROM gateway.received WHERE tenant_id = %(tenant)s
  AND (%(outcomes)s::text[] = '{}' OR outcome = ANY (%(outcomes)s))
  AND (%(at)s::timestamptz IS NULL OR (received_at, id) < (%(at)s, %(id)s))
ORDER BY received_at DESC, id DESC LIMIT %(limit)s
"""
ONE = "SELECT * FROM gateway.received WHERE tenant_id = %(tenant)s AND id = %(id)s"
TAKE_ON = """
UPDATE gateway.received AS taken SET next_at = clock_timestamp() + %(lease)s
FROM (SELECT tenant_id, id FROM gateway.received
  WHERE outcome = 'WAITING' AND next_at <= clock_timestamp()
  ORDER BY next_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED) AS due
WHERE taken.tenant_id = due.tenant_id AND taken.id = due.id RETURNING taken.*
"""
FORGET = """
DELETE FROM gateway.received WHERE ctid = ANY (ARRAY(SELECT ctid FROM gateway.received
  WHERE received_at < clock_timestamp() - %(kept)s LIMIT %(limit)s))
"""


class InboxRows:
    """The inbox of one tenant, inside a transaction of the caller."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        """Keeps the connection, which is bound to the tenant already."""
        self._connection = connection
        self._tenant = tenant

    async def take_in(self, booking: Booking, body_hash: bytes) -> Received | None:
        """Writes a message down; gives none where it came before."""
        values = {
            "body_hash": body_hash,
            "trigger": booking.trigger,
            "happening": str(booking.happening),
            "uid": booking.uid,
            "replaced_uid": booking.replaced_uid,
            "revision": booking.revision,
            "start": booking.start,
            "end": booking.end,
            "event_type_keys": list(booking.event_type_keys),
            "users": Jsonb([list(names) for names in booking.users]),
            "told_at": booking.told_at,
            "lease": LEASE,
        }
        rows = await self._rows(TAKE_IN, values)
        return received_of(rows[0]) if rows else None

    async def advance(
        self, uid: str, revision: int, resource_ids: Sequence[str]
    ) -> Sequence[str] | None:
        """Brings a booking to a revision; gives all resources it ever took the time of.

        Gives none where it stands at a newer revision.
        """
        values = {"uid": uid, "revision": revision, "resource_ids": list(resource_ids)}
        rows = await self._rows(ADVANCE, values)
        return list(rows[0]["resource_ids"]) if rows else None

    async def settle(self, name: str, outcome: Outcome, subject: Subject) -> Received:
        """Notes what became of a message."""
        values = {
            "id": name,
            "outcome": str(outcome),
            "service_type_id": subject.service_type_id,
            "required_skills": list(subject.required_skills),
            "resource_ids": list(subject.resource_ids),
            "missing_skills": list(subject.missing_skills),
        }
        return received_of((await self._rows(SETTLE, values))[0])

    async def listed(
        self, outcomes: Collection[str], *, limit: int, after: tuple[datetime, str] | None
    ) -> list[Received]:
        """Reads messages with these outcomes, or all, newest first."""
        at, name = after or (None, "")
        values = {"outcomes": list(outcomes), "at": at, "id": name, "limit": limit}
        return [received_of(row) for row in await self._rows(LIST, values)]

    async def one(self, name: str) -> Received | None:
        """Reads one message."""
        rows = await self._rows(ONE, {"id": name})
        return received_of(rows[0]) if rows else None

    async def _rows(self, statement: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        async with self._connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(statement, {"tenant": self._tenant, **values})
            return await cursor.fetchall()


class Inbox:
    """The inbox of all tenants, for what works in the background."""

    def __init__(self, pool: Pool) -> None:
        """Takes a pool of the worker's role."""
        self._pool = pool

    async def take_on(self) -> list[Received]:
        """Takes on messages that were written down and not applied."""
        async with (
            borrowed(self._pool) as connection,
            connection.cursor(row_factory=dict_row) as cursor,
        ):
            await cursor.execute(TAKE_ON, {"lease": LEASE, "limit": TAKEN_MAX})
            return [received_of(row) for row in await cursor.fetchall()]

    async def forget(self) -> None:
        """Deletes old messages."""
        async with borrowed(self._pool) as connection:
            await connection.execute(FORGET, {"kept": KEPT, "limit": FORGOTTEN_AT_ONCE_MAX})


def received_of(row: Mapping[str, Any]) -> Received:
    """Reads a row of `received`."""
    booking = Booking(
        happening=Happening(row["happening"]),
        trigger=row["trigger"],
        uid=row["uid"],
        replaced_uid=row["replaced_uid"],
        revision=row["revision"],
        start=row["start_at"],
        end=row["end_at"],
        event_type_keys=tuple(row["event_type_keys"]),
        users=tuple(tuple(names) for names in row["users"]),
        told_at=row["told_at"],
    )
    return Received(
        tenant=row["tenant_id"],
        id=row["id"],
        booking=booking,
        outcome=Outcome(row["outcome"]),
        service_type_id=row["service_type_id"],
        required_skills=tuple(row["required_skills"]),
        resource_ids=tuple(row["resource_ids"]),
        missing_skills=tuple(row["missing_skills"]),
        received_at=row["received_at"],
    )
