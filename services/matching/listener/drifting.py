"""Looks at fairness again after the ledger moved: one process does it, month by month."""

import asyncio
import uuid
from collections.abc import Sequence
from datetime import UTC, timedelta
from functools import partial
from time import monotonic

import nats.errors
import nats.js.errors
import psycopg
from fairslot.assignment.v1 import events_pb2
from google.protobuf.message import DecodeError

from kit.bus import Bus
from kit.db import Connection
from kit.event import Event
from kit.fault import Fault
from kit.logs import logger
from kit.signing import Signer
from services.matching.domain import Month
from services.matching.engine import Engine, FairnessCall
from services.matching.engine.drift import stands_of
from services.matching.listener.linking import LEDGER_STREAM, LEDGER_SUBJECTS
from services.matching.store import Position, Standing, Standings

log = logger("matching")

CHANGED = events_pb2.AllocationChanged
# States that move credit.
CREDITED = frozenset({CHANGED.State.ASSIGNED, CHANGED.State.CANCELLED, CHANGED.State.COMPLETED})
# Looks are spaced, so that a burst of bookings costs one look, and looking at a large tenant takes
# at most this share of the time.
PAUSE_SECONDS = 2.0
PAUSE_SECONDS_MAX = 15.0
SHARE_MAX = 0.05
# All that came meanwhile is looked at together, or a busy ledger would leave it further and further
# behind.
EVENTS_MAX = 16_384
LEAD_POLL_SECONDS = 0.5
BACKOFF_SECONDS = 0.2
# A tenant's months lie within a day of those of UTC.
ZONE_REACH = timedelta(days=1)

SUBJECT, METHOD = "matching", "drift"
LOOK_SECONDS = 10.0


class Drifting:
    """Follows the ledger; where somebody changes sides of the tolerance it is told."""

    def __init__(self, bus: Bus, engine: Engine, standings: Standings, signer: Signer) -> None:
        """Takes where events come from, what compares people, where it is kept, and who signs."""
        self._bus = bus
        self._engine = engine
        self._standings = standings
        self._signer = signer

    async def run(self) -> None:
        """Looks for ever; after a failure it takes the lead and the position anew."""
        while True:
            try:
                async with self._standings.lead() as connection:
                    if connection is None:
                        await asyncio.sleep(LEAD_POLL_SECONDS)
                        continue
                    await self._follow(connection)
            except (
                psycopg.Error,
                nats.errors.Error,
                nats.js.errors.Error,
                Fault,
                TimeoutError,
                OSError,
            ) as error:
                log.warning("looking at fairness starts again", error=repr(error))
            await asyncio.sleep(BACKOFF_SECONDS)

    async def _follow(self, connection: Connection) -> None:
        made_at = await self._bus.made_at(LEDGER_STREAM)
        known = await self._standings.position(connection)
        after = known.number if known is not None and known.made_at == made_at else 0
        async for batch in self._bus.follow(
            LEDGER_STREAM, LEDGER_SUBJECTS, after=after, batch_max=EVENTS_MAX
        ):
            began = monotonic()
            for tenant, month in months_of(batch):
                await self._look(tenant, month)
            await self._standings.move(connection, Position(made_at, batch[-1].position))
            await asyncio.sleep(pause_seconds(monotonic() - began))

    async def _look(self, tenant: str, month: Month) -> None:
        try:
            found = await self._signer.calling(
                partial(self._engine.fairness, FairnessCall(month=month)),
                tenant=tenant,
                subject=SUBJECT,
                method=METHOD,
                request_id=uuid.uuid4().hex,
                seconds=LOOK_SECONDS,
            )
        except (Fault, TimeoutError) as error:
            # One tenant that cannot be looked at may not hold back the others.
            log.warning("fairness was not looked at", tenant=tenant, error=repr(error))
            return
        now = [
            Standing(
                one.resource_id,
                one.within,
                {
                    "month": str(month),
                    "resourceId": one.resource_id,
                    "displayName": one.display_name,
                    "withinTolerance": one.within,
                    "targetShare": one.target_share,
                    "actualShare": one.actual_share,
                    "sentence": one.sentence,
                },
            )
            for one in stands_of(found)
        ]
        if now:
            await self._standings.settle(tenant, str(month), now)


def pause_seconds(looked_seconds: float) -> float:
    """Returns how long to wait after a look that took so long."""
    fair = looked_seconds * (1 / SHARE_MAX - 1)
    return min(max(PAUSE_SECONDS, fair), PAUSE_SECONDS_MAX)


def months_of(events: Sequence[Event]) -> list[tuple[str, Month]]:
    """Gives the tenants and months whose credit some events may have moved, in order."""
    found: dict[tuple[str, Month], None] = {}
    for event in events:
        try:
            message = CHANGED.FromString(event.body)
        except DecodeError as error:
            log.error("an event cannot be read", position=event.position, error=repr(error))
            continue
        if message.state not in CREDITED:
            continue
        start = message.slot.start_time.ToDatetime(UTC)
        end = message.slot.end_time.ToDatetime(UTC)
        for moment in (start - ZONE_REACH, start, end, end + ZONE_REACH):
            found[event.tenant, Month(moment.year, moment.month)] = None
    return sorted(found, key=lambda one: (one[0], one[1]))
