"""Takes messages to their endpoints: what is due now, so many at once, each settled on its own."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Protocol

import psycopg

from kit.fault import Unavailable
from kit.logs import logger
from kit.stopping import stopped
from services.notify.domain import Answer, Due
from services.notify.rules import outcome_of, wait_after
from services.notify.store import Outgoing

log = logger("notify")

# On the way at once from one process: all, and to one endpoint.
SENDING_MAX = 64
SENDING_PER_ENDPOINT_MAX = 8
LOOK_SECONDS = 0.5
FORGET_SECONDS = 3600.0


class Sender(Protocol):
    """What posts one delivery."""

    async def send(self, due: Due) -> Answer:
        """Posts it; what goes wrong is an answer too."""
        ...


class Courier:
    """Sends what is due for as long as the service runs."""

    def __init__(self, outgoing: Outgoing, sender: Sender, *, chance: random.Random) -> None:
        self._outgoing = outgoing
        self._sender = sender
        self._chance = chance
        self._woken = asyncio.Event()
        self._on_the_way: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """Something new is due."""
        self._woken.set()

    async def run(self) -> None:
        """Sends for ever; a database that is away is tried again."""
        try:
            while True:
                self._woken.clear()
                try:
                    await self._take()
                except (psycopg.Error, Unavailable, OSError) as error:
                    log.warning("deliveries are taken on again", error=repr(error))
                try:
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._woken.wait()
                except TimeoutError:
                    continue
        finally:
            await stopped(self._tasks)

    async def _take(self) -> None:
        free = SENDING_MAX - len(self._tasks)
        if free <= 0:
            return
        busy = [
            name for name, count in self._on_the_way.items() if count >= SENDING_PER_ENDPOINT_MAX
        ]
        taken = await self._outgoing.take(limit=free, busy=busy)
        for due in taken:
            self._on_the_way[_name(due)] += 1
            task = asyncio.create_task(self._deliver(due))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if taken:
            self._woken.set()

    async def _deliver(self, due: Due) -> None:
        try:
            answer = await self._sender.send(due)
            wait = wait_after(
                due.round_attempt,
                spread=self._chance.random(),
                retry_after=answer.retry_after,
            )
            state, gone = outcome_of(answer, wait)
            await self._outgoing.settle(due, answer, state, wait=wait, gone=gone)
        except (psycopg.Error, Unavailable, OSError) as error:
            # Its lease runs out and it is sent again, with the same id.
            log.warning("a delivery is not settled", delivery=due.id, error=repr(error))
        finally:
            self._on_the_way[_name(due)] -= 1
            self._on_the_way += Counter()
            self._woken.set()

    async def forget(self) -> None:
        """Deletes what is old, every hour."""
        while True:
            try:
                await self._outgoing.forget()
            except (psycopg.Error, Unavailable, OSError) as error:
                log.warning("old deliveries were not forgotten", error=repr(error))
            await asyncio.sleep(FORGET_SECONDS)


def _name(due: Due) -> str:
    return f"{due.tenant}/{due.endpoint_id}"
