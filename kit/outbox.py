"""Publishes what transactions left in a schema's outbox: in order per aggregate, at least once,
one leader at a time.

The table, in each owner's schema:

    outbox(id bigint identity, event_id uuid unique, tenant_id text, aggregate text, version bigint,
           type text, payload jsonb, at timestamptz, published boolean, stream_seq bigint)

`type` is the full name of the event's message, `payload` its proto3 JSON. The subject is
type.tenant.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import psycopg

from kit.bus import MESSAGE_ID, Bus
from kit.db import Connection, open_session
from kit.event import Event
from kit.logs import logger

log = logger("outbox")

ROWS_MAX = 512
# Rounds are paced, so that what many transactions left goes out together: the more there was, the
# longer the pause before the next, which saves all who read it from being woken for little.
POLL_SECONDS = 0.02
SECONDS_PER_ROW = 0.008
IDLE_POLL_SECONDS = 0.05
LEADER_POLL_SECONDS = 0.5
BACKOFF_SECONDS_MAX = 2.0

Encode = Callable[[str, Mapping[str, Any]], bytes]


class Relay:
    """The publisher of one schema's outbox. Run one per replica: the advisory lock lets one of them
    work.
    """

    def __init__(self, *, url: str, bus: Bus, schema: str, encode: Encode) -> None:
        self._url = url
        self._bus = bus
        self._encode = encode
        self._schema = schema
        self._lock = int.from_bytes(
            hashlib.sha256(f"outbox {schema}".encode()).digest()[:8], signed=True
        )
        self._select = (
            "SELECT id, event_id::text, tenant_id, aggregate, version, type, payload, at"
            f" FROM {schema}.outbox WHERE NOT published ORDER BY id LIMIT {ROWS_MAX}"
        )
        self._mark = (
            f"UPDATE {schema}.outbox o SET published = true, stream_seq = done.seq"
            " FROM unnest(%s::bigint[], %s::bigint[]) AS done(id, seq) WHERE o.id = done.id"
        )

    async def run(self) -> None:
        """Publishes for ever; after a failure it takes a fresh session and the lock again."""
        backoff = POLL_SECONDS
        while True:
            try:
                async with self._leading() as connection:
                    while True:
                        moved = await self.publish_once(connection)
                        backoff = POLL_SECONDS
                        if moved < ROWS_MAX:
                            pause = moved * SECONDS_PER_ROW or IDLE_POLL_SECONDS
                            await asyncio.sleep(min(max(pause, POLL_SECONDS), IDLE_POLL_SECONDS))
            except (psycopg.Error, OSError) as error:
                log.warning("the relay starts again", schema=self._schema, error=repr(error))
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, BACKOFF_SECONDS_MAX)

    @asynccontextmanager
    async def _leading(self) -> AsyncIterator[Connection]:
        """Yields a session that holds the lock. Losing the session loses the lock, and the work
        stops with it.
        """
        async with open_session(
            self._url,
            application=f"{self._schema}-relay",
            # A plan made while the outbox was empty would read it whole when it is large.
            options="-c enable_seqscan=off",
        ) as connection:
            while True:
                cursor = await connection.execute("SELECT pg_try_advisory_lock(%s)", (self._lock,))
                row = await cursor.fetchone()
                if row is not None and row[0]:
                    break
                await asyncio.sleep(LEADER_POLL_SECONDS)
            yield connection

    async def publish_once(self, connection: Connection) -> int:
        """Publishes what is visible now; returns how many rows were taken. The rest stays for the
        next round.

        Rows go out in waves, each with at most one row per aggregate, so that a failed row holds
        back those behind it and nothing overtakes.
        """
        rows = await (await connection.execute(self._select)).fetchall()
        waves: list[list[tuple[int, str, Event]]] = []
        depth: dict[tuple[str, str], int] = {}
        for number, event_id, tenant, aggregate, version, kind, payload, at in rows:
            key = (tenant, aggregate)
            wave = depth.get(key, 0)
            depth[key] = wave + 1
            if wave == len(waves):
                waves.append([])
            headers = {
                MESSAGE_ID: event_id,
                "Fairslot-Tenant": tenant,
                "Fairslot-Aggregate": aggregate,
                "Fairslot-Version": str(version),
                "Fairslot-At": at.isoformat(),
            }
            event = Event(f"{kind}.{tenant}", self._encode(kind, payload), headers)
            waves[wave].append((number, f"{tenant} {aggregate}", event))
        stuck: set[str] = set()
        taken: list[tuple[int, int]] = []
        for entries in waves:
            going = [entry for entry in entries if entry[1] not in stuck]
            positions = await self._bus.publish([event for _, _, event in going])
            for (number, aggregate, _), position in zip(going, positions, strict=True):
                if position is None:
                    stuck.add(aggregate)
                else:
                    taken.append((number, position))
        if taken:
            await connection.execute(self._mark, [list(one) for one in zip(*taken, strict=True)])
        return len(taken)
