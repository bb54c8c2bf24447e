"""Assign through gRPC on a whole stack, beside the health check that its server also answers."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from fairslot.assignment.v1 import (
    assignment_pb2,
    assignment_pb2_grpc,
    request_pb2,
    request_pb2_grpc,
)
from fairslot.availability.v1 import (
    catalog_pb2,
    catalog_pb2_grpc,
    schedule_pb2,
    schedule_pb2_grpc,
)
from google.protobuf.duration_pb2 import Duration
from google.type.interval_pb2 import Interval
from google.type.timeofday_pb2 import TimeOfDay
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bench.ledger.books import HOUR, MORNING
from bench.ledger.pgbench import Rate
from deploy.local.background import background
from deploy.local.rundir import RunDir
from deploy.local.stack import STACK_FILE

RESOURCES = 48
CALL_SECONDS = 10.0

Call = Callable[[int], Awaitable[Any]]


async def timed(call: Call, *, clients: int, count: int) -> Rate:
    """Makes so many calls from so many clients; returns their rate."""
    numbers = iter(range(count))
    took: list[float] = []

    async def client() -> None:
        for number in numbers:
            at = time.perf_counter()
            await call(number)
            took.append((time.perf_counter() - at) * 1000)

    begun = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    rate = count / (time.perf_counter() - begun)
    took.sort()
    return Rate(rate, took[len(took) // 2], took[len(took) * 99 // 100])


class Stack:
    """One tenant's world on a running stack, reached without the edge."""

    def __init__(self, described: dict[str, Any]) -> None:
        """Opens channels to the first process of each service; `described` is its stack.json."""
        self._metadata = (("authorization", f"Bearer {described['tokens']['admin']}"),)
        self._availability = grpc.aio.insecure_channel(described["grpc"]["availability"])
        self._assignment = grpc.aio.insecure_channel(described["grpc"]["assignment"])
        self.ledger = assignment_pb2_grpc.AssignmentServiceStub(self._assignment)
        self.requests = request_pb2_grpc.RequestServiceStub(self._assignment)
        self.health = health_pb2_grpc.HealthStub(self._assignment)

    async def close(self) -> None:
        """Closes the channels."""
        await self._availability.close()
        await self._assignment.close()

    async def make_world(self) -> None:
        """Makes a service type and resources that always work."""
        catalog = catalog_pb2_grpc.CatalogServiceStub(self._availability)
        schedules = schedule_pb2_grpc.ScheduleServiceStub(self._availability)
        kind = catalog_pb2.ServiceType(
            id="visit", duration=Duration(seconds=3600), granularity=Duration(seconds=3600)
        )
        await self._call(
            catalog.CreateServiceType, catalog_pb2.CreateServiceTypeRequest(service_type=kind)
        )
        resources = [
            catalog_pb2.Resource(id=f"r{n}", kind=catalog_pb2.Resource.PERSON)
            for n in range(RESOURCES)
        ]
        await self._call(
            catalog.BatchCreateResources,
            catalog_pb2.BatchCreateResourcesRequest(resources=resources),
        )
        always = schedule_pb2.WeeklyRule(
            days=list(range(1, 8)), start=TimeOfDay(hours=0), end=TimeOfDay(hours=24)
        )
        for resource in resources:
            request = schedule_pb2.SetWeeklyScheduleRequest(resource_id=resource.id, rules=[always])
            await self._call(schedules.SetWeeklySchedule, request)

    async def want(self, number: int) -> None:
        """Creates the booking request with that number."""
        window = Interval()
        window.start_time.FromDatetime(MORNING)
        window.end_time.FromDatetime(MORNING + 2000 * HOUR)
        wanted = request_pb2.BookingRequest(id=f"q{number}", service_type_id="visit", window=window)
        request = request_pb2.CreateRequestRequest(request=wanted, request_id=f"c{number}")
        await self._call(self.requests.CreateRequest, request)

    async def assign(self, number: int) -> None:
        """Assigns it a resource and an hour of its own."""
        turn, resource = divmod(number, RESOURCES)
        request = assignment_pb2.AssignRequest(
            booking_request_id=f"q{number}",
            resource_ids=[f"r{resource}"],
            reason="measured",
            request_id=f"a{number}",
        )
        request.start.FromDatetime(MORNING + turn * HOUR)
        await self._call(self.ledger.Assign, request)

    async def nothing(self, _number: int) -> None:
        """Makes the empty call."""
        await self._call(self.health.Check, health_pb2.HealthCheckRequest())

    async def _call(self, method: Any, request: Any) -> None:
        await method(request, timeout=CALL_SECONDS, metadata=self._metadata)


@contextmanager
def running() -> Iterator[dict[str, Any]]:
    """Runs a whole stack of its own, without a world; yields its stack.json."""
    with tempfile.TemporaryDirectory(prefix="fairslot-bench-") as name:
        Path(name).chmod(0o711)
        run = RunDir(Path(name))
        with background(run, ["up", "--world", "none"], STACK_FILE) as described:
            yield described
        run.forget_moved_data()


async def wire(*, clients: int, count: int) -> tuple[Rate, Rate]:
    """Measures Assign and the empty call, one after the other, on a stack of its own."""
    with running() as described:
        stack = Stack(described)
        await stack.make_world()
        warm = count // 2
        await timed(stack.want, clients=clients, count=warm + count)
        await timed(stack.nothing, clients=clients, count=warm)
        await timed(stack.assign, clients=clients, count=warm)
        empty = await timed(stack.nothing, clients=clients, count=count)

        async def later(number: int) -> None:
            await stack.assign(warm + number)

        assigned = await timed(later, clients=clients, count=count)
        await stack.close()
    return assigned, empty
