"""Reads and writes imported calendars and their busy times in one transaction."""

from collections.abc import Sequence

from kit.db import Connection
from services.availability.domain import ExternalBusy, OutsideCalendar, moment_of
from services.availability.store.rows import bound, fetch, fetch_one
from services.availability.store.time_codec import calendar_of, external_of

LIST_MAX = 1_000

KNOWN = """
SELECT * FROM availability.external_busy
WHERE tenant_id = %(tenant_id)s AND resource_id = %(resource_id)s
  AND (calendar_id = %(calendar_id)s OR uid = ANY (%(uids)s))
"""
STORE = """
INSERT INTO availability.external_busy
  (tenant_id, resource_id, uid, sequence, start_at, end_at, deleted, calendar_id, stamped_at)
VALUES (%(tenant_id)s, %(resource_id)s, %(uid)s, %(sequence)s, %(start_at)s, %(end_at)s, false,
  %(calendar_id)s, %(stamped_at)s)
ON CONFLICT (tenant_id, resource_id, uid) DO UPDATE SET sequence = excluded.sequence,
  start_at = excluded.start_at, end_at = excluded.end_at, deleted = false, dropped = false,
  calendar_id = excluded.calendar_id, stamped_at = excluded.stamped_at
"""
# What was dropped comes back; what somebody deleted by itself does not.
STORE_UNREAD = """
INSERT INTO availability.external_busy AS known
  (tenant_id, resource_id, uid, sequence, start_at, end_at, deleted, calendar_id, stamped_at)
VALUES (%(tenant_id)s, %(resource_id)s, %(uid)s, %(sequence)s, %(start_at)s, %(end_at)s, false,
  %(calendar_id)s, %(stamped_at)s)
ON CONFLICT (tenant_id, resource_id, uid) DO UPDATE SET sequence = excluded.sequence,
  start_at = excluded.start_at, end_at = excluded.end_at, deleted = false, dropped = false,
  calendar_id = excluded.calendar_id, stamped_at = excluded.stamped_at
WHERE known.dropped
"""
DROP = """
UPDATE availability.external_busy SET deleted = true, dropped = true
WHERE tenant_id = %(tenant_id)s AND resource_id = %(resource_id)s AND uid = ANY (%(uids)s)
"""
FIND = """
SELECT * FROM availability.calendar
WHERE tenant_id = %(tenant_id)s AND resource_id = %(resource_id)s AND id = %(id)s
"""
SAVE = """
INSERT INTO availability.calendar AS known
  (tenant_id, resource_id, id, revision, imported_at, events, quarantined_at, missing)
VALUES (%(tenant_id)s, %(resource_id)s, %(id)s, %(revision)s, %(imported_at)s, %(events)s,
  %(quarantined_at)s, %(missing)s)
ON CONFLICT (tenant_id, resource_id, id) DO UPDATE SET revision = excluded.revision,
  imported_at = excluded.imported_at, events = excluded.events,
  quarantined_at = excluded.quarantined_at, missing = excluded.missing
"""
LIST = """
SELECT * FROM availability.calendar
WHERE tenant_id = %(tenant_id)s
  AND (%(resource_id)s::text = '' OR resource_id = %(resource_id)s)
  AND (NOT %(quarantined)s::boolean OR quarantined_at IS NOT NULL)
ORDER BY quarantined_at IS NULL, resource_id, id LIMIT %(limit)s
"""


class CalendarRows:
    """The outside calendars of one tenant, inside a transaction of the caller."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        """Keeps the connection, which is bound to the tenant already."""
        self._connection = connection
        self._tenant = tenant

    async def calendar(self, resource_id: str, calendar_id: str) -> OutsideCalendar | None:
        """Finds what is known of a calendar."""
        values = {"resource_id": resource_id, "id": calendar_id}
        row = await fetch_one(self._connection, FIND, bound(self._tenant, values))
        return None if row is None else calendar_of(row)

    async def calendars(self, resource_id: str, *, quarantined: bool) -> list[OutsideCalendar]:
        """Lists calendars, those in quarantine first."""
        values = {"resource_id": resource_id, "quarantined": quarantined, "limit": LIST_MAX}
        rows = await fetch(self._connection, LIST, bound(self._tenant, values))
        return [calendar_of(row) for row in rows]

    async def save(self, calendar: OutsideCalendar) -> None:
        """Stores what is known of a calendar."""
        values = {
            "resource_id": calendar.resource_id,
            "id": calendar.id,
            "revision": calendar.revision,
            "imported_at": calendar.imported_at,
            "events": calendar.events,
            "quarantined_at": calendar.quarantined_at,
            "missing": calendar.missing,
        }
        await self._connection.execute(SAVE, bound(self._tenant, values))

    async def known(
        self, resource_id: str, calendar_id: str, uids: Sequence[str]
    ) -> list[tuple[ExternalBusy, bool]]:
        """Reads the busy times of a calendar, and those of these uids that came otherwise.

        Deleted ones too; says of each whether it was its calendar that lost it.
        """
        values = {"resource_id": resource_id, "calendar_id": calendar_id, "uids": list(uids)}
        rows = await fetch(self._connection, KNOWN, bound(self._tenant, values))
        return [(external_of(row), row["dropped"]) for row in rows]

    async def store(self, events: Sequence[ExternalBusy]) -> None:
        """Enters busy times over what is known of them."""
        await self._enter(STORE, events)

    async def store_unread(self, events: Sequence[ExternalBusy]) -> None:
        """Enters busy times of which nothing is known yet, and leaves all others alone."""
        await self._enter(STORE_UNREAD, events)

    async def _enter(self, statement: str, events: Sequence[ExternalBusy]) -> None:
        values = [
            bound(
                self._tenant,
                {
                    "resource_id": event.resource_id,
                    "uid": event.uid,
                    "sequence": event.sequence,
                    "start_at": moment_of(event.span.start),
                    "end_at": moment_of(event.span.end),
                    "calendar_id": event.calendar_id,
                    "stamped_at": event.stamped_at,
                },
            )
            for event in events
        ]
        if values:
            async with self._connection.cursor() as cursor:
                await cursor.executemany(statement, values)

    async def drop(self, resource_id: str, uids: Sequence[str]) -> None:
        """Frees what a calendar no longer has."""
        values = {"resource_id": resource_id, "uids": list(uids)}
        await self._connection.execute(DROP, bound(self._tenant, values))
