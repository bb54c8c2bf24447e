"""Watching on a real NATS: from now on, resumed without a gap, walled by tenant, kept in bounds."""

import asyncio
import random

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from gateway.domain import Position, bundle_of
from gateway.peers import FEED
from gateway.tests.feeds import Change, Watch, bundle, gateway, held, new_feed


def number(change):
    return bundle_of(Position.of(change.position).number)


async def test_a_watch_begins_with_where_it_stands_and_tells_what_comes(
    bus, servers, tokens, token
):
    await bus.publish([bundle(held("before"))])
    async with gateway(servers, tokens) as address, Watch(address, token) as watch:
        first = await watch.next()
        assert (first.topic, first.kind, number(first)) == ("feed", Change.HEARTBEAT, 1)
        assert first.HasField("at")
        await bus.publish([bundle(held("a"), held("b", topic="requests"))])
        one, two = await watch.some(2)
        assert (one.topic, one.kind, one.id, one.version) == ("holds", Change.HELD, "a", 1)
        assert (two.topic, two.id) == ("requests", "b")
        assert (number(one), number(two)) == (2, 2)
        # Who has seen only a part of a bundle is told the rest of it.
        async with Watch(address, token, resume=one.position) as again:
            assert (await again.next()).position == one.position
            assert [change.id for change in await again.some(1)] == ["b"]


async def test_topics_are_chosen(bus, servers, tokens, token):
    async with (
        gateway(servers, tokens) as address,
        Watch(address, token, topics=["requests"]) as watch,
    ):
        await watch.next()
        await bus.publish(
            [
                bundle(held("a"), held("q", topic="requests")),
                bundle(held("b")),
                bundle(held("r", topic="requests")),
            ]
        )
        assert [change.id for change in await watch.some(2)] == ["q", "r"]


async def test_silence_is_broken_by_heartbeats_that_move_on(bus, servers, tokens, token):
    async with (
        gateway(servers, tokens, heartbeat_seconds=0.2) as address,
        Watch(address, token, topics=["catalog"]) as watch,
    ):
        assert number(await watch.next()) == 0
        await bus.publish([bundle(held("a")), bundle(held("b"))])
        await asyncio.sleep(0.3)
        beats = [await watch.next(1) for _ in range(3)]
        assert {beat.kind for beat in beats} == {Change.HEARTBEAT}
        assert number(beats[-1]) == 2


async def test_tenants_are_walled(bus, servers, tokens, token):
    other = tokens.mint("other", ["admin"])
    async with (
        gateway(servers, tokens, heartbeat_seconds=0.5) as address,
        Watch(address, token) as mine,
        Watch(address, other) as theirs,
    ):
        await mine.next()
        await theirs.next()
        await bus.publish([bundle(held("a"), tenant="acme"), bundle(held("b"), tenant="other")])
        assert [change.id for change in await mine.some(1)] == ["a"]
        (seen,) = await theirs.some(1)
        assert seen.id == "b"
        assert (await theirs.next()).kind == Change.HEARTBEAT
    # Another tenant's position gives nothing of that tenant either.
    async with (
        gateway(servers, tokens, heartbeat_seconds=0.2) as address,
        Watch(address, token, resume=seen.position) as watch,
    ):
        assert [(await watch.next()).kind for _ in range(3)] == [Change.HEARTBEAT] * 3


async def test_a_role_watches_what_it_may_read(bus, servers, tokens):
    machine = tokens.mint("acme", ["service"])
    async with gateway(servers, tokens) as address:
        async with Watch(address, machine, topics=["holds", "presence"]) as watch:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await watch.next()
        assert caught.value.code() == grpc.StatusCode.PERMISSION_DENIED
        async with Watch(address, machine) as watch:
            await watch.next()
            await bus.publish([bundle(held("p", topic="presence"), held("a"))])
            assert [change.id for change in await watch.some(1)] == ["a"]


async def test_no_token_is_refused(bus, servers, tokens):
    async with gateway(servers, tokens) as address, Watch(address, "") as watch:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await watch.next()
    assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED


def bundles(count):
    """Returns bundles of one to three changes, and the identities of all in order."""
    parts = [[f"t{n}-{part}" for part in range(1 + n % 3)] for n in range(count)]
    events = [bundle(*(held(name) for name in names)) for names in parts]
    return events, [name for names in parts for name in names]


async def load(bus, events):
    for start in range(0, len(events), 25):
        await bus.publish(events[start : start + 25])
        await asyncio.sleep(0.005)


async def test_a_watch_resumed_again_and_again_misses_nothing(bus, servers, tokens, token):
    chance = random.Random(7)
    events, sent = bundles(2500)
    seen: list[str] = []
    watches = 0
    async with gateway(servers, tokens) as address:
        async with Watch(address, token) as watch:
            position = (await watch.next()).position
        loading = asyncio.create_task(load(bus, events))
        while seen[-1:] != sent[-1:]:
            watches += 1
            async with Watch(address, token, resume=position) as watch:
                assert (await watch.next()).position == position
                # Ends anywhere, inside bundles too.
                for _ in range(chance.randrange(1, 400)):
                    change = await watch.next()
                    assert change.kind == Change.HELD
                    seen.append(change.id)
                    position = change.position
                    if change.id == sent[-1]:
                        break
        await loading
    assert watches > 5
    # Every change, in order, and none twice.
    assert seen == sent


async def test_a_gateway_that_knows_nothing_resumes_from_the_feed(bus, servers, tokens, token):
    async with gateway(servers, tokens) as address, Watch(address, token) as watch:
        position = (await watch.next()).position
    events, sent = bundles(2000)
    await bus.publish(events)
    async with (
        gateway(servers, tokens) as address,
        Watch(address, token, resume=position) as watch,
    ):
        found = [change.id for change in await watch.some(len(sent))]
        await bus.publish([bundle(held("live"))])
        found += [change.id for change in await watch.some(1)]
    assert found == [*sent, "live"]


async def test_a_gateway_that_knows_nothing_goes_on_inside_a_bundle(bus, servers, tokens, token):
    async with gateway(servers, tokens) as address, Watch(address, token) as watch:
        await watch.next()
        await bus.publish([bundle(held("a"), held("b"), held("c")), bundle(held("d"))])
        seen = await watch.some(4)
    for told, change in enumerate(seen, start=1):
        async with (
            gateway(servers, tokens) as address,
            Watch(address, token, resume=change.position) as watch,
        ):
            await watch.next()
            await bus.publish([bundle(held(f"live{told}"))])
            rest = [one.id for one in seen[told:]] + [f"live{n + 1}" for n in range(told)]
            assert [one.id for one in await watch.some(len(rest))] == rest


@pytest.mark.parametrize("bad", ["rubbish", "0123abcd-1", "{epoch}-99999999", "{epoch}-1"])
async def test_a_position_that_the_feed_does_not_have_means_a_reload(
    bus, servers, tokens, token, bad
):
    await bus.publish([bundle(held(f"a{n}")) for n in range(10)])
    await bus.jetstream.purge_stream(FEED, seq=6)
    async with gateway(servers, tokens) as address:
        async with Watch(address, token) as watch:
            first = await watch.next()
        resume = bad.format(epoch=Position.of(first.position).epoch)
        async with Watch(address, token, resume=resume) as watch:
            told = await watch.next()
            assert (told.topic, told.kind) == ("feed", Change.RESYNC)
            assert told.position == first.position
            await bus.publish([bundle(held("live"))])
            assert [change.id for change in await watch.some(1)] == ["live"]


async def test_a_feed_that_was_made_anew_means_a_reload(bus, servers, tokens, token):
    await bus.publish([bundle(held(f"a{n}")) for n in range(5)])
    async with gateway(servers, tokens) as address, Watch(address, token) as watch:
        before = await watch.next()
        await new_feed(bus)
        # More than there was, so that numbers alone would not tell.
        await bus.publish([bundle(held(f"b{n}")) for n in range(9)])
        # It may go on where the old feed stood before it is noticed.
        resync = before
        while resync.kind != Change.RESYNC:
            (resync,) = await watch.some(1, 20)
        await bus.publish([bundle(held("live"))])
        (live,) = await watch.some(1, 20)
        assert live.id == "live"
        assert Position.of(resync.position).epoch == Position.of(live.position).epoch
        async with Watch(address, token, resume=before.position) as late:
            assert (await late.next()).kind == Change.RESYNC


def reason_of(error):
    info = error_details_pb2.ErrorInfo()
    assert rpc_status.from_call(error).details[0].Unpack(info)
    return info.reason


async def test_a_watch_that_has_lived_long_enough_ends_with_its_position(
    bus, servers, tokens, token
):
    async with (
        gateway(servers, tokens, watch_seconds=0.5) as address,
        Watch(address, token) as watch,
    ):
        await watch.next()
        await bus.publish([bundle(held("a"))])
        await watch.some(1)
        last = await watch.next()
        assert (last.kind, number(last)) == (Change.HEARTBEAT, 1)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await watch.next()
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert reason_of(caught.value) == "UNAVAILABLE"
