"""Writes changes to the feed: entries of one tenant each, which say how far sources were read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from fairslot.gateway.v1 import planner_pb2
from fairslot.notify.v1 import events_pb2

from kit.bus import MESSAGE_ID, Bus
from kit.event import Event
from services.notify.domain import Change
from services.notify.senders.whole import publish_together

FEED = "FEED"
FEED_SUBJECTS = ("fairslot.notify.v1.>",)
SUBJECT = "fairslot.notify.v1.ChangesPublished"
# How far each source was read when the entry was written, all that was written with it included,
# as JSON.
READ = "Fairslot-Read"
# What one entry holds at most; NATS takes no more than 1 MiB.
EVENTS_MAX = 64
BYTES_MAX = 128 * 1024


class FeedSender:
    """The only writer of the feed.

    Progress is kept in the feed itself: entries and the note of how far was read are one write,
    taken whole or not at all and only where the feed still ends as this writer knows it. So a crash
    loses and repeats nothing, and of two writers one is refused and starts over from what the other
    wrote.
    """

    def __init__(self, bus: Bus, *, replicas: int = 1) -> None:
        self._bus = bus
        self._replicas = replicas
        self._last = 0
        self._read: dict[str, int] = {}

    async def resume(self) -> Mapping[str, int]:
        """Makes the feed if it is missing; returns how far each source was read."""
        await self._bus.ensure_stream(
            FEED, FEED_SUBJECTS, replicas=self._replicas, drop_old=True, whole=True
        )
        _, self._last = await self._bus.bounds(FEED)
        newest = await self._bus.last(FEED)
        self._read = {}
        if newest is not None:
            # Where it ended and what it says must belong together.
            self._last = newest.position
            self._read = json.loads(newest.headers.get(READ, "{}"))
        return dict(self._read)

    async def publish(self, source: str, entries: Sequence[tuple[Event, Sequence[Change]]]) -> None:
        """Writes what events of one source mean, each tenant's in order; raises Lost if it was not
        taken.
        """
        if not entries:
            return
        self._read[source] = entries[-1][0].position
        headers = {READ: json.dumps(self._read, separators=(",", ":"))}
        tenants: dict[str, list[tuple[Event, Sequence[Change]]]] = {}
        for event, changes in entries:
            tenants.setdefault(event.tenant, []).append((event, changes))
        outgoing = [
            Event(f"{SUBJECT}.{tenant}", bundle.SerializeToString(), headers)
            for tenant, told in tenants.items()
            for bundle in bundled(told)
        ]
        self._last = await publish_together(self._bus.client, outgoing, after=self._last)


def bundled(
    entries: Sequence[tuple[Event, Sequence[Change]]],
) -> Iterator[events_pb2.ChangesPublished]:
    """Yields what events of one tenant mean, as few messages as may be."""
    bundle = events_pb2.ChangesPublished()
    for event, changes in entries:
        if len(bundle.events) == EVENTS_MAX or bundle.ByteSize() > BYTES_MAX:
            yield bundle
            bundle = events_pb2.ChangesPublished()
        bundle.events.add(id=event.headers.get(MESSAGE_ID, ""), change_count=len(changes))
        for change in changes:
            message = bundle.changes.add(
                topic=change.topic,
                kind=planner_pb2.Change.Kind.Value(change.kind),
                id=change.id,
                version=change.version,
            )
            message.payload.update(change.payload)
            message.at.FromDatetime(change.at)
    yield bundle
