"""Copies the ledger's events into our own tables: one process does it, the others wait to."""

import asyncio

import nats.errors
import nats.js.errors
import psycopg

from kit.bus import Bus
from kit.db import Connection
from kit.logs import logger
from services.availability.listener.events import LEDGER_STREAM, LEDGER_SUBJECTS, ledger_move
from services.availability.store import Position, Projection

log = logger("availability")

LEAD_POLL_SECONDS = 0.5
BACKOFF_SECONDS = 0.2
# Rounds are paced, so that one transaction keeps what many events said: it is for those who begin
# later, memory follows by itself.
ROUND_SECONDS = 0.1


class Projector:
    """Keeps the projection up to date. Its position moves with what it applies, or not at all."""

    def __init__(self, bus: Bus, projection: Projection) -> None:
        """Takes where events come from and where they go."""
        self._bus = bus
        self._projection = projection

    async def run(self) -> None:
        """Projects for ever; after a failure it takes the lead and the position anew."""
        while True:
            try:
                async with self._projection.lead() as connection:
                    if connection is None:
                        await asyncio.sleep(LEAD_POLL_SECONDS)
                        continue
                    await self._project(connection)
            except (
                psycopg.Error,
                nats.errors.Error,
                nats.js.errors.Error,
                TimeoutError,
                OSError,
            ) as error:
                log.warning("the projection starts again", error=repr(error))
            await asyncio.sleep(BACKOFF_SECONDS)

    async def _project(self, connection: Connection) -> None:
        made_at = await self._bus.made_at(LEDGER_STREAM)
        known = await self._projection.position(connection)
        # A stream made anew counts from its beginning; versions keep what is repeated harmless.
        after = known.number if known.made_at == made_at else 0
        # What a stream no longer has was said before anybody here listened.
        first, _ = await self._bus.bounds(LEDGER_STREAM)
        after = max(after, first - 1)
        # Said before there is anything to apply, so that nobody waits for an empty stream.
        await self._projection.apply(connection, (), Position(made_at, after))
        async for batch in self._bus.follow(LEDGER_STREAM, LEDGER_SUBJECTS, after=after):
            if batch[0].position <= after:
                made_at = await self._bus.made_at(LEDGER_STREAM)
            after = batch[-1].position
            moves = [move for event in batch if (move := ledger_move(event)) is not None]
            await self._projection.apply(connection, moves, Position(made_at, after))
            await asyncio.sleep(ROUND_SECONDS)
