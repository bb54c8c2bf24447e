"""A clinic: a visit is cancelled and its time is given to another patient; planners see it all."""

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from fairslot.assignment.v1 import assignment_pb2 as ledger
from fairslot.assignment.v1 import request_pb2
from fairslot.gateway.v1.planner_pb2 import Change
from fairslot.matching.v1 import matching_pb2

from client import Client, Refusal, methods
from examples.world import World
from tests.e2e.callers import Tenant
from tests.e2e.moments import at, told


@pytest.fixture
def world(enter_world: Callable[[str], World]) -> World:
    return enter_world("clinic")


def assign(tenant: Tenant, request: str, world: World, when: str) -> Any:
    return tenant.http("planner").post(
        "/v1/assignments",
        {
            "bookingRequestId": request,
            "resourceIds": ["dr-amara"],
            "start": told(at(world, when)),
            "reason": "the patient's own doctor",
        },
    )


def test_a_cancelled_visit_is_given_to_another(tenant: Tenant, world: World) -> None:
    planner = tenant.http("planner")
    first, second = (f"patient-0{number}-{world.week}" for number in (1, 2))
    when = "week 1 MONDAY 08:30"
    booked = assign(tenant, first, world, when).body
    assert booked["state"] == "ASSIGNED"

    lost = assign(tenant, second, world, when)
    assert (lost.status, lost.reason) == (409, "SLOT_TAKEN")
    assert lost.detail("Alternatives")["candidates"]

    stale = planner.post(f"/v1/assignments/{booked['id']}:cancel", {"etag": "0815"})
    assert (stale.status, stale.reason) == (409, "STALE_ETAG")
    gone = planner.made(
        f"/v1/assignments/{booked['id']}:cancel",
        {"etag": booked["etag"], "reason": "the patient is better"},
    )
    assert gone["state"] == "CANCELLED"
    assert gone["cancelReason"] == "the patient is better"
    # The one who cancelled is open again and may be served anew.
    assert planner.get(f"/v1/requests/{first}").body["state"] == "OPEN"

    given = assign(tenant, second, world, when).body
    assert given["state"] == "ASSIGNED"
    assert given["id"] != booked["id"]
    listed = planner.get("/v1/assignments", resourceIds="dr-amara").body["assignments"]
    assert [one["id"] for one in listed] == [given["id"]]


def test_a_cancellation_may_close_the_request(tenant: Tenant, world: World) -> None:
    planner = tenant.http("planner")
    patient = f"patient-01-{world.week}"
    booked = assign(tenant, patient, world, "week 1 MONDAY 09:00").body
    planner.made(
        f"/v1/assignments/{booked['id']}:cancel",
        {"etag": booked["etag"], "reason": "moved away", "closeRequest": True},
    )
    assert planner.get(f"/v1/requests/{patient}").body["state"] == "CANCELLED"
    again = assign(tenant, patient, world, "week 1 MONDAY 09:00")
    assert (again.status, again.reason) == (400, "REQUEST_NOT_OPEN")


def test_a_closed_practice_offers_nothing_and_says_why(tenant: Tenant, world: World) -> None:
    ranked = tenant.http("planner").made(
        "/v1/candidates:rank", {"bookingRequestId": f"patient-06-{world.week}"}
    )
    assert not ranked.get("candidates")
    assert ranked["rejections"]
    assert all(row["reasons"] for row in ranked["rejections"])


async def book(client: Client, patient: str) -> ledger.Assignment:
    ranked = await client.call(
        methods.RANK_CANDIDATES,
        matching_pb2.RankCandidatesRequest(booking_request_id=patient, limit=1),
    )
    best = ranked.candidates[0]
    placed = await client.call(
        methods.PLACE_HOLD,
        ledger.PlaceHoldRequest(
            booking_request_id=patient, resource_ids=best.resource_ids, start=best.start
        ),
    )
    confirmed = await client.call(
        methods.CONFIRM_HOLD, ledger.ConfirmHoldRequest(hold_token=placed.hold.token)
    )
    return confirmed.assignment


async def test_planners_see_it_happen(
    tenant: Tenant, channel: grpc.aio.Channel, enter_world: Callable[[str], World]
) -> None:
    world = await asyncio.to_thread(enter_world, "clinic")
    planner, watcher = tenant.grpc(channel, "planner"), tenant.grpc(channel, "viewer")
    seen: asyncio.Queue[Change] = asyncio.Queue()

    async def watch() -> None:
        async for change in watcher.watch(["holds", "assignments"], heartbeats=True):
            seen.put_nowait(change)

    watching = asyncio.create_task(watch())
    async with asyncio.timeout(10):
        assert (await seen.get()).kind == Change.HEARTBEAT
        booked = await book(planner, f"patient-03-{world.week}")
        await planner.call(
            methods.CANCEL_ASSIGNMENT,
            ledger.CancelAssignmentRequest(
                assignment_id=booked.id, etag=booked.etag, reason="better"
            ),
        )
        told_kinds = []
        while len(told_kinds) < 4:
            change = await seen.get()
            if change.kind != Change.HEARTBEAT:
                assert change.id == booked.id
                told_kinds.append((change.topic, Change.Kind.Name(change.kind)))
    watching.cancel()
    assert sorted(told_kinds) == [
        ("assignments", "ASSIGNED"),
        ("assignments", "CANCELLED"),
        ("holds", "CONFIRMED"),
        ("holds", "HELD"),
    ]
    request = await planner.call(
        methods.GET_REQUEST, request_pb2.GetRequestRequest(id=booked.booking_request_id)
    )
    assert request.request.state == request_pb2.BookingRequest.OPEN


async def test_a_released_hold_cannot_be_confirmed(
    tenant: Tenant, channel: grpc.aio.Channel, enter_world: Callable[[str], World]
) -> None:
    world = await asyncio.to_thread(enter_world, "clinic")
    planner = tenant.grpc(channel, "planner")
    start = ledger.PlaceHoldRequest(
        service_type_id="visit-15", booking_request_id=f"patient-02-{world.week}"
    )
    start.start.FromDatetime(at(world, "week 1 MONDAY 09:30"))
    hold = (await planner.call(methods.PLACE_HOLD, start)).hold
    for _ in range(2):
        released = await planner.call(
            methods.RELEASE_HOLD, ledger.ReleaseHoldRequest(hold_token=hold.token)
        )
        assert released.hold.state == ledger.Hold.RELEASED
    with pytest.raises(Refusal) as caught:
        await planner.call(methods.CONFIRM_HOLD, ledger.ConfirmHoldRequest(hold_token=hold.token))
    assert caught.value.reason == "HOLD_ALREADY_RELEASED"
