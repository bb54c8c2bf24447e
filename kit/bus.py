"""NATS JetStream: publish with acknowledgement, follow a stream in order from a position."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager

import nats
import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.js import JetStreamContext, api

from kit.event import Event
from kit.following import BATCH_MAX, follow
from kit.logs import logger

log = logger("bus")

MESSAGE_ID = "Nats-Msg-Id"
DUPLICATE_WINDOW_SECONDS = 600
STREAM_AGE_SECONDS_MAX = 7 * 24 * 3600
STREAM_BYTES_MAX = 1024**3
MESSAGE_BYTES_MAX = 512 * 1024
PUBLISH_SECONDS = 5.0


class Bus:
    """A connection to NATS with what its users share; what one alone needs it does by `client` and
    `jetstream`.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self.jetstream: JetStreamContext = client.jetstream(timeout=PUBLISH_SECONDS)

    async def ensure_stream(
        self,
        name: str,
        subjects: Sequence[str],
        *,
        replicas: int = 1,
        bytes_max: int = STREAM_BYTES_MAX,
        drop_old: bool = False,
        whole: bool = False,
    ) -> None:
        """Creates the stream or brings it to these settings.

        A full stream refuses, unless it may drop what is old. `whole` lets it take several events
        as one.
        """
        config = api.StreamConfig(
            name=name,
            subjects=list(subjects),
            storage=api.StorageType.FILE,
            discard=api.DiscardPolicy.OLD if drop_old else api.DiscardPolicy.NEW,
            max_age=STREAM_AGE_SECONDS_MAX,
            max_bytes=bytes_max,
            max_msg_size=MESSAGE_BYTES_MAX,
            duplicate_window=DUPLICATE_WINDOW_SECONDS,
            num_replicas=replicas,
            allow_atomic=whole or None,
        )
        try:
            await self.jetstream.add_stream(config)
        except nats.js.errors.BadRequestError:
            await self.jetstream.update_stream(config)

    async def bounds(self, stream: str) -> tuple[int, int]:
        """Returns the first and last position of a stream; last is first - 1 where it is empty."""
        state = (await self.jetstream.stream_info(stream)).state
        return state.first_seq, state.last_seq

    async def made_at(self, stream: str) -> str:
        """Returns when the stream was made; it changes when it is deleted and made anew."""
        return str((await self.jetstream.stream_info(stream)).created)

    async def last(self, stream: str, subject: str = "") -> Event | None:
        """Returns the newest entry of a stream, or of one subject in it, if it has one."""
        first, last = await self.bounds(stream)
        if last < first or last == 0:
            return None
        with contextlib.suppress(nats.js.errors.NotFoundError):
            if subject:
                raw = await self.jetstream.get_last_msg(stream, subject)
            else:
                raw = await self.jetstream.get_msg(stream, last)
            return Event(raw.subject or "", raw.data or b"", raw.headers or {}, raw.seq or 0)
        return None

    async def publish(self, events: Sequence[Event]) -> list[int | None]:
        """Publishes in this order, pipelined; returns each one's position, or None where it was not
        taken.
        """
        waiting: list[asyncio.Future[api.PubAck]] = []
        for event in events:
            waiting.append(
                await self.jetstream.publish_async(
                    event.subject, event.body, headers=dict(event.headers) or None
                )
            )
        if not waiting:
            return []
        _, late = await asyncio.wait(waiting, timeout=PUBLISH_SECONDS)
        for future in late:
            future.cancel()
        refusals = [
            error for one in waiting if one not in late and (error := one.exception()) is not None
        ]
        if late or refusals:
            log.warning(
                "events were not taken",
                late=len(late),
                refused=len(refusals),
                error=repr(refusals[0]) if refusals else "",
            )
        return [
            None if one in late or one.exception() is not None else one.result().seq
            for one in waiting
        ]

    def follow(
        self, stream: str, subjects: Sequence[str], *, after: int, batch_max: int = BATCH_MAX
    ) -> AsyncIterator[list[Event]]:
        """Yields what the stream has after a position, then what comes, in order, for ever."""
        return follow(self.client, stream, subjects, after=after, batch_max=batch_max)

    async def tell(self, subject: str, body: bytes) -> None:
        """Publishes to whoever listens now; kept nowhere, and nobody acknowledges it."""
        await self.client.publish(subject, body)

    async def heard(self, subject: str) -> AsyncGenerator[tuple[str, bytes], None]:
        """Yields subject and body of what is told from now on."""
        subscription = await self.client.subscribe(subject)
        async for message in subscription.messages:
            yield message.subject, message.data

    async def ready(self) -> None:
        """Passes if NATS answers: a health check."""
        await self.client.flush(timeout=1)


@asynccontextmanager
async def open_bus(url: str, *, name: str) -> AsyncIterator[Bus]:
    """Connects, reconnects for ever, and closes with the block."""
    over = False

    async def on_error(error: Exception) -> None:
        log.warning("nats", error=repr(error))
        if over:
            # Its cancellation was lost (kit.stopping says how): it would reconnect for ever.
            raise asyncio.CancelledError

    client = await nats.connect(
        servers=url.split(","),
        name=name,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.1,
        connect_timeout=5,
        error_cb=on_error,
    )
    try:
        yield Bus(client)
    finally:
        with contextlib.suppress(Exception):
            await client.close()
        over = True
