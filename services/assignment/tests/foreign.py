"""Two foreign parties: an availability and a matching that answer what a test tells them to."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import grpc
from fairslot.availability.v1 import (
    availability_pb2,
    availability_pb2_grpc,
    catalog_pb2,
    catalog_pb2_grpc,
)
from fairslot.matching.v1 import matching_pb2, matching_pb2_grpc
from fairslot.type.v1 import type_pb2
from google.type.interval_pb2 import Interval

from kit import position
from kit.fault import NotFound, Unavailable, abort

Code = type_pb2.Obstacle.Code
DURATION = timedelta(hours=1)
BUFFER = timedelta(minutes=15)


@dataclass
class World:
    """What the foreign parties know, and how often they were asked."""

    resources: tuple[str, ...] = ("r1", "r2", "r3")
    service_types: tuple[str, ...] = ("visit",)
    # What is in whose way, whenever; a detail in words beside it.
    obstacles: dict[str, tuple[str, ...]] = field(default_factory=dict)
    explanation: str = "was offered most and has worked least"
    matching_is_down: bool = False
    availability_is_down: bool = False
    ranks_nothing: bool = False
    # Where a booking request is ranked: this foreign party does not know its own window.
    window: Interval = field(default_factory=Interval)
    # Whose time counted as free in the question asked last.
    ignored: str = ""
    # By resource: how often the ledger has changed it as availability knows, and its limits.
    generations: dict[str, int] = field(default_factory=dict)
    limits: dict[str, catalog_pb2.Limits] = field(default_factory=dict)
    # Where resources belong.
    zones: dict[str, str] = field(default_factory=dict)
    # The catalog's revision that availability says it has read.
    revision: int = 0
    checks: int = 0
    ranks: int = 0
    # When it was ranked, on the monotonic clock.
    ranked_at: list[float] = field(default_factory=list)


class Availability(availability_pb2_grpc.AvailabilityServiceServicer):
    def __init__(self, world: World) -> None:
        self.world = world

    async def _admit(self, context, service_type_id: str, resource_ids=()) -> None:
        if self.world.availability_is_down:
            await abort(context, Unavailable("UNAVAILABLE", "availability is down"), {})
        if service_type_id not in self.world.service_types:
            await abort(context, NotFound("NOT_FOUND", "no such service type"), {})
        for name in resource_ids:
            if name not in self.world.resources:
                await abort(
                    context, NotFound("NOT_FOUND", "no such resource", resource_id=name), {}
                )

    async def CheckPlan(self, request, context):
        self.world.checks += 1
        self.world.ignored = request.ignore_assignment_id
        await self._admit(context, request.service_type_id, request.resource_ids)
        start = request.slot.start_time.ToDatetime(UTC)
        reply = availability_pb2.CheckPlanResponse()
        reply.slot.start_time.FromDatetime(start)
        reply.slot.end_time.FromDatetime(start + DURATION)
        reply.occupied.start_time.FromDatetime(start - BUFFER)
        reply.occupied.end_time.FromDatetime(start + DURATION + BUFFER)
        for name in request.resource_ids:
            codes = self.world.obstacles.get(name, ())
            if request.zone and self.world.zones.get(name, "") != request.zone:
                codes = (*codes, "WRONG_ZONE")
            reply.verdicts.add(
                resource_id=name,
                free=not codes,
                obstacles=[
                    type_pb2.Obstacle(code=Code.Value(code), detail=f"{code} it is")
                    for code in codes
                ],
                generation=self.world.generations.get(name, 0),
                time_zone="Europe/Berlin",
                limits=self.world.limits.get(name),
            )
        reply.freshness = position.encode({"catalog": self._revision(request)})
        return reply

    def _revision(self, request) -> int:
        """Sees what it is told to have seen, as it would after a while."""
        asked = position.decode(request.at_least_as_fresh)
        for name, generation in asked.items():
            if name.startswith("r/"):
                self.world.generations[name.removeprefix("r/")] = generation
        self.world.revision = max(self.world.revision, asked.get("catalog", 0))
        return self.world.revision

    async def SearchSlotMatrix(self, request, context):
        await self._admit(context, request.query.service_type_id)
        reply = availability_pb2.SearchSlotMatrixResponse()
        window = request.query.window
        assert window.end_time.ToDatetime() - window.start_time.ToDatetime() == DURATION
        reply.query.duration.FromTimedelta(DURATION)
        reply.query.buffer_before.FromTimedelta(BUFFER)
        reply.query.buffer_after.FromTimedelta(BUFFER)
        reply.limited = bool(self.world.limits)
        free = [name for name in self.world.resources if not self.world.obstacles.get(name)]
        reply.resource_ids.extend(free)
        if free:
            reply.start_minutes.append(window.start_time.seconds // 60)
            reply.capacities.append(len(free))
            reply.candidate_indexes.extend(range(len(free)))
        for name in self.world.resources:
            if not free and request.count_rejections:
                codes = [Code.Value(code) for code in self.world.obstacles[name]]
                reply.rejection_counts.add(reasons=codes, resource_count=1)
        return reply


class Catalog(catalog_pb2_grpc.CatalogServiceServicer):
    def __init__(self, world: World) -> None:
        self.world = world

    async def GetResource(self, request, context):
        if request.id not in self.world.resources:
            await abort(context, NotFound("NOT_FOUND", "no such resource"), {})
        return catalog_pb2.GetResourceResponse(resource=catalog_pb2.Resource(id=request.id))

    async def GetServiceType(self, request, context):
        if self.world.availability_is_down:
            await abort(context, Unavailable("UNAVAILABLE", "availability is down"), {})
        if request.id not in self.world.service_types:
            await abort(context, NotFound("NOT_FOUND", "no such service type"), {})
        reply = catalog_pb2.GetServiceTypeResponse()
        reply.service_type.id = request.id
        reply.service_type.duration.FromTimedelta(DURATION)
        return reply


class Matching(matching_pb2_grpc.MatchingServiceServicer):
    def __init__(self, world: World) -> None:
        self.world = world

    async def RankCandidates(self, request, context):
        self.world.ranks += 1
        self.world.ranked_at.append(time.monotonic())
        self.world.ignored = request.ignore_assignment_id
        if self.world.matching_is_down:
            await abort(context, Unavailable("UNAVAILABLE", "matching is down"), {})
        window = request.slot if request.HasField("slot") else request.request.window
        if request.booking_request_id and not request.HasField("slot"):
            window = self.world.window
        reply = matching_pb2.RankCandidatesResponse(result="so it is ranked")
        if self.world.ranks_nothing and request.max_rejections:
            for name in self.world.resources:
                reply.rejections.add(resource_id=name, reasons=[Code.TIME_OFF, Code.BUSY])
        start = window.start_time.ToDatetime(UTC)
        names = request.resource_ids or self.world.resources[::-1]
        # From the first whole hour on, every resource, hour after hour.
        start = datetime.fromtimestamp(-(-start.timestamp() // 3600) * 3600, UTC)
        while not self.world.ranks_nothing and len(reply.candidates) < request.limit:
            for name in names:
                candidate = reply.candidates.add(
                    resource_ids=[name], match_percent=80, explanation=self.explain(name)
                )
                candidate.start.FromDatetime(start)
                candidate.end.FromDatetime(start + DURATION)
                candidate.terms.add(rule="fairness", points=8, max_points=10, reason="x" * 200)
            start += DURATION
            if start >= window.end_time.ToDatetime(UTC):
                break
        del reply.candidates[request.limit :]
        return reply

    def explain(self, name: str) -> str:
        return f"{name} {self.world.explanation}"


@asynccontextmanager
async def foreign_parties(world: World) -> AsyncIterator[str]:
    """Serves both at one address."""
    server = grpc.aio.server()
    availability_pb2_grpc.add_AvailabilityServiceServicer_to_server(Availability(world), server)
    catalog_pb2_grpc.add_CatalogServiceServicer_to_server(Catalog(world), server)
    matching_pb2_grpc.add_MatchingServiceServicer_to_server(Matching(world), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)
