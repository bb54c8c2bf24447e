"""Reads and writes resources, service types and the tenant's settings in one transaction."""

from collections.abc import Sequence

from psycopg import errors

from kit.db import Connection
from services.availability.domain import HolidayCalendar, Resource, ServiceType, Tenant
from services.availability.store.codec import (
    resource_of,
    resource_values,
    service_type_of,
    service_type_values,
    tenant_of,
)
from services.availability.store.rows import bound, fetch, fetch_one, insert, update

RESOURCE_JSON = ("skills", "labels")
SERVICE_TYPE_JSON = ("required_skills", "labels")

FIND = "SELECT * FROM availability.{} WHERE tenant_id = %(tenant_id)s AND id = %(id)s"
LIST_RESOURCES = """
SELECT * FROM availability.resource
WHERE tenant_id = %(tenant_id)s AND id > %(after)s
  AND (%(kind)s::text = '' OR kind = %(kind)s) AND (%(zone)s::text = '' OR zone = %(zone)s)
  AND (%(skill)s::text = ''
       OR skills @> jsonb_build_array(jsonb_build_object('name', %(skill)s::text)))
ORDER BY id LIMIT %(limit)s
"""
LIST_SERVICE_TYPES = """
SELECT * FROM availability.service_type
WHERE tenant_id = %(tenant_id)s AND id > %(after)s ORDER BY id LIMIT %(limit)s
"""
NEEDED = """
SELECT id FROM availability.allocation
WHERE tenant_id = %(tenant_id)s AND %(id)s = ANY (resource_ids) AND occupied_end > now()
  AND (state = 'ASSIGNED' OR (state = 'HELD' AND expires_at > now())) LIMIT 1
"""
FIND_TENANT = "SELECT * FROM availability.tenant WHERE tenant_id = %(tenant_id)s"
SAVE_TENANT = """
INSERT INTO availability.tenant (tenant_id, display_name, time_zone, travel_speed_kmh, version)
VALUES (%(tenant_id)s, %(display_name)s, %(time_zone)s, %(travel_speed_kmh)s, 1)
ON CONFLICT (tenant_id) DO UPDATE SET display_name = excluded.display_name,
  time_zone = excluded.time_zone, travel_speed_kmh = excluded.travel_speed_kmh,
  version = tenant.version + 1
RETURNING *
"""
SET_TENANT_HOLIDAYS = """
INSERT INTO availability.tenant (tenant_id, holiday_country, holiday_subdivision)
VALUES (%(tenant_id)s, %(country)s, %(subdivision)s)
ON CONFLICT (tenant_id) DO UPDATE SET holiday_country = excluded.holiday_country,
  holiday_subdivision = excluded.holiday_subdivision, version = tenant.version + 1
"""
SET_RESOURCE_HOLIDAYS = """
UPDATE availability.resource SET holiday_country = %(country)s,
  holiday_subdivision = %(subdivision)s, holiday_none = %(none)s, version = version + 1
WHERE tenant_id = %(tenant_id)s AND id = %(id)s RETURNING *
"""


class TakenError(Exception):
    """Raised when an id is taken."""


class CatalogRows:
    """The catalog of one tenant, inside a transaction of the caller."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        """Keeps the connection, which is bound to the tenant already."""
        self._connection = connection
        self._tenant = tenant

    async def resource(self, resource_id: str, *, lock: bool = False) -> Resource | None:
        """Finds a resource; locked, nobody else edits it or its schedule until the commit."""
        row = await self._find("resource", resource_id, lock=lock)
        return None if row is None else resource_of(row)

    async def resources(
        self, *, after: str, limit: int, kind: str, skill: str, zone: str
    ) -> list[Resource]:
        """Lists resources by id."""
        values = {"after": after, "limit": limit, "kind": kind, "skill": skill, "zone": zone}
        rows = await fetch(self._connection, LIST_RESOURCES, bound(self._tenant, values))
        return [resource_of(row) for row in rows]

    async def insert_resources(self, resources: Sequence[Resource]) -> None:
        """Adds resources; raises `TakenError` if one of the ids is taken."""
        values = [bound(self._tenant, resource_values(one), RESOURCE_JSON) for one in resources]
        statement = insert("resource", list(resource_values(resources[0])))
        try:
            async with self._connection.cursor() as cursor:
                await cursor.executemany(statement, values)
        except errors.UniqueViolation as error:
            raise TakenError from error

    async def update_resource(self, resource: Resource) -> Resource:
        """Replaces a resource that exists."""
        values = resource_values(resource)
        row = await fetch_one(
            self._connection,
            update("resource", list(values)),
            bound(self._tenant, values, RESOURCE_JSON),
        )
        assert row is not None
        return resource_of(row)

    async def delete_resource(self, resource_id: str) -> None:
        """Deletes a resource with its schedule."""
        await self._delete("resource", resource_id)

    async def allocation_that_needs(self, resource_id: str) -> str:
        """Gives the id of a live hold or coming assignment of a resource; empty if none."""
        row = await fetch_one(self._connection, NEEDED, bound(self._tenant, {"id": resource_id}))
        return "" if row is None else str(row["id"])

    async def service_type(self, type_id: str, *, lock: bool = False) -> ServiceType | None:
        """Finds a service type."""
        row = await self._find("service_type", type_id, lock=lock)
        return None if row is None else service_type_of(row)

    async def service_types(self, *, after: str, limit: int) -> list[ServiceType]:
        """Lists service types by id."""
        values = bound(self._tenant, {"after": after, "limit": limit})
        rows = await fetch(self._connection, LIST_SERVICE_TYPES, values)
        return [service_type_of(row) for row in rows]

    async def insert_service_type(self, kind: ServiceType) -> None:
        """Adds a service type; raises `TakenError` if the id is taken."""
        values = service_type_values(kind)
        try:
            await self._connection.execute(
                insert("service_type", list(values)),
                bound(self._tenant, values, SERVICE_TYPE_JSON),
            )
        except errors.UniqueViolation as error:
            raise TakenError from error

    async def update_service_type(self, kind: ServiceType) -> ServiceType:
        """Replaces a service type that exists."""
        values = service_type_values(kind)
        row = await fetch_one(
            self._connection,
            update("service_type", list(values)),
            bound(self._tenant, values, SERVICE_TYPE_JSON),
        )
        assert row is not None
        return service_type_of(row)

    async def delete_service_type(self, type_id: str) -> None:
        """Deletes a service type."""
        await self._delete("service_type", type_id)

    async def tenant(self, *, lock: bool = False) -> Tenant:
        """Finds the tenant's settings; one that never set any has the usual ones."""
        statement = FIND_TENANT + (" FOR UPDATE" if lock else "")
        row = await fetch_one(self._connection, statement, bound(self._tenant, {}))
        return Tenant(self._tenant) if row is None else tenant_of(row)

    async def save_tenant(self, tenant: Tenant) -> Tenant:
        """Stores the tenant's settings."""
        values = {
            "display_name": tenant.display_name,
            "time_zone": tenant.time_zone,
            "travel_speed_kmh": tenant.travel_speed_kmh,
        }
        row = await fetch_one(self._connection, SAVE_TENANT, bound(self._tenant, values))
        assert row is not None
        return tenant_of(row)

    async def set_tenant_holidays(self, calendar: HolidayCalendar) -> None:
        """Stores whose holidays the tenant's resources keep that have no calendar of their own."""
        values = {"country": calendar.country, "subdivision": calendar.subdivision}
        await self._connection.execute(SET_TENANT_HOLIDAYS, bound(self._tenant, values))

    async def set_resource_holidays(self, resource_id: str, calendar: HolidayCalendar) -> Resource:
        """Stores whose holidays a resource keeps."""
        values = {
            "id": resource_id,
            "country": calendar.country,
            "subdivision": calendar.subdivision,
            "none": calendar.none,
        }
        row = await fetch_one(self._connection, SET_RESOURCE_HOLIDAYS, bound(self._tenant, values))
        assert row is not None
        return resource_of(row)

    async def _find(self, table: str, row_id: str, *, lock: bool) -> dict[str, object] | None:
        statement = FIND.format(table) + (" FOR UPDATE" if lock else "")
        return await fetch_one(self._connection, statement, bound(self._tenant, {"id": row_id}))

    async def _delete(self, table: str, row_id: str) -> None:
        statement = (
            f"DELETE FROM availability.{table} WHERE tenant_id = %(tenant_id)s AND id = %(id)s"
        )
        await self._connection.execute(statement, bound(self._tenant, {"id": row_id}))
