"""Reads and writes rules, exceptions, leave and outside busy time in one transaction."""

from collections.abc import Sequence
from typing import Any

from psycopg import errors

from kit.db import Connection
from services.availability.domain import (
    ExternalBusy,
    Preference,
    Schedule,
    ScheduleException,
    TimeOff,
    WeeklyRule,
    moment_of,
)
from services.availability.store.catalog import TakenError
from services.availability.store.rows import bound, fetch, fetch_one, insert
from services.availability.store.time_codec import (
    exception_of,
    exception_values,
    external_of,
    preference_json,
    preference_of,
    rule_of,
    rule_values,
    time_off_of,
)

OF_RESOURCES = """
SELECT * FROM availability.{} WHERE tenant_id = %(tenant_id)s
  AND (%(ids)s::text[] IS NULL OR {} = ANY (%(ids)s)) ORDER BY {}
"""
VERSIONS = OF_RESOURCES.replace("SELECT *", "SELECT id, schedule_version, preferences").format(
    "resource", "id", "id"
)
RULES = OF_RESOURCES.format("weekly_rule", "resource_id", "resource_id, position")
EXCEPTIONS = OF_RESOURCES.format("schedule_exception", "resource_id", "resource_id, id")
TIME_OFF = OF_RESOURCES.format("time_off", "resource_id", "resource_id, id")
EXTERNAL = OF_RESOURCES.replace("WHERE", "WHERE NOT deleted AND").format(
    "external_busy", "resource_id", "resource_id, uid"
)
RAISE_VERSION = """
UPDATE availability.resource SET schedule_version = schedule_version + 1
WHERE tenant_id = %(tenant_id)s AND id = %(id)s RETURNING schedule_version
"""
# Two that differ under one sequence are settled by their times, so that their order is no matter.
UPSERT_EXTERNAL = """
INSERT INTO availability.external_busy AS known
  (tenant_id, resource_id, uid, sequence, start_at, end_at, deleted)
VALUES (%(tenant_id)s, %(resource_id)s, %(uid)s, %(sequence)s, %(start_at)s, %(end_at)s, false)
ON CONFLICT (tenant_id, resource_id, uid) DO UPDATE SET sequence = excluded.sequence,
  start_at = excluded.start_at, end_at = excluded.end_at, deleted = false
WHERE excluded.sequence > known.sequence OR excluded.sequence = known.sequence
  AND NOT known.deleted
  AND (excluded.start_at, excluded.end_at) > (known.start_at, known.end_at)
RETURNING uid
"""
DELETE_EXTERNAL = """
INSERT INTO availability.external_busy AS known
  (tenant_id, resource_id, uid, sequence, start_at, end_at, deleted)
VALUES (%(tenant_id)s, %(resource_id)s, %(uid)s, %(sequence)s, 'epoch', 'epoch', true)
ON CONFLICT (tenant_id, resource_id, uid) DO UPDATE SET sequence = excluded.sequence, deleted = true
WHERE excluded.sequence >= known.sequence AND NOT known.deleted
   OR excluded.sequence > known.sequence
RETURNING uid
"""


class ScheduleRows:
    """The schedules of one tenant, inside a transaction of the caller."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        """Keeps the connection, which is bound to the tenant already."""
        self._connection = connection
        self._tenant = tenant

    async def schedules(self, resource_ids: Sequence[str] | None) -> dict[str, Schedule]:
        """Reads the schedules of these resources, or of all; each that exists is in the answer."""
        values = bound(self._tenant, {"ids": None if resource_ids is None else list(resource_ids)})
        versions = await fetch(self._connection, VERSIONS, values)
        parts: dict[str, list[list[Any]]] = {row["id"]: [[], [], [], []] for row in versions}
        readers = ((RULES, rule_of), (EXCEPTIONS, exception_of), (TIME_OFF, time_off_of))
        for index, (statement, read) in enumerate((*readers, (EXTERNAL, external_of))):
            for row in await fetch(self._connection, statement, values):
                if row["resource_id"] in parts:
                    parts[row["resource_id"]][index].append(read(row))
        found = {}
        for row in versions:
            rules, exceptions, time_off, external = map(tuple, parts[row["id"]])
            found[row["id"]] = Schedule(
                rules,
                exceptions,
                time_off,
                external,
                version=row["schedule_version"],
                preferences=tuple(preference_of(one) for one in row["preferences"]),
            )
        return found

    async def schedule(self, resource_id: str) -> Schedule | None:
        """Reads the schedule of one resource."""
        return (await self.schedules([resource_id])).get(resource_id)

    async def set_rules(self, resource_id: str, rules: Sequence[WeeklyRule]) -> int:
        """Replaces the weekly rules of a resource; gives their new version."""
        values = bound(self._tenant, {"id": resource_id})
        await self._connection.execute(
            "DELETE FROM availability.weekly_rule"
            " WHERE tenant_id = %(tenant_id)s AND resource_id = %(id)s",
            values,
        )
        for position, rule in enumerate(rules):
            columns = {"resource_id": resource_id, "position": position, **rule_values(rule)}
            await self._connection.execute(
                insert("weekly_rule", list(columns)), bound(self._tenant, columns)
            )
        row = await fetch_one(self._connection, RAISE_VERSION, values)
        assert row is not None
        return int(row["schedule_version"])

    async def set_preferences(self, resource_id: str, wishes: Sequence[Preference]) -> None:
        """Replaces what a resource likes and dislikes."""
        values = {"id": resource_id, "preferences": [preference_json(wish) for wish in wishes]}
        await self._connection.execute(
            "UPDATE availability.resource SET preferences = %(preferences)s"
            " WHERE tenant_id = %(tenant_id)s AND id = %(id)s",
            bound(self._tenant, values, ("preferences",)),
        )

    async def insert_exception(self, exception: ScheduleException) -> None:
        """Adds an exception; raises `TakenError` if the id is taken."""
        await self._insert("schedule_exception", exception_values(exception))

    async def insert_time_off(self, leave: TimeOff) -> None:
        """Adds leave; raises `TakenError` if the id is taken."""
        values = {
            "resource_id": leave.resource_id,
            "id": leave.id,
            "start_at": moment_of(leave.span.start),
            "end_at": moment_of(leave.span.end),
            "reason": leave.reason,
        }
        await self._insert("time_off", values)

    async def delete(self, table: str, resource_id: str, row_id: str) -> bool:
        """Deletes a row of `schedule_exception` or `time_off`; says whether there was one."""
        row = await fetch_one(
            self._connection,
            f"DELETE FROM availability.{table} WHERE tenant_id = %(tenant_id)s"
            " AND resource_id = %(resource_id)s AND id = %(id)s RETURNING id",
            bound(self._tenant, {"resource_id": resource_id, "id": row_id}),
        )
        return row is not None

    async def upsert_external(self, events: Sequence[ExternalBusy]) -> int:
        """Enters outside events by (uid, sequence); gives how many changed something."""
        values = [
            bound(
                self._tenant,
                {
                    "resource_id": event.resource_id,
                    "uid": event.uid,
                    "sequence": event.sequence,
                    "start_at": moment_of(event.span.start),
                    "end_at": moment_of(event.span.end),
                },
            )
            for event in events
        ]
        async with self._connection.cursor() as cursor:
            await cursor.executemany(UPSERT_EXTERNAL, values)
            return cursor.rowcount

    async def delete_external(self, resource_id: str, uid: str, sequence: int) -> bool:
        """Takes an outside event back; says whether that changed something."""
        values = {"resource_id": resource_id, "uid": uid, "sequence": sequence}
        row = await fetch_one(self._connection, DELETE_EXTERNAL, bound(self._tenant, values))
        return row is not None

    async def _insert(self, table: str, values: dict[str, Any]) -> None:
        try:
            await self._connection.execute(insert(table, list(values)), bound(self._tenant, values))
        except errors.UniqueViolation as error:
            raise TakenError from error
