"""Bounds and ends: watchers that never read, many at once, a gateway killed or told to go."""

import asyncio
import contextlib
import os
import signal
import sys
import time

import grpc
import pytest

from gateway.app import Settings
from gateway.domain import Position, bundle_of
from gateway.engine import Bounds, Hub
from gateway.tests.feeds import Change, Watch, bundle, gateway, held, settings
from gateway.tests.test_watch import bundles, load, reason_of
from kit.stopping import stopped
from kit.testing import free_port

# The least that gRPC lets a client take in unread.
UNREAD = (("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65_535))


@pytest.fixture
def hubs(monkeypatch):
    """The hubs that gateways of this test made, to look at what they hold."""
    made = []
    build = Hub.__init__

    def remember(self, *args, **kwargs):
        build(self, *args, **kwargs)
        made.append(self)

    monkeypatch.setattr(Hub, "__init__", remember)
    return made


def test_settings_and_bounds_agree():
    usual = Settings(nats_url="nats://127.0.0.1:1")
    assert Bounds() == Bounds(
        backlog_entries=usual.backlog_entries,
        watchers=usual.watchers_max,
        silence_seconds=usual.heartbeat_seconds,
        life_seconds=usual.watch_seconds,
        stuck_seconds=usual.stuck_seconds,
    )


async def test_who_never_reads_is_bounded_and_reloads_while_others_miss_nothing(
    bus, servers, tokens, token, hubs
):
    events = [bundle(held(f"t{n}", padding=1000)) for n in range(6000)]
    async with (
        gateway(servers, tokens) as address,
        Watch(address, token, options=UNREAD) as slow,
        Watch(address, token) as quick,
    ):
        assert (await slow.next()).kind == Change.HEARTBEAT
        await quick.next()
        loading = asyncio.create_task(load(bus, events))
        seen, depth = [], 0
        for _ in events:
            seen.append((await quick.next()).id)
            (feed,) = hubs[0]._feeds.values()
            depth = max([depth, *(len(one.backlog.entries) for one in feed.watchers)])
        await loading
        assert seen == [f"t{n}" for n in range(6000)]
        assert depth <= Bounds().backlog_entries
        # What had been sent before it fell behind, then the sign, then only what is new.
        told = [await slow.next()]
        while told[-1].kind != Change.RESYNC:
            told.append(await slow.next())
        assert [one.id for one in told[:-1]] == [f"t{n}" for n in range(len(told) - 1)]
        assert len(told) < 3000
        resumed = bundle_of(Position.of(told[-1].position).number)
        rest = []
        while not rest or rest[-1].id != "t5999":
            rest.append(await slow.next())
        rest = [one for one in rest if one.kind == Change.HELD]
        assert [one.id for one in rest] == [f"t{n}" for n in range(resumed, 6000)]


async def test_who_never_reads_is_cut_off_and_resumes_without_a_gap(
    bus, servers, tokens, token, hubs
):
    events = [bundle(held(f"t{n}", padding=1000)) for n in range(3000)]
    # A backlog for all of it, so that what is missing would be seen.
    wide = {"stuck_seconds": 0.5, "backlog_entries": 10_000}
    async with gateway(servers, tokens, **wide) as address:
        async with (
            Watch(address, token, options=UNREAD) as slow,
            Watch(address, token) as quick,
        ):
            position = (await slow.next()).position
            await quick.next()
            loading = asyncio.create_task(load(bus, events))
            seen = [(await quick.next()).id for _ in events]
            await loading
            async with asyncio.timeout(20):
                while len(hubs[0]._watchers) > 1:
                    await asyncio.sleep(0.05)
            told = []
            with contextlib.suppress(grpc.aio.AioRpcError):
                while True:
                    change = await slow.next()
                    told.append(change.id)
                    position = change.position
            # What was on its way is read, and then how to go on.
            assert await slow.call.code() == grpc.StatusCode.UNAVAILABLE
            assert 0 < len(told) < len(events)
        async with Watch(address, token, resume=position) as again:
            told += [change.id for change in await again.some(len(events) - len(told))]
    assert told == seen == [f"t{n}" for n in range(3000)]


async def test_who_reads_is_given_time_when_much_comes_at_once(bus, servers, tokens, token):
    events, sent = bundles(1500)
    async with (
        gateway(servers, tokens, backlog_entries=128) as address,
        Watch(address, token) as one,
        Watch(address, token) as two,
    ):
        for watch in (one, two):
            await watch.next()
        await bus.publish(events)
        for told in await asyncio.gather(one.some(len(sent)), two.some(len(sent))):
            assert [change.id for change in told] == sent


async def test_a_burst_of_watches_is_taken_whole(bus, servers, tokens, token):
    count = 1500
    async with (
        gateway(servers, tokens) as address,
        contextlib.AsyncExitStack() as stack,
    ):
        shared = await stack.enter_async_context(Watch(address, token))
        watches = [shared]
        for _ in range(count - 1):
            watch = object.__new__(Watch)
            watch.channel = shared.channel
            watch.call = shared.channel.unary_stream(
                "/fairslot.gateway.v1.PlannerService/WatchChanges",
                response_deserializer=Change.FromString,
            )(b"", metadata=(("authorization", f"Bearer {token}"),))
            watches.append(watch)
        firsts = await asyncio.gather(*(one.next(30) for one in watches))
        assert {one.kind for one in firsts} == {Change.HEARTBEAT}
        await bus.publish([bundle(held("a"))])
        told = await asyncio.gather(*(one.next(30) for one in watches))
        assert {one.id for one in told} == {"a"}
        for one in watches:
            one.call.cancel()


async def test_one_more_than_it_takes_is_refused(bus, servers, tokens, token):
    async with (
        gateway(servers, tokens, watchers_max=1) as address,
        Watch(address, token) as first,
    ):
        await first.next()
        async with Watch(address, token) as second:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await second.next()
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        await bus.publish([bundle(held("a"))])
        assert (await first.next()).id == "a"


@contextlib.asynccontextmanager
async def process(servers, tokens, port, **more):
    """Runs the gateway as a process of its own."""
    env = dict(os.environ) | {"PYTHONPATH": os.pathsep.join(sys.path)}
    env |= settings(servers, tokens, address=f"127.0.0.1:{port}", **more)
    started = await asyncio.create_subprocess_exec(sys.executable, "-m", "gateway", env=env)
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            await asyncio.wait_for(channel.channel_ready(), 20)
        yield started
    finally:
        with contextlib.suppress(ProcessLookupError):
            started.kill()
        await started.wait()


async def fold(address, token, position, seen, until):
    """Watches for ever, resuming after every failure, until the last change was seen."""
    while not seen or seen[-1] != until:
        with contextlib.suppress(grpc.aio.AioRpcError):
            async with Watch(address, token, resume=position) as watch:
                while not seen or seen[-1] != until:
                    change = await watch.next(60)
                    assert change.kind in (Change.HELD, Change.HEARTBEAT)
                    position = change.position
                    if change.kind == Change.HELD:
                        seen.append(change.id)
        await asyncio.sleep(0.05)


async def test_a_gateway_killed_under_load_is_resumed_without_a_gap(bus, servers, tokens, token):
    port = free_port()
    address = f"127.0.0.1:{port}"
    events, sent = bundles(2000)
    # Wide enough that nobody is told to reload for being slow, which is another test's matter.
    wide = {"backlog_entries": 10_000}
    async with process(servers, tokens, port, **wide) as first:
        async with Watch(address, token) as watch:
            position = (await watch.next()).position
        folds = [[] for _ in range(4)]
        tasks = [
            asyncio.create_task(fold(address, token, position, seen, sent[-1])) for seen in folds
        ]
        loading = asyncio.create_task(load(bus, events))
        while min(map(len, folds)) < 300:
            await asyncio.sleep(0.01)
        first.kill()
        await first.wait()
    try:
        async with process(servers, tokens, port, **wide):
            async with asyncio.timeout(60):
                await asyncio.gather(loading, *tasks)
    finally:
        await stopped(tasks)
    for seen in folds:
        assert list(dict.fromkeys(seen)) == sent


async def test_a_gateway_told_to_go_says_where_everybody_stands(bus, servers, tokens, token):
    port = free_port()
    async with (
        process(servers, tokens, port) as running,
        Watch(f"127.0.0.1:{port}", token) as watch,
    ):
        await watch.next()
        await bus.publish([bundle(held("a")), bundle(held("b"))])
        await watch.some(2)
        began = time.monotonic()
        running.send_signal(signal.SIGTERM)
        last = await watch.next()
        assert (last.kind, bundle_of(Position.of(last.position).number)) == (Change.HEARTBEAT, 2)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await watch.next()
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        assert reason_of(caught.value) == "UNAVAILABLE"
        assert await asyncio.wait_for(running.wait(), 10) == 0
        assert time.monotonic() - began < 5
