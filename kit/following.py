"""Follows a JetStream stream in order and without a gap, whatever happens to its consumer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import api

from kit.event import Event
from kit.logs import logger

log = logger("following")

HEARTBEAT_SECONDS = 2.0
REQUEST_SECONDS = 5.0
BATCH_MAX = 256
BACKOFF_SECONDS_MAX = 2.0


async def follow(
    client: Client, stream: str, subjects: Sequence[str], *, after: int, batch_max: int
) -> AsyncIterator[list[Event]]:
    """Yields what the stream has after a position, then what comes, in order and without a
    gap, for ever.

    Batches are what had arrived, at most `batch_max`. Where the stream no longer reaches back
    that far, it begins at its first entry; where it was made anew (it ends before `after`),
    at its beginning.
    """
    js = client.jetstream(timeout=REQUEST_SECONDS)
    position, backoff = after, 0.05
    made = None
    while True:
        try:
            info = await js.stream_info(stream)
            # Made anew, a stream counts from its beginning, however far it has come by now.
            anew = made is not None and info.created != made
            position = 0 if anew or position > info.state.last_seq else position
            made = info.created
            async for batch in _read(client, stream, subjects, position, batch_max):
                backoff = 0.05
                if batch:
                    yield batch
                    position = batch[-1].position
        except (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError) as error:
            log.warning("reading again", stream=stream, after=position, error=repr(error))
        await asyncio.sleep(backoff)
        backoff = min(backoff * 2, BACKOFF_SECONDS_MAX)


async def _read(
    client: Client, stream: str, subjects: Sequence[str], after: int, batch_max: int
) -> AsyncIterator[list[Event]]:
    """Reads by one consumer of its own; ends when an entry or the heartbeat is missing."""
    js, inbox = client.jetstream(timeout=REQUEST_SECONDS), client.new_inbox()
    # Read through a queue of our own: the client's next_msg() makes a task for every message.
    arrived: asyncio.Queue[Msg] = asyncio.Queue()

    async def take(message: Msg) -> None:
        # More is let come while there is room for it, so that who pauses finds what came meanwhile.
        if arrived.qsize() < batch_max and not _is_entry(message):
            await _let_come(client, message)
        arrived.put_nowait(message)

    subscription = await client.subscribe(
        inbox, cb=take, pending_msgs_limit=-1, pending_bytes_limit=-1
    )
    consumer = None
    try:
        consumer = await js.add_consumer(
            stream,
            api.ConsumerConfig(
                deliver_subject=inbox,
                deliver_policy=api.DeliverPolicy.BY_START_SEQUENCE,
                opt_start_seq=after + 1,
                ack_policy=api.AckPolicy.NONE,
                filter_subjects=list(subjects),
                flow_control=True,
                idle_heartbeat=HEARTBEAT_SECONDS,
                inactive_threshold=30.0,
                max_deliver=1,
                mem_storage=True,
                num_replicas=1,
            ),
        )
        expected = 1
        while True:
            async with asyncio.timeout(3 * HEARTBEAT_SECONDS):
                message = await arrived.get()
            batch: list[Event] = []
            while True:
                if _is_entry(message):
                    position, number = _numbers(message)
                    if number != expected:
                        raise nats.errors.Error("an entry is missing")
                    expected += 1
                    batch.append(_event(message, position))
                else:
                    await _let_come(client, message)
                    last = (message.headers or {}).get("Nats-Last-Consumer")
                    if last is not None and int(last) >= expected:
                        raise nats.errors.Error("an entry is missing")
                if len(batch) >= batch_max or arrived.empty():
                    break
                message = arrived.get_nowait()
            yield batch
    finally:
        with contextlib.suppress(Exception):
            await subscription.unsubscribe()
            if consumer is not None:
                await js.delete_consumer(stream, consumer.name)


def _is_entry(message: Msg) -> bool:
    return message.reply.startswith("$JS.ACK.")


async def _let_come(client: Client, message: Msg) -> None:
    """Answers where flow control asks, once."""
    stalled = (message.headers or {}).pop("Nats-Consumer-Stalled", "")
    for reply in filter(None, (message.reply, stalled)):
        await client.publish(reply)
    message.reply = ""


def _numbers(message: Msg) -> tuple[int, int]:
    """Returns an entry's position in the stream and its number within the consumer."""
    parts = message.reply.split(".")
    # $JS.ACK.<stream>.<consumer>.<deliveries>.<position>.<number>.<time>.<pending>, longer with a
    # domain.
    offset = 0 if len(parts) == 9 else 2
    return int(parts[5 + offset]), int(parts[6 + offset])


def _event(message: Msg, position: int) -> Event:
    return Event(message.subject, message.data, message.headers or {}, position)
