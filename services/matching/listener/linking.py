"""Links what the ledger committed to the rankings that led there, and notes who serves whom: one
process does it.
"""

import asyncio
from datetime import UTC, datetime, timedelta

import nats.errors
import nats.js.errors
import psycopg
from fairslot.assignment.v1 import events_pb2
from google.protobuf.message import DecodeError

from kit.bus import Bus
from kit.clock import Clock
from kit.db import Connection
from kit.event import Event
from kit.fault import Fault
from kit.logs import logger
from services.matching.domain import floor_minute
from services.matching.engine.decisions import place
from services.matching.store import Commit, Position, Records, Service

log = logger("matching")

LEDGER_STREAM, LEDGER_SUBJECTS = "ASSIGNMENT", ("fairslot.assignment.v1.AllocationChanged.>",)
CHANGED = events_pb2.AllocationChanged
# Rankings are stored a moment after they were answered; commits are looked at later than that.
SETTLED = timedelta(seconds=1.0)
# So many are linked by one transaction: more than a busy ledger tells within that moment.
EVENTS_MAX = 4_096
LEAD_POLL_SECONDS = 0.5
BACKOFF_SECONDS = 0.2


class Linker:
    """Reads the ledger's stream. Its position moves with what it links, or not at all."""

    def __init__(self, bus: Bus, records: Records, clock: Clock) -> None:
        """Takes where events come from, where links go, and the time."""
        self._bus = bus
        self._records = records
        self._clock = clock

    async def run(self) -> None:
        """Links for ever; after a failure it takes the lead and the position anew."""
        while True:
            try:
                async with self._records.lead() as connection:
                    if connection is None:
                        await asyncio.sleep(LEAD_POLL_SECONDS)
                        continue
                    await self._link(connection)
            except (
                psycopg.Error,
                nats.errors.Error,
                nats.js.errors.Error,
                Fault,
                TimeoutError,
                OSError,
            ) as error:
                log.warning("linking starts again", error=repr(error))
            await asyncio.sleep(BACKOFF_SECONDS)

    async def _link(self, connection: Connection) -> None:
        made_at = await self._bus.made_at(LEDGER_STREAM)
        known = await self._records.position(connection)
        # A stream made anew counts from its beginning; links are made once whatever is repeated.
        after = known.number if known.made_at == made_at else 0
        async for batch in self._bus.follow(
            LEDGER_STREAM, LEDGER_SUBJECTS, after=after, batch_max=EVENTS_MAX
        ):
            if batch[0].position <= after:
                made_at = await self._bus.made_at(LEDGER_STREAM)
            after = batch[-1].position
            changes = [(event.tenant, said) for event in batch if (said := change_of(event))]
            commits = [made for change in changes if (made := commit_of(*change))]
            services = [now for change in changes if (now := service_of(*change))]
            if commits:
                settled = max(one.at for one in commits) + SETTLED
                wait = min(settled - self._clock.now(), SETTLED).total_seconds()
                await asyncio.sleep(max(wait, 0.0))
            await self._records.link(connection, commits, services, Position(made_at, after))


def change_of(event: Event) -> events_pb2.AllocationChanged | None:
    """Returns what an event says of an allocation; nothing if it says something else."""
    if event.type != CHANGED.DESCRIPTOR.full_name:
        return None
    try:
        return CHANGED.FromString(event.body)
    except DecodeError as error:
        # The stream must go on: one event nobody can read may not hold back all that follow.
        log.error("an event cannot be read", position=event.position, error=repr(error))
        return None


def made_by(message: events_pb2.AllocationChanged) -> bool:
    """Returns whether a change made an assignment, and did not only move one."""
    before, now = message.previous_state, message.state
    return bool(now == CHANGED.State.ASSIGNED and before != CHANGED.State.ASSIGNED)


def commit_of(tenant: str, message: events_pb2.AllocationChanged) -> Commit | None:
    """Returns the assignment that a change made; nothing if it made none."""
    if not made_by(message):
        return None
    start: datetime = message.slot.start_time.ToDatetime(UTC)
    resource_ids = tuple(one.resource_id for one in message.resources)
    return Commit(
        tenant=tenant,
        assignment_id=message.id,
        booking_request_id=message.booking_request_id,
        service_type_id=message.service_type_id,
        resource_ids=resource_ids,
        start=start,
        at=message.at.ToDatetime(UTC),
        place=place(resource_ids, floor_minute(start)),
    )


def service_of(tenant: str, message: events_pb2.AllocationChanged) -> Service | None:
    """Returns who serves whom after a change; nothing if it changed nothing about that."""
    if message.state not in (CHANGED.State.ASSIGNED, CHANGED.State.CANCELLED):
        return None
    assigned = message.state == CHANGED.State.ASSIGNED
    if assigned and not message.request.customer_hash and made_by(message):
        # For nobody that is known: there is nothing to note, and nothing was.
        return None
    return Service(
        tenant=tenant,
        assignment_id=message.id,
        customer_hash=message.request.customer_hash,
        resource_ids=tuple(one.resource_id for one in message.resources) if assigned else (),
        start=message.slot.start_time.ToDatetime(UTC),
    )
