"""The wall between tenants: what is another's is not found, not listed, not told."""

import asyncio
from collections.abc import Callable

import grpc
import pytest
from fairslot.gateway.v1.planner_pb2 import Change

from tests.e2e.callers import Tenant
from tests.e2e.shop import START, furnish


@pytest.fixture
def owner(new_tenant: Callable[[], Tenant]) -> Tenant:
    return new_tenant()


def test_what_is_anothers_is_not_found(owner: Tenant, tenant: Tenant) -> None:
    booked = furnish(owner)
    stranger = tenant.http()
    stranger.made("/v1/serviceTypes", {"id": "other", "duration": "3600s"})
    answers = [
        stranger.get("/v1/resources/r1"),
        stranger.get("/v1/serviceTypes/visit"),
        stranger.get("/v1/requests/q1"),
        stranger.get(f"/v1/assignments/{booked}"),
        stranger.get("/v1/resources/r1/schedule"),
        stranger.put("/v1/resources/r1", {"kind": "PERSON"}),
        stranger.put("/v1/resources/r1/schedule", {"rules": []}),
        stranger.delete("/v1/resources/r1"),
        stranger.post("/v1/requests/q1:cancel"),
        stranger.post(f"/v1/assignments/{booked}:cancel"),
        stranger.post("/v1/candidates:rank", {"bookingRequestId": "q1"}),
        stranger.post("/v1/slots:search", {"serviceTypeId": "visit"}),
        stranger.post("/v1/requests", {"id": "q2", "serviceTypeId": "visit"}),
        stranger.post(
            "/v1/holds", {"serviceTypeId": "other", "resourceIds": ["r1"], "start": START}
        ),
    ]
    for answer in answers:
        assert (answer.status, answer.reason) == (404, "NOT_FOUND"), answer.raw
        assert owner.name not in answer.raw.decode()
    for path, field in (
        ("/v1/resources", "resources"),
        ("/v1/requests", "requests"),
        ("/v1/assignments", "assignments"),
    ):
        assert not stranger.get(path).body.get(field)
    assert owner.http().get(f"/v1/assignments/{booked}").body["state"] == "ASSIGNED"


def test_one_name_may_mean_two_things(owner: Tenant, tenant: Tenant) -> None:
    first, second = furnish(owner), furnish(tenant)
    assert first != second
    for one in (owner, tenant):
        assert one.http().get("/v1/resources/r1").body["displayName"] == one.name


async def test_nobody_hears_of_anothers_changes(
    owner: Tenant, tenant: Tenant, channel: grpc.aio.Channel
) -> None:
    heard: list[Change] = []
    ready = asyncio.Event()

    async def listen() -> None:
        async for change in tenant.grpc(channel, "viewer").watch(heartbeats=True):
            ready.set()
            heard.append(change)

    listening = asyncio.create_task(listen())
    async with asyncio.timeout(10):
        await ready.wait()
        await asyncio.to_thread(furnish, owner)
        # What comes after it in time comes after it in the feed.
        await asyncio.to_thread(
            tenant.http().made, "/v1/serviceTypes", {"id": "mine", "duration": "600s"}
        )
        while not [change for change in heard if change.topic == "catalog"]:
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.2)
    listening.cancel()
    assert {change.id for change in heard if change.topic not in ("feed", "")} == {"mine"}
