"""The feed: what happens is told in order, a resumed watch has no gap, and curl can read it."""

import asyncio
import http.client
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import grpc
import pytest
from fairslot.assignment.v1 import assignment_pb2 as ledger
from fairslot.gateway.v1.planner_pb2 import Change

from client import Client, methods
from tests.e2e.callers import Tenant
from tests.e2e.shop import furnish

START = (datetime.now(UTC) + timedelta(days=9)).replace(hour=0, minute=0, second=0, microsecond=0)
SECONDS = 10


@pytest.fixture
def shop(tenant: Tenant) -> Tenant:
    furnish(tenant)
    return tenant


async def place(client: Client, hour: int) -> ledger.Hold:
    request = ledger.PlaceHoldRequest(service_type_id="visit", resource_ids=["r1"])
    request.start.FromDatetime(START + timedelta(hours=hour))
    return (await client.call(methods.PLACE_HOLD, request)).hold


async def confirm(client: Client, hold: ledger.Hold) -> None:
    await client.call(methods.CONFIRM_HOLD, ledger.ConfirmHoldRequest(hold_token=hold.token))


async def take(client: Client, count: int, *, topics: list[str], token: str = "") -> list[Change]:
    """Reads so many changes and leaves."""
    changes = []
    async for change in client.watch(topics, resume_token=token):
        changes.append(change)
        if len(changes) == count:
            break
    return changes


async def started(client: Client, topics: list[str]) -> tuple[asyncio.Queue[Change], Any, str]:
    """Begins to watch; returns what comes, the task, and where the feed stood."""
    queue: asyncio.Queue[Change] = asyncio.Queue()

    async def watch() -> None:
        async for change in client.watch(topics, heartbeats=True):
            queue.put_nowait(change)

    task = asyncio.create_task(watch())
    first = await queue.get()
    assert first.kind == Change.HEARTBEAT
    return queue, task, first.position


async def about(queue: asyncio.Queue[Change], thing: str) -> Change:
    """Waits for the next change of one thing; those of before the watch may still come in."""
    while (change := await queue.get()).id != thing:
        pass
    return change


async def test_changes_come_in_order_with_rising_versions(
    shop: Tenant, channel: grpc.aio.Channel
) -> None:
    planner = shop.grpc(channel, "planner")
    async with asyncio.timeout(SECONDS):
        queue, task, _ = await started(planner, ["holds", "assignments"])
        hold = await place(planner, 1)
        await confirm(planner, hold)
        changes = [await about(queue, hold.id) for _ in range(3)]
    task.cancel()
    told = [(one.topic, Change.Kind.Name(one.kind), one.version) for one in changes]
    assert told[0] == ("holds", "HELD", 1)
    assert sorted(told[1:]) == [("assignments", "ASSIGNED", 2), ("holds", "CONFIRMED", 2)]
    assert {one.id for one in changes} == {hold.id}
    assert all(
        one.payload["resource_ids" if "resource_ids" in one.payload else "resourceIds"]
        for one in changes
    )
    delay = datetime.now(UTC) - changes[-1].at.ToDatetime(UTC)
    assert delay < timedelta(seconds=1)


async def test_a_resumed_watch_has_no_gap(shop: Tenant, channel: grpc.aio.Channel) -> None:
    planner = shop.grpc(channel, "planner")
    async with asyncio.timeout(SECONDS):
        # Only the assignment of the furnishing may still come in, which is another topic.
        _, task, begin = await started(planner, ["holds"])
        holds = [await place(planner, hour) for hour in range(1, 7)]
        task.cancel()
        first = await take(planner, 2, topics=["holds"], token=begin)
        rest = await take(planner, 4, topics=["holds"], token=first[-1].position)
    assert [change.id for change in first + rest] == [hold.id for hold in holds]


async def test_two_watchers_are_told_the_same(shop: Tenant, channel: grpc.aio.Channel) -> None:
    planner = shop.grpc(channel, "planner")
    async with asyncio.timeout(SECONDS):
        one, first, _ = await started(shop.grpc(channel, "viewer", "a"), ["holds"])
        two, second, _ = await started(shop.grpc(channel, "viewer", "b"), ["holds"])
        await asyncio.gather(*(place(planner, hour) for hour in range(1, 9)))
        lists = [[await queue.get() for _ in range(8)] for queue in (one, two)]
    first.cancel()
    second.cancel()
    assert lists[0] == lists[1]


async def test_only_the_topics_asked_for_come(shop: Tenant, channel: grpc.aio.Channel) -> None:
    planner, admin = shop.grpc(channel, "planner"), shop.http()
    async with asyncio.timeout(SECONDS):
        queue, task, _ = await started(planner, ["catalog"])
        await place(planner, 3)
        await asyncio.to_thread(admin.made, "/v1/resources", {"id": "r2", "kind": "ROOM"})
        change = await about(queue, "r2")
        assert (change.topic, change.kind) == ("catalog", Change.SAVED)
    task.cancel()
    assert queue.empty()


def events(shop: Tenant, query: str) -> Iterator[dict[str, Any]]:
    """Reads Server-Sent Events as curl would."""
    url = urlsplit(shop.gateway)
    link = http.client.HTTPConnection(url.hostname or "", url.port, timeout=SECONDS)
    headers = {"accept": "text/event-stream", "authorization": f"Bearer {shop.token('viewer')}"}
    link.request("GET", f"/v1/changes?{query}", headers=headers)
    reply = link.getresponse()
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/event-stream")
    try:
        while line := reply.readline():
            if line.startswith(b"data: "):
                yield json.loads(line[6:])
    finally:
        link.close()


async def test_curl_may_watch_and_resume(shop: Tenant, channel: grpc.aio.Channel) -> None:
    planner = shop.grpc(channel, "planner")
    stream = events(shop, "topics=assignments&topics=holds")
    assert (await asyncio.to_thread(next, stream))["kind"] == "HEARTBEAT"
    hold = await place(planner, 5)
    change = await asyncio.to_thread(next, stream)
    while change["id"] != hold.id:
        change = await asyncio.to_thread(next, stream)
    assert (change["topic"], change["kind"]) == ("holds", "HELD")
    await asyncio.to_thread(stream.close)
    await confirm(planner, hold)
    resumed = events(shop, f"topics=assignments&resumeToken={change['position']}")
    seen = await asyncio.to_thread(next, resumed)
    while seen["id"] != hold.id:
        seen = await asyncio.to_thread(next, resumed)
    assert (seen["topic"], seen["kind"]) == ("assignments", "ASSIGNED")
    await asyncio.to_thread(resumed.close)
