"""The same key gives the same answer, byte for byte, whatever has happened since."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from fairslot.assignment.v1 import assignment_pb2 as ledger

from client import Call, Client, Refusal, methods, open_channel
from tests.e2e.callers import Tenant
from tests.e2e.moments import told
from tests.e2e.shop import furnish

START = (datetime.now(UTC) + timedelta(days=8)).replace(hour=9, minute=0, second=0, microsecond=0)
HOLD = {"serviceTypeId": "visit", "resourceIds": ["r1"], "start": told(START)}


@pytest.fixture
def shop(tenant: Tenant) -> Tenant:
    furnish(tenant)
    return tenant


def test_a_hold_is_placed_once_and_answered_alike(shop: Tenant) -> None:
    planner = shop.http("planner")
    first = planner.post("/v1/holds", HOLD, key="k1")
    second = planner.post("/v1/holds", HOLD, key="k1")
    assert first.status == 200
    assert second.raw == first.raw
    planner.made(f"/v1/holds/{first.body['token']}:confirm", {})
    # The world has changed, the answer has not.
    assert planner.post("/v1/holds", HOLD, key="k1").raw == first.raw


def test_a_refusal_stays_a_refusal(shop: Tenant) -> None:
    planner = shop.http("planner")
    winner = planner.made("/v1/holds", HOLD)
    first = planner.post("/v1/holds", HOLD, key="k2")
    assert first.reason == "SLOT_TAKEN"
    planner.delete(f"/v1/holds/{winner['token']}")
    # The time is free again, but this key has been answered.
    again = planner.post("/v1/holds", HOLD, key="k2")
    assert (again.status, again.raw) == (first.status, first.raw)
    assert planner.post("/v1/holds", HOLD, key="k3").status == 200


def test_a_key_is_for_one_payload(shop: Tenant) -> None:
    planner = shop.http("planner")
    assert planner.post("/v1/holds", HOLD, key="k4").status == 200
    other = {**HOLD, "start": told(START + timedelta(hours=2))}
    answer = planner.post("/v1/holds", other, key="k4")
    assert (answer.status, answer.reason) == (400, "IDEMPOTENCY_KEY_REUSED")


def test_keys_of_two_callers_do_not_meet(shop: Tenant) -> None:
    mine = shop.http("planner", "ada").post("/v1/holds", HOLD, key="k5")
    yours = shop.http("planner", "bob").post("/v1/holds", HOLD, key="k5")
    assert (mine.status, yours.reason) == (200, "SLOT_TAKEN")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/resources", {"id": "r7", "kind": "ROOM"}),
        ("/v1/serviceTypes", {"id": "s7", "duration": "900s"}),
        ("/v1/requests", {"id": "q7", "serviceTypeId": "visit"}),
        ("/v1/requests", {"serviceTypeId": "visit"}),
        ("/v1/requests", {"serviceTypeId": "visit", "labels": {f"l{n}": "x" for n in range(9)}}),
        ("/v1/resources", {"kind": "ROOM", "labels": {f"l{n}": "x" for n in range(9)}}),
        (
            "/v1/resources/r1/exceptions",
            {"kind": "CLOSED", "date": {"year": 2031, "month": 1, "day": 1}},
        ),
    ],
)
def test_every_kind_of_write_is_answered_alike(
    shop: Tenant, path: str, body: dict[str, object]
) -> None:
    admin = shop.http()
    first = admin.post(path, body, key="k6")
    assert first.status == 200, first.raw
    # Often enough that every process is asked.
    assert {admin.post(path, body, key="k6").raw for _ in range(6)} == {first.raw}
    if "id" in body:
        taken = admin.post(path, body, key="k7")
        assert (taken.status, taken.reason) == (409, "ALREADY_EXISTS")


async def test_a_dozen_at_once_with_one_key_are_one(
    shop: Tenant, stack: object, channel: grpc.aio.Channel
) -> None:
    request = ledger.PlaceHoldRequest(service_type_id="visit", resource_ids=["r1"], request_id="k8")
    request.start.FromDatetime(START)
    calls: list[Call] = []

    async def once() -> None:
        client = Client(channel, token=shop.token("planner"), observer=calls.append)
        await client.call(methods.PLACE_HOLD, request)

    await asyncio.gather(*(once() for _ in range(12)))
    assert len({call.reply for call in calls}) == 1
    assert all(call.refusal is None for call in calls)


async def test_a_confirmation_is_the_same_bytes(
    shop: Tenant, new_tenant: Callable[[], Tenant]
) -> None:
    calls: list[Call] = []
    async with open_channel(shop.gateway) as channel:
        client = Client(channel, token=shop.token("planner"), observer=calls.append)
        place = ledger.PlaceHoldRequest(service_type_id="visit", resource_ids=["r1"])
        place.start.FromDatetime(START)
        hold = (await client.call(methods.PLACE_HOLD, place)).hold
        confirm = ledger.ConfirmHoldRequest(hold_token=hold.token, request_id="k9")
        done = (await client.call(methods.CONFIRM_HOLD, confirm)).assignment
        await client.call(
            methods.CANCEL_ASSIGNMENT,
            ledger.CancelAssignmentRequest(assignment_id=done.id, reason="over"),
        )
        await client.call(methods.CONFIRM_HOLD, confirm)
        replies = [call.reply for call in calls if call.method == "ConfirmHold"]
        assert replies[0] == replies[1] != b""
        # Without the key it is a new question, and the answer is of today.
        with pytest.raises(Refusal) as caught:
            await client.call(
                methods.CONFIRM_HOLD, ledger.ConfirmHoldRequest(hold_token=hold.token)
            )
    assert caught.value.code is grpc.StatusCode.FAILED_PRECONDITION
