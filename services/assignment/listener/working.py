"""Takes work from a queue: each entry goes to one worker, and comes again later if it fails."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager

import nats.errors
import nats.js.errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext, api

from kit.bus import Bus
from kit.event import Event
from kit.logs import logger
from kit.stopping import stopped

log = logger("work")

# An entry whose worker says nothing for so long is given to another.
ACK_SECONDS = 30.0
WAITING_MAX = 1_000
FETCH_SECONDS = 5.0
BACKOFF_SECONDS_MIN = 0.1
BACKOFF_SECONDS_MAX = 10.0

# Does the work of an entry that is tried for the n-th time, from 1; an error has it tried again.
Handle = Callable[[Event, int], Awaitable[None]]


def backoff_seconds(tries: int, rng: random.Random) -> float:
    """Returns how long to wait after the n-th failure: twice as long each time, spread by half."""
    seconds = min(BACKOFF_SECONDS_MAX, BACKOFF_SECONDS_MIN * 2.0 ** (tries - 1))
    return seconds * rng.uniform(0.5, 1.5)


async def work(
    bus: Bus,
    stream: str,
    subject: str,
    *,
    durable: str,
    workers: int,
    handle: Handle,
    rng: random.Random,
) -> None:
    """Works for ever, `workers` entries at a time; every process with this durable takes a share.

    An entry comes at least once. It is done with when `handle` returns; when it raises, it comes
    again after a pause that grows.
    """
    tries = 0
    while True:
        began = time.monotonic()
        try:
            async with _queue(bus, stream, subject, durable) as queue:
                await _together(_worker(queue, handle, rng) for _ in range(workers))
        except (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError) as error:
            # What went well for a while begins anew.
            tries = 1 if time.monotonic() - began > BACKOFF_SECONDS_MAX else tries + 1
            log.warning("the work is taken up again", stream=stream, error=repr(error))
        await asyncio.sleep(backoff_seconds(min(tries, 8), rng))


async def _together(workers: Iterable[Coroutine[None, None, None]]) -> None:
    """Lets workers work until one of them cannot go on; raises what stopped it.

    A task group would not do: it cancels once, and a cancellation may be lost (`kit.stopping`).
    """
    tasks = [asyncio.create_task(worker) for worker in workers]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await stopped(tasks)
    for task in tasks:
        if not task.cancelled():
            task.result()


@asynccontextmanager
async def _queue(
    bus: Bus, stream: str, subject: str, durable: str
) -> AsyncIterator[JetStreamContext.PullSubscription]:
    """Subscribes to the queue: each entry goes to one process of all that share `durable`."""
    subscription = await bus.jetstream.pull_subscribe(
        subject,
        durable=durable,
        stream=stream,
        config=api.ConsumerConfig(
            ack_policy=api.AckPolicy.EXPLICIT,
            ack_wait=ACK_SECONDS,
            max_ack_pending=WAITING_MAX,
            max_deliver=-1,
        ),
    )
    try:
        yield subscription
    finally:
        with contextlib.suppress(nats.errors.Error):
            await subscription.unsubscribe()


async def _worker(
    queue: JetStreamContext.PullSubscription, handle: Handle, rng: random.Random
) -> None:
    while True:
        try:
            [message] = await queue.fetch(1, timeout=FETCH_SECONDS)
        except nats.errors.TimeoutError:
            continue
        tries = message.metadata.num_delivered
        position = message.metadata.sequence.stream
        event = Event(message.subject, message.data, message.headers or {}, position)
        try:
            await _kept(message, handle(event, tries))
        except Exception as error:
            pause = backoff_seconds(tries, rng)
            log.warning("work comes again", subject=message.subject, tries=tries, error=repr(error))
            await message.nak(delay=pause)
        else:
            await message.ack()


async def _kept(message: Msg, work_of_it: Awaitable[None]) -> None:
    """Says now and then that the entry is being worked on, so that nobody else is given it."""
    task = asyncio.ensure_future(work_of_it)
    try:
        while not (await asyncio.wait([task], timeout=ACK_SECONDS / 3))[0]:
            await message.in_progress()
        task.result()
    finally:
        task.cancel()
