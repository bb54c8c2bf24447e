"""The two foreign parties as real gRPC servers that answer from a world, and matching between."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC

import grpc
from fairslot.assignment.v1 import (
    assignment_pb2,
    assignment_pb2_grpc,
    request_pb2,
    request_pb2_grpc,
)
from fairslot.availability.v1 import (
    availability_pb2,
    availability_pb2_grpc,
    catalog_pb2,
    catalog_pb2_grpc,
)
from fairslot.matching.v1 import matching_pb2_grpc
from fairslot.type.v1 import type_pb2
from google.protobuf.duration_pb2 import Duration

from kit.fault import Fault, abort
from kit.service import serving
from services.matching.app import open_service
from services.matching.domain import Month, Window, moment_of
from services.matching.peers.spans import interval, moment, window
from services.matching.tests.worlds import World, WorldAssignment, WorldAvailability

Kind = catalog_pb2.Resource.Kind


@dataclass
class Seen:
    """What reached the foreign parties: method, message, metadata, seconds left."""

    calls: list[tuple[str, object, dict[str, str], float]] = field(default_factory=list)
    # Raised in the place of an answer, by method.
    faults: dict[str, Fault] = field(default_factory=dict)

    async def note(self, method: str, request, context) -> None:
        metadata = dict(context.invocation_metadata())
        self.calls.append((method, request, metadata, context.time_remaining()))
        if method in self.faults:
            await abort(context, self.faults[method], {})

    def of(self, method: str):
        return [request for name, request, _, _ in self.calls if name == method]


class AvailabilityServer(
    availability_pb2_grpc.AvailabilityServiceServicer, catalog_pb2_grpc.CatalogServiceServicer
):
    def __init__(self, world: World, seen: Seen):
        self.world, self.seen = world, seen
        self.plain = WorldAvailability(world)

    async def SearchSlotMatrix(self, request, context):
        await self.seen.note("SearchSlotMatrix", request, context)
        query = request.query
        question = self.world.question
        if query.HasField("window"):
            span = window(query.window)
            question = type(question)(question.service_type_id, span)
        found = await self.plain.slots(
            question,
            max_rejections=request.max_rejections,
            at_least_as_fresh=query.at_least_as_fresh,
            as_if_now=None,
        )
        used = Window(moment_of(found.window_start), moment_of(found.window_end))
        return availability_pb2.SearchSlotMatrixResponse(
            query=availability_pb2.SlotQuery(
                window=interval(used),
                duration=Duration(seconds=60 * found.duration),
                required_skills=found.required_skills,
            ),
            resource_ids=[one.id for one in found.resources],
            start_minutes=found.starts,
            capacities=found.capacities,
            candidate_indexes=found.pairs,
            resources=[
                availability_pb2.MatrixResource(
                    id=one.id,
                    display_name=one.display_name,
                    kind=Kind.PERSON if one.is_person else Kind.TABLE,
                    priority=one.priority,
                    capacity_max=one.capacity_max,
                    zone=one.zone,
                    offered_days=offered.tolist(),
                )
                for one, offered in zip(found.resources, found.offered, strict=True)
            ],
            months=[str(month) for month in found.months],
            rejections=[
                availability_pb2.Rejection(
                    resource_id=one.resource_id,
                    reasons=[type_pb2.Obstacle.Code.Value(reason) for reason in one.reasons],
                )
                for one in found.rejections
            ],
            rejected_count=found.rejected_count,
            tenant_time_zone=found.time_zone,
            freshness=found.freshness,
            result=found.result,
        )

    async def GetOfferedDays(self, request, context):
        await self.seen.note("GetOfferedDays", request, context)
        found = await self.plain.offers(
            Month.parse(request.month),
            skill=request.skill,
            resource_ids=tuple(request.resource_ids),
            at_least_as_fresh=request.at_least_as_fresh,
        )
        return availability_pb2.GetOfferedDaysResponse(
            rows=[
                availability_pb2.OfferedDays(
                    resource_id=one.resource.id,
                    display_name=one.resource.display_name,
                    kind=Kind.PERSON if one.resource.is_person else Kind.TABLE,
                    days=one.days,
                )
                for one in found.offers
            ],
            tenant_time_zone=found.time_zone,
        )

    async def GetServiceType(self, request, context):
        await self.seen.note("GetServiceType", request, context)
        duration = Duration(seconds=60 * self.world.duration)
        return catalog_pb2.GetServiceTypeResponse(
            service_type=catalog_pb2.ServiceType(id=request.id, duration=duration)
        )


class AssignmentServer(
    assignment_pb2_grpc.AssignmentServiceServicer, request_pb2_grpc.RequestServiceServicer
):
    def __init__(self, world: World, seen: Seen):
        self.world, self.seen = world, seen
        self.plain = WorldAssignment(world)

    async def GetRequest(self, request, context):
        await self.seen.note("GetRequest", request, context)
        question = self.world.question
        return request_pb2.GetRequestResponse(
            request=request_pb2.BookingRequest(
                id=request.id,
                service_type_id=question.service_type_id,
                window=interval(question.window),
                party_size=question.party_size,
                required_skills=["go"],
                resource_ids=["ada", "bo"],
                zone=question.zone,
            )
        )

    async def GetWorkload(self, request, context):
        await self.seen.note("GetWorkload", request, context)
        span = request.window
        found = await self.plain.workload(
            Window(moment(span.start_time).astimezone(UTC), moment(span.end_time)),
            time_zone=request.time_zone,
            resource_ids=tuple(request.resource_ids),
        )
        return assignment_pb2.GetWorkloadResponse(
            resource_ids=found.resource_ids,
            resource_indexes=found.indexes,
            days=found.days,
            bookings=found.bookings,
            minutes=found.bookings * 60,
            delivered=found.delivered.astype(int),
        )


@asynccontextmanager
async def standing(
    world: World, jwks_path, kept, **settings: str
) -> AsyncIterator[tuple[object, Seen]]:
    """Runs matching between two servers of a world; yields its stub and what the others saw."""
    seen = Seen()
    server = grpc.aio.server()
    availability = AvailabilityServer(world, seen)
    availability_pb2_grpc.add_AvailabilityServiceServicer_to_server(availability, server)
    catalog_pb2_grpc.add_CatalogServiceServicer_to_server(availability, server)
    assignment = AssignmentServer(world, seen)
    assignment_pb2_grpc.add_AssignmentServiceServicer_to_server(assignment, server)
    request_pb2_grpc.add_RequestServiceServicer_to_server(assignment, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    env = {
        "FAIRSLOT_MATCHING_AVAILABILITY_ADDRESS": f"127.0.0.1:{port}",
        "FAIRSLOT_MATCHING_ASSIGNMENT_ADDRESS": f"127.0.0.1:{port}",
        "FAIRSLOT_MATCHING_JWKS_PATH": str(jwks_path),
        "FAIRSLOT_MATCHING_DATABASE_URL": kept.url,
        "FAIRSLOT_MATCHING_WORKER_DATABASE_URL": kept.worker_url,
        "FAIRSLOT_MATCHING_NATS_URL": kept.nats_url,
        "FAIRSLOT_MATCHING_GRACE_SECONDS": "0",
        **{f"FAIRSLOT_MATCHING_{name.upper()}": value for name, value in settings.items()},
    }
    async with (
        open_service(env) as service,
        serving(service) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        yield matching_pb2_grpc.MatchingServiceStub(channel), seen
    await server.stop(grace=1.0)
