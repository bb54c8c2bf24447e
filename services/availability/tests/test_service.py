"""Availability as served: searches, checks and explanations over real gRPC on real servers."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from fairslot.availability.v1 import availability_pb2, schedule_pb2
from fairslot.type.v1 import type_pb2
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date
from google.type.interval_pb2 import Interval
from google.type.timeofday_pb2 import TimeOfDay

from kit import position
from services.availability.tests.calls import (
    MORNING,
    at,
    changed,
    codes,
    minutes,
    refused,
    rule,
    stamp,
    window,
)

CACHE = availability_pb2.SearchSlotsResponse.Cache


async def test_a_day_of_two_people(team):
    reply = await team.search()
    assert [slot.capacity for slot in reply.slots] == [2] * 7
    assert list(reply.slots[0].candidates) == ["bo", "ada"]
    assert reply.slots[0].start.ToDatetime(UTC) == at(0)
    assert reply.result == (
        "There are 7 free starts; the first is Monday 3 March 2031 at 09:00, UTC."
    )
    assert reply.query.duration.seconds == 3600
    assert reply.query.time_zone == "UTC"
    assert reply.cache == CACHE.MISS
    assert (await team.search()).cache == CACHE.HIT


async def test_the_usual_window_is_thirty_days_from_now(team):
    request = availability_pb2.SearchSlotsRequest(service_type_id="visit", page_size=1000)
    reply = await team("SearchSlots", request)
    start, end = (
        getattr(reply.query.window, name).ToDatetime(UTC) for name in ("start_time", "end_time")
    )
    assert abs(start - datetime.now(UTC)) < timedelta(minutes=2)
    assert timedelta(days=30) - (end - start) < timedelta(minutes=2)
    assert len(reply.slots) > 100


async def test_pages_are_the_whole_in_parts(team):
    whole = (await team.search(0, 24 * 14, page_size=1000)).slots
    found, token, results = [], "", set()
    while True:
        reply = await team.search(0, 24 * 14, page_size=9, page_token=token)
        found.extend(reply.slots)
        results.add(reply.result)
        token = reply.next_page_token
        if not token:
            break
    assert [slot.SerializeToString() for slot in found] == [
        slot.SerializeToString() for slot in whole
    ]
    assert len(results) == 1
    first = await team.search(0, 24 * 14, page_size=9)
    fault = await refused(team.search(0, 24, page_token=first.next_page_token))
    assert fault.violations[0][0] == "page_token"


async def test_a_far_window_is_answered(team):
    reply = await team.search(24 * 7 * 52 * 300, 24 * 7 * 52 * 300 + 24 * 5)
    assert reply.slots


async def test_as_many_starts_as_nobody_pages_through_are_refused(team):
    fault = await refused(team.search(0, 24 * 365 * 100))
    assert fault.reason == "WINDOW_TOO_LONG"


async def test_the_matrix_says_the_same_in_columns(team):
    await team.person("cy", rule(start=9, end=10, breaks=()), active=False)
    page = await team.search(max_candidates_per_slot=10)
    found = await team.matrix(rejections=10)
    assert list(found.start_minutes) == [int(s.start.seconds) // 60 for s in page.slots]
    assert list(found.capacities) == [slot.capacity for slot in page.slots]
    names = [found.resource_ids[index] for index in found.candidate_indexes]
    assert names == [name for slot in page.slots for name in slot.candidates]
    assert [row.id for row in found.resources] == ["bo", "ada"]
    assert list(found.months) == ["2031-03"]
    assert [list(row.offered_days) for row in found.resources] == [[21], [21]]
    assert [(one.resource_id, list(one.reasons)) for one in found.rejections] == [("cy", [1])]
    assert found.rejected_count == 1


async def test_where_nothing_is_free_all_left_out_are_counted_by_their_reasons(team, ledger):
    await team.person("cy", active=False)
    await team.person("di", capacity_min=2, capacity_max=4)
    await team.person("ed", capacity_min=2, capacity_max=4, active=False)
    free = await team.matrix(0, 1, party_size=1, rejections=10, counted=True)
    assert len(free.rejections) == 3
    assert not free.rejection_counts
    for name in ("ada", "bo"):
        told = await ledger.say(changed("of-" + name, resources=[name]))
    token = position.encode({"ledger": told, "catalog": 0})
    asked = await team.matrix(
        0, 1, party_size=1, rejections=10, counted=True, at_least_as_fresh=token
    )
    counted = {tuple(one.reasons): one.resource_count for one in asked.rejection_counts}
    assert counted == Counter(tuple(one.reasons) for one in asked.rejections)
    busy = (type_pb2.Obstacle.BUSY,)
    assert (counted[busy], sum(counted.values())) == (2, 5)
    assert not (await team.matrix(0, 1, party_size=1, at_least_as_fresh=token)).rejection_counts


async def test_why_nothing_is_free(team):
    say = {
        "the window lies in the past": {
            "window": Interval(
                start_time=stamp(datetime(2020, 1, 1, tzinfo=UTC)),
                end_time=stamp(datetime(2020, 1, 2, tzinfo=UTC)),
            )
        },
        "the window is shorter than the service": {"window": window(0, 0.5)},
        "of 2 resources, 2 are outside working hours": {"window": window(8, 20)},
        "of 2 resources, 2 are without the required skill": {"required_skills": ["gas"]},
        "of 2 resources, 2 are with shifts split too short by a break": {
            "duration": minutes(60 * 6)
        },
    }
    for sentence, more in say.items():
        reply = await team.search(**more)
        assert not reply.slots
        assert reply.result == f"Nothing is free: {sentence}."


async def test_every_reason_with_what_is_in_the_way(team, ledger):
    busy = schedule_pb2.ExternalEvent(uid="e1", sequence=1, interval=window(1, 2))
    request = schedule_pb2.UpsertExternalBusyRequest(resource_id="ada", events=[busy])
    await team("UpsertExternalBusy", request)
    leave = schedule_pb2.TimeOff(id="leave", interval=window(4, 5))
    written = await team(
        "CreateTimeOff", schedule_pb2.CreateTimeOffRequest(resource_id="ada", time_off=leave)
    )
    at_position = await ledger.say(changed("a1", start=6, buffer=0.25))
    token = position.encode({"ledger": at_position, "catalog": 0})
    expected = {
        0: [],
        1: [("EXTERNAL_BUSY", "e1")],
        3: [("BREAK", "")],
        4: [("TIME_OFF", "leave")],
        5: [("BUFFER", "a1")],
        6: [("BUSY", "a1")],
        7.5: [("OUTSIDE_HOURS", "")],
    }
    for hour, reasons in expected.items():
        (verdict,) = (await team.check("ada", start=hour, at_least_as_fresh=token)).verdicts
        found = [
            (code, one.blocking_id)
            for code, one in zip(codes(verdict), verdict.obstacles, strict=True)
        ]
        assert found == reasons, hour
        assert verdict.free == (not reasons)
    assert written.time_off.interval == window(4, 5)
    shown = await team.starts()
    assert [hour for hour, names in shown.items() if "ada" in names] == [0, 2]
    explained = await team.explain("ada", "bo", start=6)
    assert explained.result.startswith("1 of 2 resources is free from Monday 3 March 2031 15:00")
    assert [codes(one) for one in explained.verdicts] == [["BUSY"], []]
    assert codes((await team.explain("bo", start=1.5)).verdicts[0]) == ["OFF_GRID"]
    assert (await team.check("bo", start=1.5)).verdicts[0].free


async def test_what_a_plan_would_occupy(team):
    await team.service_type(
        "long", length=90, buffer_before={"seconds": 600}, buffer_after={"seconds": 1200}
    )
    found = await team.check("bo", start=1, service_type_id="long")
    assert found.slot == window(1, 2.5)
    assert found.occupied == window(1 - 1 / 6, 2.5 + 1 / 3)
    assert found.tenant_time_zone == "UTC"


async def test_held_until_the_moment_it_expires(team, ledger):
    now = datetime.now(UTC)
    at_position = await ledger.say(
        changed("h1", state="HELD", expires_at=now + timedelta(minutes=1)),
        changed("h2", state="HELD", start=1, expires_at=now - timedelta(seconds=1)),
    )
    token = position.encode({"ledger": at_position})
    (verdict,) = (await team.check("ada", at_least_as_fresh=token)).verdicts
    assert codes(verdict) == ["HELD"]
    assert (await team.check("ada", start=1)).verdicts[0].free
    later = stamp(now + timedelta(minutes=1))
    assert (await team.check("ada", as_if_now=later)).verdicts[0].free
    before = stamp(now + timedelta(seconds=59))
    assert not (await team.check("ada", as_if_now=before)).verdicts[0].free
    reply = await team.search(as_if_now=later, max_candidates_per_slot=9)
    assert "ada" in reply.slots[0].candidates
    assert reply.cache == CACHE.BYPASS


async def test_only_admins_ask_as_if_it_were_another_moment(caller, team):
    fault = await refused(caller(roles=["planner"]).search(as_if_now=stamp(MORNING)))
    assert fault.reason == "PERMISSION_DENIED"


async def test_notice_is_inclusive_and_the_horizon_bounds_the_start(team):
    await team.service_type(
        "later",
        min_notice={"seconds": 3600},
        max_horizon={"seconds": 3 * 3600},
        granularity={"seconds": 3600},
    )
    now = stamp(at(0))
    found = await team.starts(service_type_id="later", as_if_now=now)
    assert list(found) == [1, 2]
    (verdict,) = (await team.check("bo", service_type_id="later", as_if_now=now)).verdicts
    assert codes(verdict) == ["NOTICE"]
    (verdict,) = (await team.check("bo", start=4, service_type_id="later", as_if_now=now)).verdicts
    assert codes(verdict) == ["HORIZON"]


async def test_skills_levels_parties_and_zones(team):
    until = Timestamp()
    until.FromDatetime(at(2))
    await team.person("cy", skills=[{"name": "gas", "level": 2, "valid_until": until}])
    await team.person("di", zone="north", capacity_min=2, capacity_max=4)
    await team.service_type(
        "gas",
        skill_requirements=[{"name": "gas", "level_min": 2}],
        granularity={"seconds": 3600},
    )
    await team.service_type("hard", skill_requirements=[{"name": "gas", "level_min": 3}])
    assert await team.starts(service_type_id="gas") == {0: ["cy"], 1: ["cy"]}
    assert not await team.starts(service_type_id="hard")
    assert await team.starts(0, 1, zone="north", party_size=4) == {0: ["di"]}
    for size, code in ((1, "PARTY_TOO_SMALL"), (5, "PARTY_TOO_LARGE")):
        (verdict,) = (await team.check("di", party_size=size)).verdicts
        assert codes(verdict) == [code]
    (verdict,) = (await team.check("cy", start=2, service_type_id="gas")).verdicts
    assert codes(verdict) == ["SKILL_EXPIRED"]


async def test_exceptions_of_all_kinds(team):
    day = Date(year=2031, month=3, day=3)
    ranges = [{"start": TimeOfDay(hours=18), "end": TimeOfDay(hours=20)}]

    async def make(**more):
        request = schedule_pb2.CreateExceptionRequest(resource_id="ada", exception=more)
        return (await team("CreateException", request)).exception

    async def hours():
        return list(await team.starts(0, 24, resource_ids=["ada"]))

    extra = await make(kind="EXTRA", date=day, ranges=ranges)
    assert await hours() == [0, 1, 2, 4, 5, 6, 7, 9, 10]
    replaced = await make(kind="REPLACE_DAY", date=day, ranges=ranges)
    assert await hours() == [9, 10]
    closed = await make(id="shut", kind="CLOSED", date=day, reason="inventory")
    assert await hours() == []
    (verdict,) = (await team.check("ada")).verdicts
    assert codes(verdict) == ["OUTSIDE_HOURS", "CLOSED"]
    assert verdict.obstacles[1].blocking_id == "shut"
    for made in (closed, extra, replaced):
        gone = schedule_pb2.DeleteExceptionRequest(resource_id="ada", id=made.id)
        await team("DeleteException", gone)
    await make(kind="OFFER", interval=window(12, 14))
    assert await hours() == [0, 1, 2, 4, 5, 6, 7, 12, 13]


async def test_the_schedule_read_back(team):
    leave = schedule_pb2.TimeOff(interval=window(4, 5))
    await team(
        "CreateTimeOff", schedule_pb2.CreateTimeOffRequest(resource_id="ada", time_off=leave)
    )
    request = schedule_pb2.GetScheduleRequest(resource_id="ada", window=window(0, 24))
    found = await team("GetSchedule", request)
    assert list(found.working) == [window(0, 3), window(5, 8)]
    assert list(found.rules) == [rule()]
    assert found.time_zone == "UTC"
    assert len(found.time_off) == 1


async def test_offered_days_count_shifts_in_the_tenants_month(team):
    leave = schedule_pb2.TimeOff(interval=window(0, 24))
    await team(
        "CreateTimeOff", schedule_pb2.CreateTimeOffRequest(resource_id="ada", time_off=leave)
    )
    request = availability_pb2.GetOfferedDaysRequest(month="2031-03")
    found = await team("GetOfferedDays", request)
    assert [(row.resource_id, row.days) for row in found.rows] == [("ada", 20), ("bo", 21)]
    assert found.tenant_time_zone == "UTC"
