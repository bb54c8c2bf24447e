"""Tasks end for certain, however often a cancellation is lost, and whoever else is stopped."""

import asyncio

from kit.stopping import AGAIN_SECONDS, stopped


async def stubborn(lost: int) -> None:
    """Goes on for ever, after losing so many cancellations."""
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            if not lost:
                raise
            lost -= 1


async def started(*works) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(work) for work in works]
    await asyncio.sleep(0)
    return tasks


async def test_who_loses_cancellations_is_cancelled_again():
    tasks = await started(stubborn(0), stubborn(2))
    async with asyncio.timeout(20 * AGAIN_SECONDS):
        await stopped(tasks)
    assert all(task.cancelled() for task in tasks)


async def test_who_is_stopped_while_stopping_others_ends_after_them():
    inner = await started(stubborn(3))

    async def stopping() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await stopped(inner)

    outer = await started(stopping())
    async with asyncio.timeout(20 * AGAIN_SECONDS):
        await stopped(outer)
    assert [task.cancelled() for task in (*outer, *inner)] == [True, True]
