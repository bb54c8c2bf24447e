"""Follows the feed and queues each change for the endpoints that want it, once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC
from itertools import islice

import nats.errors
import psycopg
from fairslot.gateway.v1 import planner_pb2
from fairslot.notify.v1 import events_pb2
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError

from kit.bus import Bus
from kit.event import Event
from kit.fault import Unavailable
from kit.logs import logger
from services.notify.domain import Change, Kind, Message, Topic
from services.notify.rules import message_of
from services.notify.senders import FEED, FEED_SUBJECTS
from services.notify.store import Outgoing, ReadTo

log = logger("notify")

AGAIN_SECONDS = 1.0
# Rounds are paced, so that what many changed is queued, and noted as read, at once.
ROUND_SECONDS = 0.2


class HookListener:
    """Reads the feed from where it was last read; what was queued twice is queued once."""

    def __init__(self, bus: Bus, outgoing: Outgoing, *, wake: Callable[[], None]) -> None:
        self._bus = bus
        self._outgoing = outgoing
        self._wake = wake

    async def run(self) -> None:
        """Follows for ever; begins again from what was noted when something breaks."""
        while True:
            try:
                await self._follow()
            except (psycopg.Error, nats.errors.Error, Unavailable, OSError) as error:
                log.warning("the feed is read again for webhooks", error=repr(error))
            await asyncio.sleep(AGAIN_SECONDS)

    async def _follow(self) -> None:
        made_at = await self._bus.made_at(FEED)
        known = await self._outgoing.read_to(FEED)
        reached = known.position if known is not None and known.made_at == made_at else 0
        async for batch in self._bus.follow(FEED, FEED_SUBJECTS, after=reached):
            if batch[0].position <= reached:
                return  # It was made anew, and is read from its beginning.
            reached = batch[-1].position
            await self._queue(batch, ReadTo(made_at, reached))
            await asyncio.sleep(ROUND_SECONDS)

    async def _queue(self, batch: Sequence[Event], read: ReadTo) -> None:
        listening = await self._outgoing.listening({event.tenant for event in batch})
        tenants = {endpoint.tenant for endpoint in listening}
        messages = [
            message for event in batch if event.tenant in tenants for message in messages_of(event)
        ]
        wanted = [
            (endpoint, message)
            for message in messages
            for endpoint in listening
            if endpoint.wants(message)
        ]
        await self._outgoing.queue(FEED, read, wanted)
        if wanted:
            self._wake()


def messages_of(event: Event) -> Iterator[Message]:
    """Yields a message for each change of an entry; one that cannot be read is logged."""
    try:
        bundle = events_pb2.ChangesPublished.FromString(event.body)
        read = [_change(change) for change in bundle.changes]
    except (DecodeError, ValueError) as error:
        log.error("an entry is left out of webhooks", position=event.position, exc_info=error)
        return
    changes = iter(read)
    for told in bundle.events:
        for index, change in enumerate(islice(changes, told.change_count)):
            yield message_of(event.tenant, told.id, index, change)


def _change(message: planner_pb2.Change) -> Change:
    return Change(
        topic=Topic(message.topic),
        kind=Kind(planner_pb2.Change.Kind.Name(message.kind)),
        id=message.id,
        version=message.version,
        payload=MessageToDict(message.payload),
        at=message.at.ToDatetime(UTC),
    )
