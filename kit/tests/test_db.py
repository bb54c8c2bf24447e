"""Sessions of PostgreSQL are given back or closed, whoever is cancelled while using them."""

from __future__ import annotations

import asyncio

import pytest

from kit.db import borrowed, open_pool, open_session


@pytest.mark.parametrize("statement", ["SELECT pg_sleep(30)", ""], ids=["at work", "idle"])
async def test_a_session_is_closed_by_whoever_is_cancelled_again_and_again(servers, statement):
    kept = []

    async def use() -> None:
        async with open_session(servers.database_url, application="test") as session:
            kept.append(session)
            if statement:
                await session.execute(statement)
            await asyncio.sleep(30)

    using = asyncio.create_task(use())
    while not kept or kept[0].lock.locked() != bool(statement):
        await asyncio.sleep(0.01)
    while not using.done():
        using.cancel()
        await asyncio.sleep(0)
    assert using.cancelled()
    assert kept[0].closed


async def test_a_pool_keeps_its_place_if_whoever_gives_it_back_is_cancelled(servers):
    async with open_pool(servers.database_url, size=1, application="test") as pool:
        held, done = asyncio.Event(), asyncio.Event()

        async def use() -> None:
            async with borrowed(pool):
                held.set()
                await done.wait()

        using = asyncio.create_task(use())
        await held.wait()
        # As if the pool were serving somebody else just now.
        async with pool._lock:
            done.set()
            await asyncio.sleep(0.01)
            using.cancel()
            await asyncio.wait([using])
        assert using.cancelled()
        async with asyncio.timeout(10), borrowed(pool) as again:
            assert not again.closed
