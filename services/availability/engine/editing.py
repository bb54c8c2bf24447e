"""Edits the catalog and schedules: each edit is one transaction with one event."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypeVar

from kit.call import Caller
from kit.db import Connection, Pool, tenant_transaction
from kit.fault import Conflict, Exists, Invalid, NotFound, Refused
from services.availability.domain import (
    ExternalBusy,
    Resource,
    ScheduleException,
    ServiceType,
    Tenant,
    TimeOff,
    WeeklyRule,
)
from services.availability.engine.asking import named_zone
from services.availability.engine.records import event, saved_resource, saved_service_type
from services.availability.engine.worlds import CATALOG, Worlds
from services.availability.rules.zones import Zones
from services.availability.store import CatalogRows, ChangeRows, ScheduleRows, TakenError

Named = TypeVar("Named", Resource, ServiceType, ScheduleException, TimeOff)


class Edit:
    """One edit in progress; what it changed becomes visible when its block ends."""

    def __init__(
        self, connection: Connection, caller: Caller, zones: Zones, new_id: Callable[[], str]
    ) -> None:
        """Binds the edit to a transaction and to who makes it."""
        self.connection = connection
        self.revision = 0
        self._caller = caller
        self._zones = zones
        self._new_id = new_id
        self.catalog = CatalogRows(connection, caller.tenant)
        self.schedules = ScheduleRows(connection, caller.tenant)
        self._changes = ChangeRows(connection, caller.tenant)

    @property
    def freshness(self) -> Mapping[str, int]:
        """What a search must have seen to see this edit."""
        return {CATALOG: self.revision}

    async def create_resources(self, resources: Sequence[Resource]) -> list[Resource]:
        """Adds resources, all or none."""
        made = [replace(self._named(one), version=1) for one in resources]
        if len({one.id for one in made}) < len(made):
            raise Invalid.field("resources", "names the same id twice")
        for one in made:
            named_zone(one.time_zone, self._zones, field="time_zone")
        try:
            await self.catalog.insert_resources(made)
        except TakenError as error:
            raise _taken("resource", made[0].id if len(made) == 1 else "") from error
        saved = {"resource": saved_resource(made[0])} if len(made) == 1 else {}
        await self._record("RESOURCE_SAVED", [one.id for one in made], **saved)
        return made

    async def resource(self, resource_id: str) -> Resource:
        """Finds a resource and keeps others from editing it."""
        found = await self.catalog.resource(resource_id, lock=True)
        if found is None:
            raise missing("resource", resource_id)
        return found

    async def save_resource(self, resource: Resource) -> Resource:
        """Replaces a resource."""
        named_zone(resource.time_zone, self._zones, field="time_zone")
        saved = await self.catalog.update_resource(resource)
        await self._record("RESOURCE_SAVED", [saved.id], resource=saved_resource(saved))
        return saved

    async def delete_resource(self, resource_id: str, etag: str) -> None:
        """Deletes a resource with its schedule, unless something live still needs it."""
        found = await self.resource(resource_id)
        check_etag(etag, found.version)
        needed = await self.catalog.allocation_that_needs(resource_id)
        if needed:
            raise Refused(
                "IN_USE",
                f"resource {resource_id!r} has a live hold or a coming assignment",
                resource_id=resource_id,
                allocation_id=needed,
            )
        await self.catalog.delete_resource(resource_id)
        await self._record("RESOURCE_DELETED", [resource_id])

    async def create_service_type(self, kind: ServiceType) -> ServiceType:
        """Adds a service type."""
        made = replace(self._named(kind), version=1)
        try:
            await self.catalog.insert_service_type(made)
        except TakenError as error:
            raise _taken("service type", made.id) from error
        await self._record("SERVICE_TYPE_SAVED", [made.id], serviceType=saved_service_type(made))
        return made

    async def service_type(self, type_id: str) -> ServiceType:
        """Finds a service type and keeps others from editing it."""
        found = await self.catalog.service_type(type_id, lock=True)
        if found is None:
            raise missing("service type", type_id)
        return found

    async def save_service_type(self, kind: ServiceType) -> ServiceType:
        """Replaces a service type."""
        saved = await self.catalog.update_service_type(kind)
        await self._record("SERVICE_TYPE_SAVED", [saved.id], serviceType=saved_service_type(saved))
        return saved

    async def delete_service_type(self, type_id: str, etag: str) -> None:
        """Deletes a service type."""
        check_etag(etag, (await self.service_type(type_id)).version)
        await self.catalog.delete_service_type(type_id)
        await self._record("SERVICE_TYPE_DELETED", [type_id])

    async def save_tenant(self, tenant: Tenant, etag: str) -> Tenant:
        """Replaces the tenant's settings."""
        check_etag(etag, (await self.catalog.tenant(lock=True)).version)
        wanted = replace(tenant, time_zone=tenant.time_zone or "UTC")
        named_zone(wanted.time_zone, self._zones, field="time_zone")
        saved = await self.catalog.save_tenant(wanted)
        await self._record("TENANT_SAVED", [saved.id])
        return saved

    async def set_rules(self, resource_id: str, rules: Sequence[WeeklyRule], etag: str) -> int:
        """Replaces the weekly rules of a resource; gives their version."""
        await self.resource(resource_id)
        schedule = await self.schedules.schedule(resource_id)
        assert schedule is not None
        check_etag(etag, schedule.version)
        version = await self.schedules.set_rules(resource_id, rules)
        await self._record("SCHEDULE_SAVED", [resource_id])
        return version

    async def create_exception(self, exception: ScheduleException) -> ScheduleException:
        """Adds an exception to the weekly rules."""
        await self.resource(exception.resource_id)
        made = self._named(exception)
        try:
            await self.schedules.insert_exception(made)
        except TakenError as error:
            raise _taken("exception", made.id) from error
        await self._record("SCHEDULE_SAVED", [made.resource_id])
        return made

    async def create_time_off(self, leave: TimeOff) -> TimeOff:
        """Enters leave."""
        made = self._named(leave)
        try:
            await self.schedules.insert_time_off(made)
        except TakenError as error:
            raise _taken("leave", made.id) from error
        await self._record("SCHEDULE_SAVED", [made.resource_id])
        return made

    async def delete_exception(self, resource_id: str, exception_id: str) -> None:
        """Deletes an exception."""
        await self.resource(resource_id)
        if not await self.schedules.delete("schedule_exception", resource_id, exception_id):
            raise missing("exception", exception_id)
        await self._record("SCHEDULE_SAVED", [resource_id])

    async def delete_time_off(self, resource_id: str, leave_id: str) -> None:
        """Takes leave back."""
        await self.resource(resource_id)
        if not await self.schedules.delete("time_off", resource_id, leave_id):
            raise missing("leave", leave_id)
        await self._record("SCHEDULE_SAVED", [resource_id])

    async def upsert_external(self, resource_id: str, events: Sequence[ExternalBusy]) -> int:
        """Enters outside events; gives how many changed something."""
        await self.resource(resource_id)
        # One order for all, so that two calls with the same events never wait for each other.
        ordered = sorted(events, key=lambda one: (one.uid, one.sequence))
        applied = await self.schedules.upsert_external(ordered)
        if applied:
            await self._record("EXTERNAL_BUSY_SAVED", [resource_id])
        return applied

    async def delete_external(self, resource_id: str, uid: str, sequence: int) -> bool:
        """Takes an outside event back; says whether that changed something."""
        await self.resource(resource_id)
        applied = await self.schedules.delete_external(resource_id, uid, sequence)
        if applied:
            await self._record("EXTERNAL_BUSY_SAVED", [resource_id])
        return applied

    async def _record(self, kind: str, ids: Sequence[str], **saved: dict[str, object]) -> None:
        payload = event(kind, ids, self._caller.subject, **saved)
        self.revision = await self._changes.record(payload)

    def _named(self, thing: Named) -> Named:
        """Gives the thing an id if the client made none."""
        return thing if thing.id else replace(thing, id=self._new_id())


class Editing:
    """Opens edits, and tells the memory of this process what they changed."""

    def __init__(self, pool: Pool, worlds: Worlds, zones: Zones, new_id: Callable[[], str]) -> None:
        """Takes the pool of the service's own role."""
        self._pool = pool
        self._worlds = worlds
        self._zones = zones
        self._new_id = new_id

    @asynccontextmanager
    async def edit(self, caller: Caller) -> AsyncIterator[Edit]:
        """Yields an edit; commits when the block ends, undoes everything when it raises."""
        async with tenant_transaction(self._pool, caller.tenant) as connection:
            made = Edit(connection, caller, self._zones, self._new_id)
            yield made
        if made.revision:
            self._worlds.hear(caller.tenant, made.revision)


def check_etag(etag: str, version: int) -> None:
    """Refuses an etag that is given and not the current one."""
    if etag and etag != str(version):
        raise Conflict(
            "STALE_ETAG", "it was changed since it was read; read it again", etag=str(version)
        )


def missing(what: str, name: str) -> NotFound:
    """Returns the refusal of a name that the tenant does not have."""
    return NotFound("NOT_FOUND", f"there is no {what} {name!r}", id=name)


def _taken(what: str, name: str) -> Exists:
    which = f" {name!r}" if name else " of this id"
    return Exists("ALREADY_EXISTS", f"there is a {what}{which} already", id=name)
