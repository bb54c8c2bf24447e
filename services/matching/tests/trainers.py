"""A team of trainers on a running stack: real availability, assignment and matching."""

import uuid
from datetime import datetime
from zoneinfo import ZoneInfo

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
from fairslot.matching.v1 import matching_pb2, matching_pb2_grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.dayofweek_pb2 import DayOfWeek
from google.type.interval_pb2 import Interval
from google.type.timeofday_pb2 import TimeOfDay

ZONE = ZoneInfo("Europe/Berlin")
WEEKDAYS = [DayOfWeek.Value(name) for name in ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY")]
SECONDS = 10.0


def local(text: str) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(datetime.fromisoformat(text).replace(tzinfo=ZONE))
    return stamp


class Team:
    """Calls the services of a stack as the admin of a tenant of its own."""

    def __init__(self, stack, channels):
        self.tenant = f"match-{uuid.uuid4().hex[:12]}"
        token = stack.minter.mint(self.tenant, ["admin"])
        self.headers = (("authorization", f"Bearer {token}"),)
        availability, assignment, matching = channels
        self.catalog = catalog_pb2_grpc.CatalogServiceStub(availability)
        self.schedules = schedule_pb2_grpc.ScheduleServiceStub(availability)
        self.requests = request_pb2_grpc.RequestServiceStub(assignment)
        self.ledger = assignment_pb2_grpc.AssignmentServiceStub(assignment)
        self.matching = matching_pb2_grpc.MatchingServiceStub(matching)

    async def ask(self, method, request):
        return await method(request, timeout=SECONDS, metadata=self.headers)

    async def settle(self) -> None:
        """Three trainers: ada works 4 days a week, bo 2, and cy cannot teach the topic."""
        tenant = catalog_pb2.Tenant(id=self.tenant, time_zone=ZONE.key)
        await self.ask(self.catalog.UpdateTenant, catalog_pb2.UpdateTenantRequest(tenant=tenant))
        course = catalog_pb2.ServiceType(
            id="course",
            duration=Duration(seconds=8 * 3600),
            granularity=Duration(seconds=3600),
            required_skills=["go"],
        )
        await self.ask(
            self.catalog.CreateServiceType,
            catalog_pb2.CreateServiceTypeRequest(service_type=course),
        )
        for name, days, skill in (("ada", 4, "go"), ("bo", 2, "go"), ("cy", 4, "cooking")):
            resource = catalog_pb2.Resource(
                id=name,
                display_name=name.title(),
                kind=catalog_pb2.Resource.Kind.PERSON,
                skills=[catalog_pb2.Skill(name=skill)],
            )
            await self.ask(
                self.catalog.CreateResource, catalog_pb2.CreateResourceRequest(resource=resource)
            )
            rule = schedule_pb2.WeeklyRule(
                days=WEEKDAYS[:days], start=TimeOfDay(hours=9), end=TimeOfDay(hours=17)
            )
            week = schedule_pb2.SetWeeklyScheduleRequest(resource_id=name, rules=[rule])
            await self.ask(self.schedules.SetWeeklySchedule, week)

    async def rank(self, **asked):
        request = matching_pb2.RankCandidatesRequest(**asked)
        return await self.ask(self.matching.RankCandidates, request)

    async def assign(self, booking_request_id: str, candidate) -> assignment_pb2.Assignment:
        request = request_pb2.BookingRequest(
            id=booking_request_id,
            service_type_id="course",
            window=Interval(start_time=local("2027-03-01"), end_time=local("2027-04-01")),
        )
        await self.ask(
            self.requests.CreateRequest, request_pb2.CreateRequestRequest(request=request)
        )
        wanted = assignment_pb2.AssignRequest(
            booking_request_id=booking_request_id,
            resource_ids=candidate.resource_ids,
            start=candidate.start,
            request_id=f"key-{booking_request_id}",
        )
        return (await self.ask(self.ledger.Assign, wanted)).assignment

    async def fairness(self, **asked):
        request = matching_pb2.GetFairnessRequest(month="2027-03", **asked)
        reply = await self.ask(self.matching.GetFairness, request)
        return {row.resource_id: row for row in reply.rows}
