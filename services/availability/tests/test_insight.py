"""Insight and old clients as served: how busy, how wanted, and the old list of a day."""

import asyncio
from datetime import UTC, datetime, timedelta

from fairslot.availability.v1 import availability_pb2, schedule_pb2
from google.protobuf.json_format import MessageToDict
from google.type.interval_pb2 import Interval

from services.availability.tests.calls import (
    at,
    caught_up,
    changed,
    minutes,
    refused,
    rule,
    stamp,
    window,
)


async def booked(ledger, own_database, *events):
    await caught_up(own_database, await ledger.say(*events))


async def utilization(team, by: str, first: float = 0, last: float = 48, **more):
    request = availability_pb2.GetUtilizationRequest(window=window(first, last), by=by, **more)
    reply = await team("GetUtilization", request)
    rows = [
        (one.resource_id, one.date, one.working_minutes, one.booked_minutes, one.percent)
        for one in reply.rows
    ]
    return rows, reply


async def test_utilization_by_resource_and_day(team, ledger, own_database):
    leave = schedule_pb2.TimeOff(interval=window(24, 27))
    await team(
        "CreateTimeOff", schedule_pb2.CreateTimeOffRequest(resource_id="ada", time_off=leave)
    )
    await booked(
        ledger,
        own_database,
        changed("a1", start=0, length=2, buffer=0.5),
        # Beside the first, so that the union is what counts.
        changed("a2", start=1, length=2),
        changed("b1", resources=("bo",), start=7, length=3),
        changed("h1", state="HELD", start=5, expires_at=datetime.now(UTC) + timedelta(hours=1)),
        changed("c1", state="CANCELLED", start=6),
    )
    rows, reply = await utilization(team, "RESOURCE")
    assert rows == [("ada", "", 660, 180, 27), ("bo", "", 840, 180, 21)]
    assert (reply.total.working_minutes, reply.total.booked_minutes) == (1500, 360)
    assert (reply.total.assignments, reply.tenant_time_zone) == (3, "UTC")
    rows, _ = await utilization(team, "DAY")
    assert rows == [("", "2031-03-03", 840, 360, 42), ("", "2031-03-04", 660, 0, 0)]
    rows, _ = await utilization(team, "RESOURCE_AND_DAY", resource_ids=["ada"])
    assert rows == [
        ("ada", "2031-03-03", 420, 180, 42),
        ("ada", "2031-03-04", 240, 0, 0),
    ]
    # A window cuts what it touches.
    rows, reply = await utilization(team, "RESOURCE", 1, 2)
    assert rows == [("ada", "", 60, 60, 100), ("bo", "", 60, 0, 0)]


async def test_utilization_of_a_year_and_a_day_is_too_much(team):
    request = availability_pb2.GetUtilizationRequest(window=window(0, 24 * 367))
    assert (await refused(team("GetUtilization", request))).reason == "INVALID_ARGUMENT"


async def test_demand_by_weekday_and_hour(team, ledger, own_database):
    made = changed("a1", start=2)
    made.at.CopyFrom(stamp(at(-24)))
    again = changed("a1", 2, start=2)
    again.at.CopyFrom(stamp(at(-1)))
    await booked(ledger, own_database, made, again, changed("b1", start=3))
    now = datetime.now(UTC)
    await team.search()
    await team.search(required_skills=["gas"])
    request = availability_pb2.GetDemandRequest(
        window=Interval(start_time=stamp(now - timedelta(hours=1)), end_time=stamp(at(24)))
    )

    async def counted():
        reply = await team("GetDemand", request)
        return reply, {
            name: {(one.weekday, one.hour): getattr(one, name) for one in reply.rows}
            for name in ("searches", "searches_without_result", "bookings", "starts")
        }

    async with asyncio.timeout(10):
        while True:
            reply, found = await counted()
            if sum(found["searches"].values()) == 2:
                break
            await asyncio.sleep(0.1)
    assert len(reply.rows) == 168
    assert sum(found["searches_without_result"].values()) == 1
    # Sunday at nine, when it first was an assignment; both slots are on Monday.
    assert {hour: count for hour, count in found["bookings"].items() if count} == {(7, 9): 1}
    assert {hour: count for hour, count in found["starts"].items() if count} == {
        (1, 11): 1,
        (1, 12): 1,
    }


async def test_the_old_list_of_a_day(team, ledger, own_database):
    await team.person("cy", rule(start=16, end=24, breaks=()), active=False)
    await booked(ledger, own_database, changed("a1", start=1))
    request = availability_pb2.ListDayAvailabilityRequest(date="2031-03-03", service_id="visit")
    reply = MessageToDict(
        await team("ListDayAvailability", request), always_print_fields_with_no_presence=True
    )
    assert len(reply["slots"]) == 14
    assert reply["slots"][:4] == [
        {
            "start": f"2031-03-03T{hour:02}:00:00Z",
            "end": f"2031-03-03T{hour + 1:02}:00:00Z",
            "is_free": (hour, name) != (10, "ada"),
            "mechanic_id": name,
        }
        for hour, name in ((9, "bo"), (9, "ada"), (10, "bo"), (10, "ada"))
    ]
    plain = availability_pb2.ListDayAvailabilityRequest(date="2031-03-03")
    assert len((await team("ListDayAvailability", plain)).slots) == 14
    for bad in ("2031-02-30", "tomorrow", ""):
        request.date = bad
        assert (await refused(team("ListDayAvailability", request))).reason == "INVALID_ARGUMENT"


async def test_the_old_list_and_a_search_agree(team, ledger, own_database):
    await team.service_type("long", length=90, granularity=minutes(30))
    await booked(ledger, own_database, changed("a1", start=1), changed("b1", resources=("bo",)))
    request = availability_pb2.ListDayAvailabilityRequest(date="2031-03-03", service_id="long")
    listed = (await team("ListDayAvailability", request)).slots
    found = await team.search(service_type_id="long", max_candidates_per_slot=9, page_size=99)
    assert {(one.start.seconds, one.mechanic_id) for one in listed if one.is_free} == {
        (slot.start.seconds, name) for slot in found.slots for name in slot.candidates
    }


async def test_days_are_worked_out_beforehand(team):
    request = availability_pb2.SeedAvailabilityRequest(
        start_date="2031-03-03", end_date="2031-03-09", service_id="visit"
    )
    reply = await team("SeedAvailability", request)
    assert (reply.days, reply.slots) == (7, 35)
    assert (await team.search()).cache == availability_pb2.SearchSlotsResponse.HIT
    request.end_date = "2031-03-02"
    assert (await refused(team("SeedAvailability", request))).reason == "INVALID_ARGUMENT"


async def test_a_trace_says_how_an_answer_came_about(caller, team):
    await team.person("cy", rule(start=20, end=22, breaks=()))
    assert not (await team.search()).HasField("trace")
    trace = (await team.search(trace=True, required_skills=[])).trace
    assert [(step.name, step.count) for step in trace.steps] == [
        ("asked", 3), ("eligible", 3), ("looked", 7), ("listed", 14),
    ]  # fmt: skip
    assert [(one.resource_id, list(one.reasons)) for one in trace.rejections] == [("cy", [7])]
    assert trace.rejected_count == 1
    assert trace.positions["catalog"] > 0
    assert (await caller(roles=["planner"]).search(trace=True)).HasField("trace")
    fault = await refused(caller(roles=["viewer"]).search(trace=True))
    assert fault.reason == "PERMISSION_DENIED"
    nothing = (await team.search(trace=True, required_skills=["gas"])).trace
    assert nothing.steps[1].detail == "NOT_QUALIFIED 3"
    assert nothing.rejected_count == 3
