"""Workers of a queue: when one cannot go on, all are given the work anew."""

import asyncio
import random

from kit.stopping import stopped
from services.assignment.listener.working import work

WORKERS = 4


class Stubborn:
    """A queue where the first to ask meets an error, and all others lose a cancellation."""

    def __init__(self) -> None:
        self.jetstream = self
        self.subscribed: list[int] = []
        self.waiting = 0

    async def pull_subscribe(self, *_asked, **_more):
        # As many as wait are left over from before.
        self.subscribed.append(self.waiting)
        self.asked = 0
        return self

    async def unsubscribe(self) -> None:
        pass

    async def fetch(self, _count: int, *, timeout: float):
        self.asked += 1
        if self.asked == 1:
            await asyncio.sleep(0.01)
            raise OSError("the connection is gone")
        self.waiting += 1
        try:
            try:
                await asyncio.sleep(timeout)
            except asyncio.CancelledError:
                await asyncio.sleep(timeout)
        finally:
            self.waiting -= 1


async def test_the_work_is_taken_up_again_by_all_though_cancellations_are_lost():
    bus = Stubborn()
    working = asyncio.create_task(
        work(
            bus,
            "S",
            "S.>",
            durable="workers",
            workers=WORKERS,
            handle=lambda event, tries: asyncio.sleep(0),
            rng=random.Random(1),
        )
    )
    async with asyncio.timeout(10):
        while len(bus.subscribed) < 3:
            await asyncio.sleep(0.01)
        await stopped([working])
    assert bus.subscribed == [0, 0, 0]
    assert bus.waiting == 0
