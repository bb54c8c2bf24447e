"""Reads the feed that notify keeps, and makes its changes ready to be sent to any number of
watchers.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import cast

import nats.errors
from fairslot.gateway.v1 import planner_pb2
from fairslot.notify.v1 import events_pb2
from google.protobuf.message import DecodeError

from gateway.domain import Entry, Position, bundle_of, end_of, number_of
from kit.bus import Bus
from kit.event import Event
from kit.fault import Unavailable
from kit.logs import logger

log = logger("gateway")

FEED = "FEED"
SUBJECT = "fairslot.notify.v1.ChangesPublished"
# The tag of Change.position on the wire: field 5, length-delimited.
POSITION_TAG = bytes([planner_pb2.Change.POSITION_FIELD_NUMBER << 3 | 2])


class FeedPeer:
    """The feed as a source of entries."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def reach(self) -> tuple[str, int, int]:
        """Returns the feed's epoch and the first and last number it still has."""
        async with _reading():
            first, last = await self._bus.bounds(FEED)
            return await self._epoch(), number_of(first, 0), end_of(last)

    async def newest(self, tenant: str) -> int:
        """Returns the number of the tenant's newest entry, or the one before all numbers."""
        async with _reading():
            event = await self._bus.last(FEED, f"{SUBJECT}.{tenant}")
            return end_of(event.position if event else 0)

    async def ready(self) -> None:
        """Passes if the feed can be read: a health check."""
        await self._bus.bounds(FEED)

    async def follow(
        self, tenant: str, *, after: Position
    ) -> AsyncGenerator[Sequence[Entry], None]:
        """Yields the tenant's entries after a position, in order; ends where the feed was lost."""
        # What was told of the bundle in which it stands is passed by.
        reached = bundle_of(after.number + 1) - 1
        following = self._bus.follow(FEED, [f"{SUBJECT}.{tenant}"], after=reached)
        async with aclosing(cast(AsyncGenerator[list[Event], None], following)) as batches:
            async for batch in batches:
                if batch[0].position <= reached:
                    return  # Numbers begin again: it was made anew.
                reached = batch[-1].position
                entries = [
                    entry
                    for event in batch
                    for entry in entries_of(event, after.epoch)
                    if entry.number > after.number
                ]
                if entries:
                    yield entries

    async def _epoch(self) -> str:
        made_at = await self._bus.made_at(FEED)
        return hashlib.sha256(made_at.encode()).hexdigest()[:8]


@asynccontextmanager
async def _reading() -> AsyncGenerator[None, None]:
    try:
        yield
    except (nats.errors.Error, TimeoutError) as error:
        raise Unavailable(
            "UNAVAILABLE", "the feed cannot be read", retry_after_seconds=1
        ) from error


def entries_of(event: Event, epoch: str) -> Iterator[Entry]:
    """Yields the changes of one bundle, each as the bytes that every watcher is sent."""
    try:
        changes = events_pb2.ChangesPublished.FromString(event.body).changes
    except DecodeError as error:
        log.error("a bundle cannot be read", position=event.position, exc_info=error)
        return
    for index, change in enumerate(changes):
        last = index == len(changes) - 1
        number = end_of(event.position) if last else number_of(event.position, index)
        token = str(Position(epoch, number)).encode()
        yield Entry(
            epoch=epoch,
            number=number,
            topic=change.topic,
            key=_key(change),
            version=change.version,
            body=change.SerializeToString() + POSITION_TAG + bytes([len(token)]) + token,
        )


def _key(change: planner_pb2.Change) -> str:
    """Returns which thing it is about; in the catalog things of several sorts may share an id."""
    sort = change.payload.fields["type"].string_value if change.topic == "catalog" else ""
    return f"{change.topic}/{sort}/{change.id}"
