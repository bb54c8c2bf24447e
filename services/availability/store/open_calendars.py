"""Keeps what goes on for ever in imported calendars, and until when that has been read."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from kit.db import Connection
from services.availability.domain import OpenCalendar, floor_minute
from services.availability.store.rows import bound, fetch, fetch_one

# No calendar has to be read further.
NEVER = 2**62

BEHIND = """
SELECT * FROM availability.open_calendar
WHERE tenant_id = %(tenant_id)s AND read_until < %(until)s
ORDER BY read_until, resource_id, id LIMIT %(limit)s
"""
FIND = """
SELECT * FROM availability.open_calendar
WHERE tenant_id = %(tenant_id)s AND resource_id = %(resource_id)s AND id = %(id)s
"""
SAVE = """
INSERT INTO availability.open_calendar (tenant_id, resource_id, id, text, read_until)
VALUES (%(tenant_id)s, %(resource_id)s, %(id)s, %(text)s, %(read_until)s)
ON CONFLICT (tenant_id, resource_id, id) DO UPDATE SET text = excluded.text,
  read_until = excluded.read_until
"""
FORGET = """
DELETE FROM availability.open_calendar
WHERE tenant_id = %(tenant_id)s AND resource_id = %(resource_id)s AND id = %(id)s
"""
FIRST = """
SELECT min(read_until) AS first FROM availability.open_calendar WHERE tenant_id = %(tenant_id)s
"""


class OpenCalendarRows:
    """The open calendars of one tenant, inside a transaction of the caller."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        """Keeps the connection, which is bound to the tenant already."""
        self._connection = connection
        self._tenant = tenant

    async def behind(self, until: datetime, *, limit: int) -> list[OpenCalendar]:
        """Lists those that are not read until a moment, the furthest behind first."""
        values = bound(self._tenant, {"until": until, "limit": limit})
        return [_calendar_of(row) for row in await fetch(self._connection, BEHIND, values)]

    async def find(self, resource_id: str, calendar_id: str) -> OpenCalendar | None:
        """Finds one."""
        values = bound(self._tenant, {"resource_id": resource_id, "id": calendar_id})
        row = await fetch_one(self._connection, FIND, values)
        return None if row is None else _calendar_of(row)

    async def save(self, calendar: OpenCalendar) -> None:
        """Stores one."""
        values = {
            "resource_id": calendar.resource_id,
            "id": calendar.id,
            "text": calendar.text,
            "read_until": calendar.read_until,
        }
        await self._connection.execute(SAVE, bound(self._tenant, values))

    async def forget(self, resource_id: str, calendar_id: str) -> None:
        """Forgets one in which nothing goes on any more."""
        values = bound(self._tenant, {"resource_id": resource_id, "id": calendar_id})
        await self._connection.execute(FORGET, values)


async def calendars_until(connection: Connection, tenant: str) -> int:
    """Gives the minute until which all calendars of a tenant have been read."""
    row = await fetch_one(connection, FIRST, bound(tenant, {}))
    return NEVER if row is None or row["first"] is None else floor_minute(row["first"])


def _calendar_of(row: Mapping[str, Any]) -> OpenCalendar:
    return OpenCalendar(row["resource_id"], row["id"], row["text"], row["read_until"])
