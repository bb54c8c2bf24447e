"""Serves CatalogService: turns messages into edits and reads of the catalog."""

from typing import Any, TypeVar

import grpc
from fairslot.availability.v1 import catalog_pb2 as pb
from fairslot.availability.v1 import catalog_pb2_grpc
from google.protobuf.field_mask_pb2 import FieldMask

from kit import position
from kit.call import current_caller
from kit.fault import Invalid
from services.availability.domain import Tenant
from services.availability.engine import (
    Edit,
    Editing,
    Reading,
    check_etag,
    name_after,
    name_token,
)
from services.availability.servicer.catalog_messages import (
    resource_in,
    resource_message,
    service_type_in,
    service_type_message,
    tenant_message,
)
from services.availability.servicer.writing import Writing

Context = grpc.aio.ServicerContext[Any, Any]
Edited = TypeVar("Edited", pb.Resource, pb.ServiceType)
PAGE_SIZE_DEFAULT = 100


class CatalogServicer(catalog_pb2_grpc.CatalogServiceServicer):
    """Translates; decides nothing."""

    def __init__(self, editing: Editing, reading: Reading) -> None:
        """Keeps what edits and what reads."""
        self._writing = Writing(editing)
        self._reading = reading

    async def CreateResource(  # noqa: N802
        self, request: pb.CreateResourceRequest, context: Context
    ) -> pb.CreateResourceResponse:
        """Creates a resource."""
        wanted = resource_in(request.resource)

        async def work(edit: Edit) -> pb.CreateResourceResponse:
            (made,) = await edit.create_resources([wanted])
            return pb.CreateResourceResponse(resource=resource_message(made, edit.freshness))

        return await self._writing.once(request, pb.CreateResourceResponse, work)

    async def BatchCreateResources(  # noqa: N802
        self, request: pb.BatchCreateResourcesRequest, context: Context
    ) -> pb.BatchCreateResourcesResponse:
        """Creates many resources, all or none."""
        wanted = [resource_in(resource) for resource in request.resources]

        async def work(edit: Edit) -> pb.BatchCreateResourcesResponse:
            made = await edit.create_resources(wanted)
            return pb.BatchCreateResourcesResponse(
                resources=[resource_message(one) for one in made],
                freshness=position.encode(edit.freshness),
            )

        return await self._writing.once(request, pb.BatchCreateResourcesResponse, work)

    async def GetResource(  # noqa: N802
        self, request: pb.GetResourceRequest, context: Context
    ) -> pb.GetResourceResponse:
        """Reads one resource."""
        found = await self._reading.resource(current_caller().tenant, request.id)
        return pb.GetResourceResponse(resource=resource_message(found))

    async def ListResources(  # noqa: N802
        self, request: pb.ListResourcesRequest, context: Context
    ) -> pb.ListResourcesResponse:
        """Lists resources by id."""
        size = request.page_size or PAGE_SIZE_DEFAULT
        found = await self._reading.resources(
            current_caller().tenant,
            after=name_after(request.page_token),
            limit=size + 1,
            kind=pb.Resource.Kind.Name(request.kind) if request.kind else "",
            skill=request.skill,
            zone=request.zone,
        )
        shown = found[:size]
        return pb.ListResourcesResponse(
            resources=[resource_message(one) for one in shown],
            next_page_token=name_token(shown[-1].id if len(found) > size else ""),
        )

    async def UpdateResource(  # noqa: N802
        self, request: pb.UpdateResourceRequest, context: Context
    ) -> pb.UpdateResourceResponse:
        """Replaces the named fields of a resource, or all of them."""

        async def work(edit: Edit) -> pb.UpdateResourceResponse:
            stored = await edit.resource(request.resource.id)
            check_etag(request.resource.etag, stored.version)
            wanted = _masked(request.resource, resource_message(stored), request.update_mask)
            saved = await edit.save_resource(resource_in(wanted))
            return pb.UpdateResourceResponse(resource=resource_message(saved, edit.freshness))

        return await self._writing.once(request, pb.UpdateResourceResponse, work)

    async def DeleteResource(  # noqa: N802
        self, request: pb.DeleteResourceRequest, context: Context
    ) -> pb.DeleteResourceResponse:
        """Deletes a resource with its schedule."""

        async def work(edit: Edit) -> pb.DeleteResourceResponse:
            await edit.delete_resource(request.id, request.etag)
            return pb.DeleteResourceResponse(freshness=position.encode(edit.freshness))

        return await self._writing.once(request, pb.DeleteResourceResponse, work)

    async def CreateServiceType(  # noqa: N802
        self, request: pb.CreateServiceTypeRequest, context: Context
    ) -> pb.CreateServiceTypeResponse:
        """Creates a service type."""
        wanted = service_type_in(request.service_type)

        async def work(edit: Edit) -> pb.CreateServiceTypeResponse:
            made = await edit.create_service_type(wanted)
            message = service_type_message(made, edit.freshness)
            return pb.CreateServiceTypeResponse(service_type=message)

        return await self._writing.once(request, pb.CreateServiceTypeResponse, work)

    async def GetServiceType(  # noqa: N802
        self, request: pb.GetServiceTypeRequest, context: Context
    ) -> pb.GetServiceTypeResponse:
        """Reads one service type."""
        found = await self._reading.service_type(current_caller().tenant, request.id)
        return pb.GetServiceTypeResponse(service_type=service_type_message(found))

    async def ListServiceTypes(  # noqa: N802
        self, request: pb.ListServiceTypesRequest, context: Context
    ) -> pb.ListServiceTypesResponse:
        """Lists service types by id."""
        size = request.page_size or PAGE_SIZE_DEFAULT
        found = await self._reading.service_types(
            current_caller().tenant, after=name_after(request.page_token), limit=size + 1
        )
        shown = found[:size]
        return pb.ListServiceTypesResponse(
            service_types=[service_type_message(one) for one in shown],
            next_page_token=name_token(shown[-1].id if len(found) > size else ""),
        )

    async def UpdateServiceType(  # noqa: N802
        self, request: pb.UpdateServiceTypeRequest, context: Context
    ) -> pb.UpdateServiceTypeResponse:
        """Replaces the named fields of a service type, or all of them."""

        async def work(edit: Edit) -> pb.UpdateServiceTypeResponse:
            stored = await edit.service_type(request.service_type.id)
            check_etag(request.service_type.etag, stored.version)
            known = service_type_message(stored)
            wanted = _masked(request.service_type, known, request.update_mask)
            saved = await edit.save_service_type(service_type_in(wanted))
            message = service_type_message(saved, edit.freshness)
            return pb.UpdateServiceTypeResponse(service_type=message)

        return await self._writing.once(request, pb.UpdateServiceTypeResponse, work)

    async def DeleteServiceType(  # noqa: N802
        self, request: pb.DeleteServiceTypeRequest, context: Context
    ) -> pb.DeleteServiceTypeResponse:
        """Deletes a service type."""

        async def work(edit: Edit) -> pb.DeleteServiceTypeResponse:
            await edit.delete_service_type(request.id, request.etag)
            return pb.DeleteServiceTypeResponse(freshness=position.encode(edit.freshness))

        return await self._writing.once(request, pb.DeleteServiceTypeResponse, work)

    async def GetTenant(  # noqa: N802
        self, request: pb.GetTenantRequest, context: Context
    ) -> pb.GetTenantResponse:
        """Reads the caller's tenant settings."""
        found = await self._reading.tenant(current_caller().tenant)
        return pb.GetTenantResponse(tenant=tenant_message(found))

    async def UpdateTenant(  # noqa: N802
        self, request: pb.UpdateTenantRequest, context: Context
    ) -> pb.UpdateTenantResponse:
        """Replaces the caller's tenant settings."""
        own = current_caller().tenant
        if request.tenant.id not in ("", own):
            raise Invalid.field("tenant.id", "is not the caller's tenant")
        wanted = Tenant(
            own,
            request.tenant.display_name,
            request.tenant.time_zone,
            travel_speed_kmh=request.tenant.travel_speed_kmh,
        )

        async def work(edit: Edit) -> pb.UpdateTenantResponse:
            saved = await edit.save_tenant(wanted, request.tenant.etag)
            return pb.UpdateTenantResponse(tenant=tenant_message(saved, edit.freshness))

        return await self._writing.once(request, pb.UpdateTenantResponse, work)


def _masked(wanted: Edited, stored: Edited, mask: FieldMask) -> Edited:
    """Returns what an update leaves: the stored one with the named fields replaced, or all new."""
    if not mask.paths:
        return wanted
    if not mask.IsValidForDescriptor(wanted.DESCRIPTOR):
        raise Invalid.field("update_mask", "names a field that does not exist")
    mask.MergeMessage(wanted, stored, True, True)
    return stored
