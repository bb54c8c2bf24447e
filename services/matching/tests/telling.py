"""Reads what every owner tells of one tenant by one reader: decisions, assignments, conflicts."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from fairslot.matching.v1 import events_pb2
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message

from kit.bus import Bus
from kit.event import Event
from kit.stopping import stopped

DECIDED = events_pb2.DecisionMade.DESCRIPTOR.full_name
# By these every event says what it is about.
NAMES = {"assignment_id", "booking_request_id"}
# A machine with much to do is waited for.
SECONDS = 60.0


def said(event: Event) -> Message:
    """Returns what an event says; its type alone tells how to read it."""
    kind = descriptor_pool.Default().FindMessageTypeByName(event.type)
    return message_factory.GetMessageClass(kind).FromString(event.body)


def names_in(message: Message) -> set[str]:
    """Returns the assignments and booking requests that a message speaks of."""
    found = set()
    for field, value in message.ListFields():
        if field.message_type:
            for one in value if field.is_repeated else [value]:
                found |= names_in(one)
        elif field.name in NAMES:
            found.add(value)
    return found


class Told:
    """All that was told until now."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def of(self, *names: str) -> list[Event]:
        """Returns what was told of some assignments and booking requests, as it happened."""
        about = [
            event
            for event in self.events
            if not {event.aggregate, *names_in(said(event))}.isdisjoint(names)
        ]
        return sorted(about, key=lambda event: event.at)

    def decisions(self) -> list[events_pb2.DecisionMade]:
        """Returns what was decided, as it was told."""
        return [said(event) for event in self.events if event.type == DECIDED]

    async def until(self, holds: Callable[[], object]) -> None:
        """Waits for what is still to be told."""
        async with asyncio.timeout(SECONDS):
            while not holds():
                await asyncio.sleep(0.02)


@asynccontextmanager
async def listening(bus: Bus, tenant: str, owners: Sequence[str]) -> AsyncIterator[Told]:
    """Reads the streams of these owners from their beginning, for as long as the block runs."""
    told = Told()

    async def read(owner: str) -> None:
        subjects = (f"fairslot.{owner}.v1.*.{tenant}",)
        async for batch in bus.follow(owner.upper(), subjects, after=0):
            told.events.extend(batch)

    tasks = [asyncio.create_task(read(owner)) for owner in owners]
    try:
        yield told
    finally:
        await stopped(tasks)
