"""Changes that are told at once come in one message to whoever takes them together."""

import asyncio
import random

from gateway.tests.feeds import Watch, bundle, gateway, held
from gateway.tests.test_watch import bundles, load


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
