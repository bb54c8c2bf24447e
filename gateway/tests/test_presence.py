"""Presence: who looks at what reaches all who watch, on every gateway, and never the feed."""

import asyncio

import grpc
import pytest
from fairslot.gateway.v1 import planner_pb2, planner_pb2_grpc

from gateway.domain.presence import FORGOTTEN_AFTER_SECONDS, GLANCES_MAX, Glance, Glances, Untold
from gateway.tests.feeds import Change, Watch, bundle, gateway, held


async def tell(address, token, request, client="page-1"):
    async with grpc.aio.insecure_channel(address) as channel:
        await planner_pb2_grpc.PlannerServiceStub(channel).TellPresence(
            planner_pb2.TellPresenceRequest(client_id=client, booking_request_id=request),
            metadata=(("authorization", f"Bearer {token}"),),
            timeout=5,
        )


async def test_others_see_who_looks_at_what_on_any_gateway(bus, servers, tokens):
    anna, viewer = tokens.mint("acme", ["planner"], "anna"), tokens.mint("acme", ["viewer"])
    stranger = tokens.mint("other", ["admin"])
    async with (
        gateway(servers, tokens) as one,
        gateway(servers, tokens, heartbeat_seconds=0.3) as two,
        Watch(one, viewer) as near,
        Watch(two, viewer) as far,
        Watch(two, stranger) as outside,
    ):
        first = await far.next()
        await near.next()
        await outside.next()
        await tell(one, anna, "q1")
        for watch in (near, far):
            (seen,) = await watch.some(1)
            assert (seen.topic, seen.kind, seen.id) == ("presence", Change.LOOKING, "q1")
            assert dict(seen.payload) == {"actor": "anna", "clientId": "page-1"}
        # It has no place in the feed: who resumes after it resumes where the feed stands.
        assert seen.position == first.position
        assert (await outside.next()).kind == Change.HEARTBEAT
        await tell(two, anna, "")
        assert (await near.some(1))[0].kind == Change.LEFT


async def test_who_comes_later_is_told_what_holds(bus, servers, tokens):
    anna, viewer = tokens.mint("acme", ["planner"], "anna"), tokens.mint("acme", ["viewer"])
    async with gateway(servers, tokens) as address, Watch(address, viewer) as early:
        await early.next()
        await tell(address, anna, "q1")
        await early.some(1)
        await tell(address, anna, "q2")
        await early.some(1)
        async with (
            Watch(address, viewer) as late,
            Watch(address, viewer, topics=["holds"]) as other,
        ):
            assert [one.id for one in await late.some(1)] == ["q2"]
            await other.next()
            await bus.publish([bundle(held("h"))])
            assert [one.topic for one in await other.some(1)] == ["holds"]


async def test_a_page_may_ask_for_a_shorter_silence(bus, servers, tokens):
    viewer = tokens.mint("acme", ["viewer"])
    async with gateway(servers, tokens) as address, grpc.aio.insecure_channel(address) as channel:
        request = planner_pb2.WatchChangesRequest()
        request.heartbeat.FromSeconds(1)
        call = planner_pb2_grpc.PlannerServiceStub(channel).WatchChanges(
            request, metadata=(("authorization", f"Bearer {viewer}"),)
        )
        async with asyncio.timeout(10):
            assert [(await call.read()).kind for _ in range(2)] == [Change.HEARTBEAT] * 2
        call.cancel()


async def test_a_watcher_in_the_middle_of_a_bundle_loses_nothing_by_a_glance(bus, servers, tokens):
    anna = tokens.mint("acme", ["planner"], "anna")
    count = 400
    async with gateway(servers, tokens) as address, Watch(address, anna) as watch:
        await watch.next()
        await bus.publish([bundle(*(held(f"h{n}") for n in range(count)))])
        await tell(address, anna, "q1")
        seen = await watch.some(count + 1)
        at = next(index for index, one in enumerate(seen) if one.topic == "presence")
        async with Watch(address, anna, resume=seen[at].position, topics=["holds"]) as resumed:
            left = {one.id for one in seen[at + 1 :]}
            if left:
                again = {one.id for one in await resumed.some(count)}
                assert left <= again


def test_only_the_last_glance_of_a_page_is_kept_and_not_for_long():
    glances = Glances()
    glances.put(Glance("a", b"1"), now_seconds=0)
    glances.put(Glance("b", b"2"), now_seconds=1)
    glances.put(Glance("a", b"3"), now_seconds=2)
    assert [one.body for one in glances.now(now_seconds=3)] == [b"2", b"3"]
    late = 1 + FORGOTTEN_AFTER_SECONDS
    assert [one.body for one in glances.now(now_seconds=late)] == [b"3"]
    glances.put(Glance("a", b"", leaves=True), now_seconds=late)
    assert not list(glances.now(now_seconds=late))


@pytest.mark.parametrize("keep", [Untold(), Glances()])
def test_pages_without_end_take_no_memory_without_end(keep):
    for number in range(GLANCES_MAX * 3):
        glance = Glance(str(number), b"")
        if isinstance(keep, Untold):
            keep.put(glance)
        else:
            keep.put(glance, now_seconds=0)
    if isinstance(keep, Untold):
        kept = list(iter(keep.take, None))
    else:
        kept = list(keep.now(now_seconds=0))
    assert len(kept) == GLANCES_MAX
    assert kept[-1].client_id == str(GLANCES_MAX * 3 - 1)
