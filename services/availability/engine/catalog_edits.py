"""Edits of resources, service types and the tenant's settings."""

from collections.abc import Sequence
from dataclasses import replace

from kit.fault import Invalid, Refused
from services.availability.domain import HolidayCalendar, Resource, ServiceType, Tenant
from services.availability.engine.asking import named_zone
from services.availability.engine.recording import Recording, check_etag, missing, taken
from services.availability.engine.records import saved_resource, saved_service_type
from services.availability.rules.public_holidays import is_known
from services.availability.store import TakenError


class CatalogEdits(Recording):
    """What can be done to the catalog."""

    async def create_resources(self, resources: Sequence[Resource]) -> list[Resource]:
        """Adds resources, all or none."""
        made = [replace(self.named(one), version=1) for one in resources]
        if len({one.id for one in made}) < len(made):
            raise Invalid.field("resources", "names the same id twice")
        for one in made:
            named_zone(one.time_zone, self.zones, field="time_zone")
        try:
            await self.catalog.insert_resources(made)
        except TakenError as error:
            raise taken("resource", made[0].id if len(made) == 1 else "") from error
        saved = {"resource": saved_resource(made[0])} if len(made) == 1 else {}
        await self.record("RESOURCE_SAVED", [one.id for one in made], **saved)
        return made

    async def save_resource(self, resource: Resource) -> Resource:
        """Replaces a resource; the holidays it keeps are set apart and stay."""
        named_zone(resource.time_zone, self.zones, field="time_zone")
        saved = await self.catalog.update_resource(resource)
        await self.record("RESOURCE_SAVED", [saved.id], resource=saved_resource(saved))
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
        await self.record("RESOURCE_DELETED", [resource_id])

    async def create_service_type(self, kind: ServiceType) -> ServiceType:
        """Adds a service type."""
        made = replace(self.named(kind), version=1)
        try:
            await self.catalog.insert_service_type(made)
        except TakenError as error:
            raise taken("service type", made.id) from error
        await self.record("SERVICE_TYPE_SAVED", [made.id], serviceType=saved_service_type(made))
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
        await self.record("SERVICE_TYPE_SAVED", [saved.id], serviceType=saved_service_type(saved))
        return saved

    async def delete_service_type(self, type_id: str, etag: str) -> None:
        """Deletes a service type."""
        check_etag(etag, (await self.service_type(type_id)).version)
        await self.catalog.delete_service_type(type_id)
        await self.record("SERVICE_TYPE_DELETED", [type_id])

    async def save_tenant(self, tenant: Tenant, etag: str) -> Tenant:
        """Replaces the tenant's settings."""
        check_etag(etag, (await self.catalog.tenant(lock=True)).version)
        wanted = replace(tenant, time_zone=tenant.time_zone or "UTC")
        named_zone(wanted.time_zone, self.zones, field="time_zone")
        saved = await self.catalog.save_tenant(wanted)
        await self.record("TENANT_SAVED", [saved.id])
        return saved

    async def set_holidays(self, resource_id: str, calendar: HolidayCalendar) -> None:
        """Says whose public holidays a resource keeps, or with no resource the whole tenant."""
        if calendar.country and not is_known(calendar):
            field = "country" if not calendar.subdivision else "subdivision"
            raise Invalid.field(f"holiday_calendar.{field}", "names no calendar we know")
        if not resource_id:
            await self.catalog.set_tenant_holidays(calendar)
            await self.record("TENANT_SAVED", [])
            return
        await self.resource(resource_id)
        saved = await self.catalog.set_resource_holidays(resource_id, calendar)
        await self.record("RESOURCE_SAVED", [saved.id], resource=saved_resource(saved))
