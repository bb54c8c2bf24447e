"""Reads all that decides a tenant's free time, at once or for what changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from kit.db import Connection, Pool, tenant_transaction
from services.availability.domain import (
    Allocation,
    Resource,
    Schedule,
    ServiceType,
    Tenant,
)
from services.availability.store.catalog import CatalogRows
from services.availability.store.changes import Changed, ChangeRows
from services.availability.store.codec import resource_of, service_type_of
from services.availability.store.glances import Glance, glance
from services.availability.store.open_calendars import NEVER, calendars_until
from services.availability.store.projection import Position, day_stamps, projected
from services.availability.store.rows import bound, fetch
from services.availability.store.schedules import ScheduleRows
from services.availability.store.time_codec import allocation_of

RESOURCES = """
SELECT * FROM availability.resource
WHERE tenant_id = %(tenant_id)s AND (%(ids)s::text[] IS NULL OR id = ANY (%(ids)s))
"""
SERVICE_TYPES = """
SELECT * FROM availability.service_type
WHERE tenant_id = %(tenant_id)s AND (%(ids)s::text[] IS NULL OR id = ANY (%(ids)s))
"""
ALLOCATIONS = """
SELECT * FROM availability.allocation
WHERE tenant_id = %(tenant_id)s AND occupied_end > %(since)s
  AND state IN ('HELD', 'ASSIGNED', 'COMPLETED')
"""
GENERATIONS = """
SELECT resource_id, generation FROM availability.resource_generation
WHERE tenant_id = %(tenant_id)s
"""


@dataclass(frozen=True, slots=True)
class Everything:
    """All of a tenant at one moment: that of `revision` and `position`."""

    revision: int
    position: Position
    tenant: Tenant
    resources: Mapping[str, Resource]
    schedules: Mapping[str, Schedule]
    service_types: Mapping[str, ServiceType]
    allocations: Sequence[Allocation]
    generations: Mapping[str, int]
    # The last event of the ledger on each day.
    stamps: Mapping[int, str] = field(default_factory=dict)
    # The minute until which imported calendars have been read.
    calendars_until: int = NEVER


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed up to `revision`: asked-for ids that are missing from the maps are gone."""

    revision: int
    resource_ids: frozenset[str] = frozenset()
    service_type_ids: frozenset[str] = frozenset()
    calendars_until: int = NEVER
    tenant: Tenant | None = None
    resources: Mapping[str, Resource] = field(default_factory=dict)
    schedules: Mapping[str, Schedule] = field(default_factory=dict)
    service_types: Mapping[str, ServiceType] = field(default_factory=dict)


class WorldRows:
    """Reads tenants for the engine's memory."""

    def __init__(self, pool: Pool) -> None:
        """Takes the pool of the service's own role."""
        self._pool = pool

    async def everything(self, tenant: str, *, since: datetime) -> Everything:
        """Reads all of a tenant; allocations only where they end after `since`."""
        async with tenant_transaction(self._pool, tenant, snapshot=True) as connection:
            revision = await ChangeRows(connection, tenant).revision()
            position = await projected(connection)
            values = bound(tenant, {"since": since})
            return Everything(
                revision=revision,
                position=position,
                tenant=await CatalogRows(connection, tenant).tenant(),
                resources=await _resources(connection, tenant, None),
                schedules=await ScheduleRows(connection, tenant).schedules(None),
                service_types=await _service_types(connection, tenant, None),
                allocations=[
                    allocation_of(row) for row in await fetch(connection, ALLOCATIONS, values)
                ],
                generations={
                    row["resource_id"]: row["generation"]
                    for row in await fetch(connection, GENERATIONS, values)
                },
                stamps=await day_stamps(connection, tenant),
                calendars_until=await calendars_until(connection, tenant),
            )

    async def difference(self, tenant: str, revision: int) -> Difference | None:
        """Reads what changed after a revision; none where all must be read anew."""
        async with tenant_transaction(self._pool, tenant, snapshot=True) as connection:
            changes = await ChangeRows(connection, tenant).since(revision)
            if changes is None:
                return None
            until = await calendars_until(connection, tenant)
            if not changes:
                return Difference(revision, calendars_until=until)
            kinds, resources = _ids(changes)
            settings = any(change.kind == "TENANT_SAVED" for change in changes)
            return Difference(
                revision=changes[-1].revision,
                resource_ids=frozenset(resources),
                service_type_ids=frozenset(kinds),
                calendars_until=until,
                tenant=await CatalogRows(connection, tenant).tenant() if settings else None,
                resources=await _resources(connection, tenant, resources) if resources else {},
                schedules=(
                    await ScheduleRows(connection, tenant).schedules(resources) if resources else {}
                ),
                service_types=await _service_types(connection, tenant, kinds) if kinds else {},
            )

    async def glance(self, tenant: str, *, since_day: int) -> Glance | None:
        """Gives where a tenant stands, without reading what it has."""
        async with tenant_transaction(self._pool, tenant) as connection:
            return await glance(connection, tenant, since_day=since_day)

    async def position(self, tenant: str) -> Position:
        """Gives how far the projection of the ledger has come."""
        async with tenant_transaction(self._pool, tenant) as connection:
            return await projected(connection)


def _ids(changes: Sequence[Changed]) -> tuple[list[str], list[str]]:
    """Gives the ids of service types and of resources that changed."""
    kinds: set[str] = set()
    resources: set[str] = set()
    for change in changes:
        if change.kind.startswith("SERVICE_TYPE"):
            kinds.update(change.ids)
        elif change.kind != "TENANT_SAVED":
            resources.update(change.ids)
    return sorted(kinds), sorted(resources)


async def _resources(
    connection: Connection, tenant: str, ids: list[str] | None
) -> dict[str, Resource]:
    rows = await fetch(connection, RESOURCES, bound(tenant, {"ids": ids}))
    return {row["id"]: resource_of(row) for row in rows}


async def _service_types(
    connection: Connection, tenant: str, ids: list[str] | None
) -> dict[str, ServiceType]:
    rows = await fetch(connection, SERVICE_TYPES, bound(tenant, {"ids": ids}))
    return {row["id"]: service_type_of(row) for row in rows}
