"""A question that many ask at once is asked once."""

from __future__ import annotations

import asyncio

import pytest

from services.assignment.engine.sharing import Shared


async def test_many_at_once_are_one_and_the_next_asks_anew():
    shared, asked = Shared(), []

    async def work() -> int:
        asked.append(1)
        number = len(asked)
        await asyncio.sleep(0.01)
        return number

    assert await asyncio.gather(*(shared.ask("q", work) for _ in range(20))) == [1] * 20
    assert await asyncio.gather(shared.ask("q", work), shared.ask("other", work)) == [2, 3]


async def test_one_who_gives_up_does_not_end_it_for_the_others():
    shared = Shared()

    async def work() -> str:
        await asyncio.sleep(0.02)
        return "answer"

    first = asyncio.create_task(shared.ask("q", work))
    second = asyncio.create_task(shared.ask("q", work))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == "answer"
    assert first.cancelled() or first.cancelling()


async def test_a_failure_is_its_askers_and_the_others_ask_themselves():
    shared, asked = Shared(), []

    async def work() -> str:
        asked.append(1)
        first = len(asked) == 1
        await asyncio.sleep(0.005)
        if first:
            raise ValueError("no time")
        return "yes"

    found = await asyncio.gather(*(shared.ask("q", work) for _ in range(3)), return_exceptions=True)
    assert [str(one) for one in found] == ["no time", "yes", "yes"]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await shared.ask("q", work)
    assert await shared.ask("q", work) == "yes"
