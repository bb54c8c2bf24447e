"""Reads what was booked and what was searched for, and counts searches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from kit.db import Connection
from services.availability.domain import Allocation
from services.availability.store.rows import bound, fetch
from services.availability.store.time_codec import allocation_of

BOOKED = """
SELECT * FROM availability.allocation
WHERE tenant_id = %(tenant_id)s AND state IN ('ASSIGNED', 'COMPLETED')
  AND slot_start < %(end)s AND slot_end > %(start)s
"""
# What is cancelled later was still asked for, so it counts where it was made.
BOOKINGS = """
SELECT extract(isodow FROM booked_at AT TIME ZONE %(zone)s)::int AS weekday,
  extract(hour FROM booked_at AT TIME ZONE %(zone)s)::int AS hour, count(*) AS count
FROM availability.allocation
WHERE tenant_id = %(tenant_id)s AND booked_at >= %(start)s AND booked_at < %(end)s
GROUP BY 1, 2
"""
STARTS = """
SELECT extract(isodow FROM slot_start AT TIME ZONE %(zone)s)::int AS weekday,
  extract(hour FROM slot_start AT TIME ZONE %(zone)s)::int AS hour, count(*) AS count
FROM availability.allocation
WHERE tenant_id = %(tenant_id)s AND state IN ('ASSIGNED', 'COMPLETED')
  AND slot_start >= %(start)s AND slot_start < %(end)s
GROUP BY 1, 2
"""
SEARCHES = """
SELECT extract(isodow FROM hour AT TIME ZONE %(zone)s)::int AS weekday,
  extract(hour FROM hour AT TIME ZONE %(zone)s)::int AS hour,
  sum(searches)::bigint AS searches, sum(without_result)::bigint AS without_result
FROM availability.demand
WHERE tenant_id = %(tenant_id)s AND hour > %(start)s - interval '15 minutes' AND hour < %(end)s
GROUP BY 1, 2
"""
COUNT = """
INSERT INTO availability.demand AS known (tenant_id, hour, searches, without_result)
VALUES (%(tenant_id)s, %(hour)s, %(searches)s, %(without_result)s)
ON CONFLICT (tenant_id, hour) DO UPDATE SET searches = known.searches + excluded.searches,
  without_result = known.without_result + excluded.without_result
"""

# An hour of the week: ISO weekday and hour.
Hour = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Demanded:
    """Counts by hour of the week; an hour without any is missing."""

    searches: Mapping[Hour, int]
    without_result: Mapping[Hour, int]
    bookings: Mapping[Hour, int]
    starts: Mapping[Hour, int]


class InsightRows:
    """What one tenant booked and searched for, inside a transaction of the caller."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        """Keeps the connection, which is bound to the tenant already."""
        self._connection = connection
        self._tenant = tenant

    async def booked(self, start: datetime, end: datetime) -> Sequence[Allocation]:
        """Reads the assignments whose slots touch a window."""
        values = bound(self._tenant, {"start": start, "end": end})
        return [allocation_of(row) for row in await fetch(self._connection, BOOKED, values)]

    async def demanded(self, start: datetime, end: datetime, zone: str) -> Demanded:
        """Counts searches and bookings of a window by hour of the week."""
        values = bound(self._tenant, {"start": start, "end": end, "zone": zone})
        searches = await fetch(self._connection, SEARCHES, values)
        bookings = await fetch(self._connection, BOOKINGS, values)
        starts = await fetch(self._connection, STARTS, values)
        return Demanded(
            searches={(row["weekday"], row["hour"]): row["searches"] for row in searches},
            without_result={
                (row["weekday"], row["hour"]): row["without_result"] for row in searches
            },
            bookings={(row["weekday"], row["hour"]): row["count"] for row in bookings},
            starts={(row["weekday"], row["hour"]): row["count"] for row in starts},
        )

    async def count(self, quarter: datetime, searches: int, without_result: int) -> None:
        """Adds searches made since a quarter of an hour began."""
        values = {"hour": quarter, "searches": searches, "without_result": without_result}
        await self._connection.execute(COUNT, bound(self._tenant, values))
