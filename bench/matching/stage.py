"""A stack with a world of many resources, asked as a planner would ask it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import grpc
from fairslot.assignment.v1 import request_pb2, request_pb2_grpc
from fairslot.availability.v1 import (
    catalog_pb2,
    catalog_pb2_grpc,
    schedule_pb2,
    schedule_pb2_grpc,
)
from fairslot.matching.v1 import matching_pb2, matching_pb2_grpc
from google.protobuf.duration_pb2 import Duration
from google.type.dayofweek_pb2 import DayOfWeek
from google.type.interval_pb2 import Interval
from google.type.timeofday_pb2 import TimeOfDay

from bench.table import Bench
from bench.workload import WINDOW_START, Cell, workers
from deploy.local.background import background
from deploy.local.rundir import RunDir
from deploy.local.servers import EXTERNAL
from deploy.local.stack import STACK_FILE
from kit.call import Call, Caller, current

SECONDS = 60.0
AT_ONCE = 8
BATCH = 200
DAYS = 30
WEEKDAYS = [DayOfWeek.Value(f"{name}DAY") for name in ("MON", "TUES", "WEDNES", "THURS", "FRI")]
MINUTES, BUFFER, STEP = 60, 15, 15


@dataclass
class Stage:
    """One tenant of a running stack."""

    tenant: str
    token: str
    channels: dict[str, grpc.aio.Channel]

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """What every call carries."""
        return (("authorization", f"Bearer {self.token}"),)

    async def ask(self, method: Callable[..., Awaitable[Any]], request: Any) -> Any:
        """Calls a method."""
        return await method(request, timeout=SECONDS, metadata=self.headers)

    @property
    def matching(self) -> Any:
        """The stub of matching."""
        return matching_pb2_grpc.MatchingServiceStub(self.channels["matching"])

    def as_caller(self) -> None:
        """Lets the engine ask in this process as this tenant."""
        caller = Caller(self.tenant, "bench", frozenset({"admin"}), self.token)
        current.set(Call("bench", "", caller=caller))

    async def load(self, resources: int, busy_each: int) -> None:
        """Makes resources that work on weekdays, with outside busy time, and a kind of visit."""
        catalog = catalog_pb2_grpc.CatalogServiceStub(self.channels["availability"])
        schedules = schedule_pb2_grpc.ScheduleServiceStub(self.channels["availability"])
        visit = catalog_pb2.ServiceType(
            id="visit",
            duration=Duration(seconds=60 * MINUTES),
            granularity=Duration(seconds=60 * STEP),
            buffer_before=Duration(seconds=60 * BUFFER),
            buffer_after=Duration(seconds=60 * BUFFER),
        )
        await self.ask(
            catalog.CreateServiceType, catalog_pb2.CreateServiceTypeRequest(service_type=visit)
        )
        crew = list(workers(Cell(resources, busy_each, DAYS, STEP, "")))
        made = [
            catalog_pb2.Resource(
                id=one.id,
                kind=catalog_pb2.Resource.Kind.PERSON,
                time_zone=one.time_zone,
                priority=number % 3,
            )
            for number, one in enumerate(crew)
        ]
        for first in range(0, len(made), BATCH):
            request = catalog_pb2.BatchCreateResourcesRequest(resources=made[first : first + BATCH])
            await self.ask(catalog.BatchCreateResources, request)
        week = schedule_pb2.WeeklyRule(
            days=WEEKDAYS,
            start=TimeOfDay(hours=9),
            end=TimeOfDay(hours=17),
            breaks=[schedule_pb2.TimeRange(start=TimeOfDay(hours=12), end=TimeOfDay(hours=13))],
        )
        gate = asyncio.Semaphore(AT_ONCE)

        async def furnish(one: Any) -> None:
            async with gate:
                await self.ask(
                    schedules.SetWeeklySchedule,
                    schedule_pb2.SetWeeklyScheduleRequest(resource_id=one.id, rules=[week]),
                )
                events = [
                    schedule_pb2.ExternalEvent(uid=f"e{number}", interval=interval(*edges))
                    for number, edges in enumerate(one.busy.tolist())
                ]
                await self.ask(
                    schedules.UpsertExternalBusy,
                    schedule_pb2.UpsertExternalBusyRequest(resource_id=one.id, events=events),
                )

        await asyncio.gather(*(furnish(one) for one in crew))

    async def request(self, name: str, first_day: int, days: int) -> None:
        """Makes a booking request with a window of days."""
        requests = request_pb2_grpc.RequestServiceStub(self.channels["assignment"])
        made = request_pb2.BookingRequest(
            id=name, service_type_id="visit", window=window(first_day, days)
        )
        await self.ask(requests.CreateRequest, request_pb2.CreateRequestRequest(request=made))


def window(first_day: int, days: int) -> Interval:
    """Gives a window of whole days, counted from the workload's first."""
    found = Interval()
    found.start_time.FromDatetime(WINDOW_START + timedelta(days=first_day))
    found.end_time.FromDatetime(WINDOW_START + timedelta(days=first_day + days))
    return found


def interval(start: int, end: int) -> Interval:
    """Gives the interval between two minutes."""
    found = Interval()
    found.start_time.FromSeconds(60 * start)
    found.end_time.FromSeconds(60 * end)
    return found


@asynccontextmanager
async def standing(bench: Bench, flags: str = "") -> AsyncIterator[Callable[[str], Stage]]:
    """Runs a stack on the bench's servers; yields a function from a tenant's name to a stage."""
    run = RunDir(bench.home / "matching")
    run.prepare()
    if flags:
        (run.path / "flags.json").write_text(flags)
    servers = bench.servers
    urls = (servers.database_url, servers.nats_url, servers.redis_url)
    known = dict(zip(EXTERNAL.values(), urls, strict=True))
    with background(run, ["up", "--world", "none"], STACK_FILE, env=known) as described:
        channels = {
            name: grpc.aio.insecure_channel(
                described["grpc"][name],
                options=[("grpc.max_receive_message_length", 64 * 1024 * 1024)],
            )
            for name in ("availability", "assignment", "matching")
        }
        minter = type(bench.minter).of(run)

        def stage(tenant: str) -> Stage:
            return Stage(tenant, minter.mint(tenant, ["admin"]), channels)

        yield stage
        await asyncio.gather(*(channel.close() for channel in channels.values()))


def rank_request() -> matching_pb2.RankCandidatesRequest:
    """Asks who could visit within the thirty days."""
    question = matching_pb2.InlineRequest(service_type_id="visit", window=window(0, DAYS))
    return matching_pb2.RankCandidatesRequest(request=question, limit=10, max_rejections=0)
