"""Matching between the real availability and the real assignment."""

import asyncio
import uuid
from datetime import datetime
from zoneinfo import ZoneInfo

import grpc
import pytest
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
from fairslot.type.v1 import type_pb2
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


@pytest.fixture
async def team(stack):
    names = ("availability", "assignment", "matching")
    channels = [grpc.aio.insecure_channel(stack.grpc[name]) for name in names]
    made = Team(stack, channels)
    await made.settle()
    yield made
    await asyncio.gather(*(channel.close() for channel in channels))


async def test_a_month_is_shared_as_it_was_offered(team):
    window = Interval(start_time=local("2027-03-01"), end_time=local("2027-04-01"))
    question = matching_pb2.InlineRequest(service_type_id="course", window=window)
    freshness = ""
    for number in range(9):
        reply = await team.rank(request=question, limit=3, at_least_as_fresh=freshness)
        best = reply.candidates[0]
        made = await team.assign(f"q{number}", best)
        freshness = made.freshness
        # Nobody gave a reason, so matching's is kept.
        assert made.assignment_reason.startswith(best.explanation.split(",")[0])
    assert reply.policy == "v2"
    (left_out,) = reply.rejections
    assert left_out.resource_id == "cy"
    assert list(left_out.reasons) == [type_pb2.Obstacle.NOT_QUALIFIED]
    assert "Fairness: a fair share is " in best.explanation
    # March 2027 has 5 Mondays to Wednesdays and 4 Thursdays: 19 days of ada's, 10 of bo's.
    rows = await team.fairness(skill="go")
    assert {name: (row.offered_days, row.committed_days) for name, row in rows.items()} == {
        "ada": (19, 6),
        "bo": (10, 3),
    }
    assert all(row.within_tolerance and row.delivered_days == 0 for row in rows.values())
    everybody = await team.fairness()
    assert list(everybody) == ["ada", "bo", "cy"]
    assert everybody["cy"].committed_days == 0


async def test_the_forecast_comes_true(team):
    window = Interval(start_time=local("2027-03-02"), end_time=local("2027-03-05"))
    question = matching_pb2.InlineRequest(service_type_id="course", window=window)
    first = (await team.rank(request=question)).candidates[0]
    assert "nothing is given in March 2027 yet" in first.explanation
    made = await team.assign("q1", first)
    second = (await team.rank(request=question, at_least_as_fresh=made.freshness)).candidates[0]
    made = await team.assign("q2", second)
    (name,) = second.resource_ids
    row = (await team.fairness(skill="go", at_least_as_fresh=made.freshness))[name]
    side = "within" if row.within_tolerance else "outside"
    assert f"(gap {100 * row.gap:+.1f} points, {side} the tolerance" in second.explanation


async def test_one_slot_without_its_end(team):
    slot = Interval(start_time=local("2027-03-03T09:00"))
    question = matching_pb2.InlineRequest(service_type_id="course")
    reply = await team.rank(request=question, slot=slot)
    assert [list(one.resource_ids) for one in reply.candidates] == [["ada"]]
    assert reply.candidates[0].end == local("2027-03-03T17:00")
    assert {one.resource_id for one in reply.rejections} == {"bo", "cy"}
    reply = await team.rank(request=question, slot=slot, policy="v1", resource_ids=["bo"])
    assert not reply.candidates
    assert reply.result.startswith("There is no candidate: 1 is not at work")
