"""Changes that are told at once come in one message to whoever takes them together."""

import asyncio
import random

import pytest

from gateway.domain import Mark, Sign
from gateway.engine import Bounds, Hub
from gateway.peers import FeedPeer
from gateway.tests.feeds import Watch, bundle, gateway, held
from gateway.tests.test_watch import bundles, load
from kit.fault import Unavailable
from kit.stopping import stopped


async def test_what_is_told_at_once_comes_together_where_it_may(bus, servers, tokens, token):
    chance = random.Random(8)
    events, sent = bundles(2500)
    async with (
        gateway(servers, tokens) as address,
        Watch(address, token) as plain,
        Watch(address, token, together=True) as watch,
    ):
        position = (await plain.next()).position
        await watch.next()
        await bus.publish(events[:25])
        first = await watch.next()
        assert len(first.more) > 1
        alone = await plain.some(1 + len(first.more))
        assert all(not change.more for change in alone)
        whole = [first, *first.more]
        assert [change.position for change in whole] == [change.position for change in alone]
        # Of lengths that take two and three bytes to say.
        await bus.publish([bundle(held("long", padding=300), held("longer", padding=70_000))])
        while whole[-1].id != "longer":
            change = await watch.next()
            whole += [change, *change.more]
        assert len(whole[-1].payload["text"]) == 70_000
        # Resumed after any change, also one that came with others, as plain watches are.
        loading = asyncio.create_task(load(bus, events[25:]))
        seen: list[str] = []
        messages = 0
        while seen[-1:] != sent[-1:]:
            async with Watch(address, token, resume=position, together=True) as again:
                assert (await again.next()).position == position
                for _ in range(chance.randrange(1, 60)):
                    change = await again.next()
                    messages += 1
                    told = [change, *change.more]
                    kept = told[: chance.randrange(1, 1 + len(told))]
                    seen += [one.id for one in kept if not one.id.startswith("long")]
                    position = kept[-1].position
                    if len(kept) < len(told) or kept[-1].id == sent[-1]:
                        break
        await loading
    assert seen == sent
    assert messages < len(sent)


async def test_whoever_takes_changes_together_sees_the_topics_it_asked_for(
    bus, servers, tokens, token
):
    async with (
        gateway(servers, tokens) as address,
        Watch(address, token, topics=["requests"], together=True) as watch,
    ):
        await watch.next()
        await bus.publish(
            [bundle(held("a"), held("q", topic="requests"), held("r", topic="requests"))]
        )
        change = await watch.next()
        assert [change.id, *(one.id for one in change.more)] == ["q", "r"]


async def test_what_memory_no_longer_has_comes_together_too_and_of_its_topics_alone(
    bus, servers, tokens, token
):
    async with gateway(servers, tokens) as address, Watch(address, token) as plain:
        start = (await plain.next()).position
        old = [held(f"h{n}", topic=("requests", "holds")[n % 20 > 0]) for n in range(1_200)]
        await bus.publish([bundle(*old[n : n + 20]) for n in range(0, 1_200, 20)])
        await plain.some(1_200)
        wanted = [change.id for change in old if change.topic == "requests"]
        async with Watch(address, token, topics=["requests"], resume=start, together=True) as watch:
            await watch.next()
            seen: list[str] = []
            messages = 0
            while len(seen) < len(wanted):
                change = await watch.next()
                seen += [change.id, *(one.id for one in change.more)]
                messages += 1
        assert seen == wanted
        assert messages < len(wanted)


async def test_what_comes_together_is_never_too_large_for_a_message(bus, servers, tokens, token):
    # Twice what a client takes in one message, unless it says otherwise.
    large = [bundle(held(f"l{n}", padding=400_000)) for n in range(20)]
    async with gateway(servers, tokens) as address, Watch(address, token) as plain:
        start = (await plain.next()).position
        await bus.publish(large)
        await plain.some(20)
        async with Watch(address, token, resume=start, together=True) as watch:
            await watch.next()
            seen: list[str] = []
            while len(seen) < 20:
                change = await watch.next()
                seen += [change.id, *(one.id for one in change.more)]
        assert seen == [f"l{n}" for n in range(20)]


async def test_a_watch_that_ends_with_more_to_tell_says_how_far_it_came(bus):
    hub = Hub(FeedPeer(bus), Bounds(), chance=random.Random(8))
    running = asyncio.create_task(hub.run())
    watch = hub.watch(tenant="acme", topics=frozenset(), token="", together=True)
    await anext(watch)
    await bus.publish([bundle(held("a"), held("b"))])
    told = await anext(watch)
    assert isinstance(told, tuple)
    assert len(told) == 2
    await bus.publish([bundle(held("c"))])
    (watcher,) = hub._watchers
    while not watcher.backlog:
        await asyncio.sleep(0.01)
    await hub.leave()
    assert await anext(watch) == Mark(Sign.HEARTBEAT, told[-1].position)
    with pytest.raises(Unavailable):
        await anext(watch)
    await stopped([running])
