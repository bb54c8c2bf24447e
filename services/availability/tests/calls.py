"""Availability as it is served, and the calls of one caller."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import grpc
import psycopg
import pytest
from fairslot.assignment.v1 import events_pb2
from fairslot.availability.v1 import (
    availability_pb2,
    availability_pb2_grpc,
    catalog_pb2,
    catalog_pb2_grpc,
    schedule_pb2,
    schedule_pb2_grpc,
)
from fairslot.type.v1 import type_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.interval_pb2 import Interval
from google.type.timeofday_pb2 import TimeOfDay

from kit.bus import open_bus
from kit.channel import open_channel
from kit.event import Event
from kit.fault import Fault, from_rpc_error
from kit.service import serving
from services.availability.app import open_service

# A Monday, and nothing special about it.
MORNING = datetime(2031, 3, 3, 9, tzinfo=UTC)
WEEKDAYS = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY"]
LEDGER = "ASSIGNMENT"


def at(hours: float = 0.0) -> datetime:
    return MORNING + timedelta(hours=hours)


def stamp(moment: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(moment)
    return made


def window(first: float, last: float) -> Interval:
    return Interval(start_time=stamp(at(first)), end_time=stamp(at(last)))


def minutes(count: int) -> Duration:
    return Duration(seconds=count * 60)


def rule(days=WEEKDAYS, start=9, end=17, breaks=((12, 13),)):
    return schedule_pb2.WeeklyRule(
        days=days,
        start=TimeOfDay(hours=start),
        end=TimeOfDay(hours=end),
        breaks=[
            schedule_pb2.TimeRange(start=TimeOfDay(hours=a), end=TimeOfDay(hours=b))
            for a, b in breaks
        ],
    )


@dataclass
class Caller:
    """One caller's words for the calls."""

    channel: grpc.aio.Channel
    token: str
    seconds: float = 5.0

    def __post_init__(self) -> None:
        self.stubs = (
            catalog_pb2_grpc.CatalogServiceStub(self.channel),
            schedule_pb2_grpc.ScheduleServiceStub(self.channel),
            availability_pb2_grpc.AvailabilityServiceStub(self.channel),
        )

    async def __call__(self, name: str, request):
        """Makes the call; a refusal is raised as the fault it says."""
        method = next(getattr(stub, name) for stub in self.stubs if hasattr(stub, name))
        metadata = [("authorization", f"Bearer {self.token}")]
        try:
            return await method(request, timeout=self.seconds, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error

    async def resource(self, name: str, *, key: str = "", **more):
        more = {"kind": "PERSON", "time_zone": "UTC", **more}
        made = catalog_pb2.Resource(id=name, **more)
        request = catalog_pb2.CreateResourceRequest(resource=made, request_id=key)
        return (await self("CreateResource", request)).resource

    async def service_type(self, name: str = "visit", *, length: int = 60, **more):
        made = catalog_pb2.ServiceType(id=name, duration=minutes(length), **more)
        request = catalog_pb2.CreateServiceTypeRequest(service_type=made)
        return (await self("CreateServiceType", request)).service_type

    async def works(self, name: str, *rules):
        request = schedule_pb2.SetWeeklyScheduleRequest(resource_id=name, rules=rules or [rule()])
        return (await self("SetWeeklySchedule", request)).schedule

    async def person(self, name: str, *rules, **more):
        await self.resource(name, **more)
        return await self.works(name, *rules)

    async def search(self, first: float = 0, last: float = 8, **more):
        more = {"service_type_id": "visit", "window": window(first, last), **more}
        return await self("SearchSlots", availability_pb2.SearchSlotsRequest(**more))

    async def starts(self, first: float = 0, last: float = 8, **more) -> dict[int, list[str]]:
        """Who is free by the hour of the first day."""
        reply = await self.search(first, last, **more)
        return {
            int((slot.start.ToDatetime(UTC) - MORNING).total_seconds() // 3600): list(
                slot.candidates
            )
            for slot in reply.slots
        }

    async def matrix(
        self, first: float = 0, last: float = 8, *, rejections=0, counted=False, **more
    ):
        query = {"service_type_id": "visit", "window": window(first, last), **more}
        request = availability_pb2.SearchSlotMatrixRequest(
            query=query,
            with_resources=True,
            max_rejections=rejections,
            count_rejections=counted,
        )
        return await self("SearchSlotMatrix", request)

    async def check(self, *names: str, start: float = 0, **more):
        more = {"service_type_id": "visit", **more}
        request = availability_pb2.CheckPlanRequest(
            resource_ids=names, slot=Interval(start_time=stamp(at(start))), **more
        )
        return await self("CheckPlan", request)

    async def explain(self, *names: str, start: float = 0, **more):
        more = {"service_type_id": "visit", **more}
        request = availability_pb2.ExplainSlotRequest(
            resource_ids=names, slot=Interval(start_time=stamp(at(start))), **more
        )
        return await self("ExplainSlot", request)


def codes(verdict) -> list[str]:
    """The names of what is in the way."""
    return [type_pb2.Obstacle.Code.Name(one.code) for one in verdict.obstacles]


async def refused(work) -> Fault:
    with pytest.raises(Fault) as raised:
        await work
    return raised.value


def changed(
    name: str,
    version: int = 1,
    *,
    state: str = "ASSIGNED",
    resources=("ada",),
    start: float = 0,
    length: float = 1,
    buffer: float = 0,
    expires_at: datetime | None = None,
    generation: int = 1,
) -> events_pb2.AllocationChanged:
    """An event of the ledger."""
    made = events_pb2.AllocationChanged(
        id=name,
        version=version,
        state=state,
        resources=[
            events_pb2.AllocatedResource(resource_id=one, generation=generation)
            for one in resources
        ],
        slot=window(start, start + length),
        occupied=window(start - buffer, start + length + buffer),
    )
    if expires_at is not None:
        made.expires_at.CopyFrom(stamp(expires_at))
    return made


class Ledger:
    """Publishes the ledger's events, as assignment's relay would."""

    def __init__(self, bus) -> None:
        self.bus = bus

    async def say(self, *events, tenant: str = "acme") -> int:
        """Publishes events; gives the position of the last one."""
        subject = f"{events_pb2.AllocationChanged.DESCRIPTOR.full_name}.{tenant}"
        positions = await self.bus.publish(
            [Event(subject, one.SerializeToString(), {}) for one in events]
        )
        return positions[-1]


def projected(database) -> int:
    with psycopg.connect(database.admin_url) as connection:
        found = connection.execute("SELECT position FROM availability.projection").fetchone()
    return 0 if found is None else found[0]


async def caught_up(database, number: int) -> None:
    async with asyncio.timeout(10):
        while projected(database) < number:
            await asyncio.sleep(0.02)


@asynccontextmanager
async def ledger_at(servers):
    """The ledger's stream, empty."""
    async with open_bus(servers.nats_url, name="test") as bus:
        await bus.ensure_stream(LEDGER, ("fairslot.assignment.v1.>",))
        await bus.jetstream.purge_stream(LEDGER)
        yield Ledger(bus)


@asynccontextmanager
async def served(*, database, servers, tokens, more=None):
    """Serves availability; yields a function from tenant and roles to a caller."""
    env = {
        "FAIRSLOT_AVAILABILITY_DATABASE_URL": database.url,
        "FAIRSLOT_AVAILABILITY_WORKER_DATABASE_URL": database.worker_url,
        "FAIRSLOT_AVAILABILITY_NATS_URL": servers.nats_url,
        "FAIRSLOT_AVAILABILITY_JWKS_PATH": str(tokens.jwks_path),
        "FAIRSLOT_AVAILABILITY_GRACE_SECONDS": "0",
        **(more or {}),
    }
    async with (
        open_service(env) as service,
        serving(service) as address,
        open_channel(address) as channel,
    ):

        def caller(tenant: str = "acme", roles=("admin",), subject: str = "ann") -> Caller:
            return Caller(channel, tokens.mint(tenant, list(roles), subject))

        yield caller
