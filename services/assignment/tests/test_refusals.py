"""Assignment as served: what is refused, with which reason, and that nothing stays of it."""

from __future__ import annotations

from datetime import UTC, timedelta

import psycopg
import pytest
from fairslot.assignment.v1 import assignment_pb2 as pb
from fairslot.assignment.v1 import request_pb2
from google.protobuf.duration_pb2 import Duration

from kit.fault import Denied, Exhausted, Exists, Invalid, NotFound, Refused
from services.assignment.tests.books import violations
from services.assignment.tests.calls import at, refused, violated, window


@pytest.mark.parametrize(
    ("obstacles", "reason"),
    [
        (("TIME_OFF",), "NOT_AVAILABLE"),
        (("EXTERNAL_BUSY", "BUSY"), "NOT_AVAILABLE"),
        (("OUTSIDE_HOURS", "NOT_QUALIFIED"), "NOT_QUALIFIED"),
        (("SKILL_EXPIRED",), "NOT_QUALIFIED"),
        (("PARTY_TOO_LARGE",), "PARTY_TOO_LARGE"),
        (("NOTICE",), "NOT_AVAILABLE"),
    ],
)
async def test_what_is_not_the_ledgers_business_is_refused_before_it(
    ann, world, ledger_database, obstacles, reason
):
    world.obstacles["r2"] = obstacles
    said = await refused(ann.hold("r1", "r2", request_id="k"))
    assert (type(said), said.reason) == (Refused, reason)
    assert said.metadata["resource_id"] == "r2"
    assert set(said.metadata["obstacles"].split(",")) == set(obstacles) - {"BUSY"}
    world.obstacles.clear()
    # Definitive: the same key is told the same, though it could be had now.
    assert (await refused(ann.hold("r1", "r2", request_id="k"))).raw == said.raw
    assert violations(ledger_database.admin_url) == {}


@pytest.mark.parametrize(
    ("obstacles", "reason"),
    [
        ({"r1": ("BUSY",), "r2": ("TIME_OFF",), "r3": ("NOT_QUALIFIED",)}, "SLOT_TAKEN"),
        (
            {"r1": ("OUTSIDE_HOURS",), "r2": ("NOT_QUALIFIED",), "r3": ("BUSY", "NOTICE")},
            "NOT_AVAILABLE",
        ),
        (dict.fromkeys(("r1", "r2", "r3"), ("PARTY_TOO_LARGE",)), "PARTY_TOO_LARGE"),
        (dict.fromkeys(("r1", "r2", "r3"), ("NOT_QUALIFIED",)), "NOT_QUALIFIED"),
    ],
)
async def test_where_nobody_can_the_nearest_reason_is_told(ann, world, obstacles, reason):
    world.obstacles.update(obstacles)
    assert (await refused(ann.hold(alternatives=0))).reason == reason


async def test_without_any_resource_there_is_no_candidate(ann, world):
    world.resources = ()
    assert (await refused(ann.hold(alternatives=0))).reason == "NO_CANDIDATE"


async def test_a_customers_budget_of_holds(ann):
    await ann.want("q1", customer_hash="c1")
    await ann.hold("r1", customer_hash="c1")
    await ann.hold("r2", booking_request_id="q1")
    used_up = await refused(ann.hold("r3", customer_hash="c1"))
    assert (type(used_up), used_up.reason) == (Exhausted, "TOO_MANY_HOLDS")
    assert (await ann.hold("r3", customer_hash="c2")).id


async def test_unknown_ids_are_not_found_and_told_again(ann, ledger_database):
    for work in (
        ann.hold("r1", booking_request_id="nowhere"),
        ann.hold("nobody"),
        ann.hold("r1", service_type_id="nothing"),
        ann.want(service_type_id="nothing"),
        ann.assign("nowhere", "r1"),
        ann.confirm("nonsense"),
        ann.confirm("a.b"),
        ann.release("nonsense"),
        ann.cancel("nowhere"),
        ann.get("nowhere"),
        ann("GetRequest", request_pb2.GetRequestRequest(id="nowhere")),
        ann("CancelRequest", request_pb2.CancelRequestRequest(id="nowhere")),
        ann("ValidateHold", pb.ValidateHoldRequest(hold_token="nowhere")),
    ):
        said = await refused(work)
        assert (type(said), said.reason) == (NotFound, "NOT_FOUND")
    assert nothing_stored(ledger_database)


async def test_another_tenants_things_are_not_found(ann, caller, ledger_database):
    wanted = await ann.want("q1")
    held = await ann.hold("r1", booking_request_id=wanted.id)
    eve = caller("globex", ["admin"], "eve")
    for work in (
        eve.confirm(held.token),
        eve.release(held.token),
        eve.get(held.id),
        eve.hold("r1", booking_request_id="q1"),
        eve("GetRequest", request_pb2.GetRequestRequest(id="q1")),
        eve("CancelRequest", request_pb2.CancelRequestRequest(id="q1")),
    ):
        assert (await refused(work)).reason == "NOT_FOUND"
    assert (await eve.hold("r1")).id != held.id
    assert violations(ledger_database.admin_url, "acme", "globex") == {}


async def test_looking_is_for_viewers_and_writing_is_not(caller, ann):
    done = await ann.assign((await ann.want()).id, "r1", reason="x")
    viewer = caller(roles=["viewer"])
    assert (await viewer.get(done.id)).id == done.id
    for work in (viewer.want(), viewer.hold("r1"), viewer.cancel(done.id)):
        assert isinstance(await refused(work), Denied)


def nothing_stored(database) -> bool:
    with psycopg.connect(database.admin_url) as admin:
        rows = "SELECT count(*) FROM assignment.request UNION ALL SELECT count(*) FROM"
        counts = admin.execute(f"{rows} assignment.allocation").fetchall()
    return counts == [(0,), (0,)]


BAD = {
    "start with seconds": (lambda a: a.hold("r1", start=at() + timedelta(seconds=1)), "start"),
    "no start": (lambda a: a("PlaceHold", pb.PlaceHoldRequest(service_type_id="visit")), "start"),
    "for nothing": (lambda a: a("PlaceHold", pb.PlaceHoldRequest(start=at())), ""),
    "negative party": (lambda a: a.want(party_size=-1), "request.party_size"),
    "reversed window": (lambda a: a.want(window=window(480, 480)), "request.window"),
    "bad id": (lambda a: a.want("a b"), "request.id"),
    "place off the earth": (
        lambda a: a.want(place={"latitude": 91, "longitude": 0}),
        "request.place",
    ),
    "negative ttl": (lambda a: a.hold("r1", ttl=Duration(seconds=-1)), "ttl"),
    "same resource twice": (lambda a: a.hold("r1", "r1"), "resource_ids"),
    "key too long": (lambda a: a.hold("r1", header="k" * 300), "request_id"),
    "wrong page token": (
        lambda a: a("ListRequests", request_pb2.ListRequestsRequest(page_token="WyJ4Il0=")),
        "page_token",
    ),
    "half a window": (
        lambda a: a(
            "ListAssignments",
            pb.ListAssignmentsRequest(window={"start_time": {"seconds": 1}}),
        ),
        "window",
    ),
    "unknown zone": (
        lambda a: a(
            "GetWorkload", pb.GetWorkloadRequest(window=window(0, 1), time_zone="Mars/Base")
        ),
        "time_zone",
    ),
    "year 10000": (
        lambda a: a(
            "PlaceHold", pb.PlaceHoldRequest(service_type_id="visit", start={"seconds": 2**40})
        ),
        "start",
    ),
}


@pytest.mark.parametrize("what", BAD)
async def test_bad_input_is_refused_by_field_and_leaves_nothing(ann, ledger_database, what):
    call, field = BAD[what]
    said = await refused(call(ann))
    assert isinstance(said, Invalid), said.reason
    assert violated(said)[0] == field
    assert nothing_stored(ledger_database)


async def test_windows_by_wall_clocks(ann):
    def local(month: int, day: int, hours: int, minutes: int = 0):
        return {"year": 2024, "month": month, "day": day, "hours": hours, "minutes": minutes}

    def wanted(start, end, zone="America/New_York"):
        asked = request_pb2.BookingRequest(
            service_type_id="visit", local_window={"start": start, "end": end}, time_zone=zone
        )
        return ann("CreateRequest", request_pb2.CreateRequestRequest(request=asked))

    stored = (await wanted(local(3, 10, 1), local(3, 10, 24))).request.window
    assert stored.start_time.ToDatetime(UTC).isoformat() == "2024-03-10T06:00:00+00:00"
    assert stored.end_time.ToDatetime(UTC).isoformat() == "2024-03-11T04:00:00+00:00"
    for start in (local(3, 10, 2, 30), local(11, 3, 1, 30)):
        said = await refused(wanted(start, local(12, 1, 0)))
        assert said.reason == "AMBIGUOUS_LOCAL_TIME"
    sure = await wanted({**local(11, 3, 1, 30), "utc_offset": {"seconds": -18000}}, local(12, 1, 0))
    assert sure.request.window.start_time.ToDatetime(UTC).hour == 6
    assert (await refused(wanted(local(3, 1, 5), local(3, 1, 5)))).reason == "WINDOW_INVALID"
    assert violated(await refused(wanted(local(2, 30, 5), local(3, 1, 5))))
    assert violated(await refused(wanted(local(3, 1, 5), local(3, 1, 6), zone="")))


async def test_a_missing_window_is_the_next_thirty_days(ann):
    asked = request_pb2.BookingRequest(service_type_id="visit")
    stored = (await ann("CreateRequest", request_pb2.CreateRequestRequest(request=asked))).request
    start, end = stored.window.start_time.ToDatetime(UTC), stored.window.end_time.ToDatetime(UTC)
    assert end - start == timedelta(days=30)
    assert abs(start - stored.created_at.ToDatetime(UTC)) < timedelta(seconds=5)
    assert stored.id
    taken = await refused(ann.want(stored.id))
    assert (type(taken), taken.reason) == (Exists, "ALREADY_EXISTS")
