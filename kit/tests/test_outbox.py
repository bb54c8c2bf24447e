"""The relay: every committed row reaches the stream, in order per aggregate, whatever dies in
between.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import defaultdict
from itertools import pairwise

import psycopg
import pytest
from psycopg.types.json import Jsonb

from kit.bus import open_bus
from kit.outbox import IDLE_POLL_SECONDS, POLL_SECONDS, ROWS_MAX, Relay

TABLE = """
CREATE SCHEMA {s};
CREATE TABLE {s}.outbox (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  event_id uuid NOT NULL UNIQUE DEFAULT uuidv7(),
  tenant_id text NOT NULL, aggregate text NOT NULL, version bigint NOT NULL, type text NOT NULL,
  payload jsonb NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp(),
  published boolean NOT NULL DEFAULT false, stream_seq bigint);
CREATE TABLE {s}.thing (name text PRIMARY KEY, version bigint NOT NULL);
"""
WRITERS = 8
WRITES = 60


def encode(_kind, payload):
    return json.dumps(payload).encode()


@pytest.fixture
def place(servers):
    schema = f"o{uuid.uuid4().hex[:8]}"
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute(TABLE.format(s=schema))
        yield schema
        connection.execute(f"DROP SCHEMA {schema} CASCADE")


async def write(url: str, schema: str, writer: int) -> None:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        for n in range(WRITES):
            name = f"thing-{(writer + n) % 5}"
            row = await (
                await connection.execute(
                    f"INSERT INTO {schema}.thing VALUES (%s, 1) ON CONFLICT (name)"
                    " DO UPDATE SET version = thing.version + 1 RETURNING version",
                    (name,),
                )
            ).fetchone()
            # Some transactions stay open longer than others: the visible order is not the id order.
            await asyncio.sleep(0.003 * (n % 3 == 0))
            await connection.execute(
                f"INSERT INTO {schema}.outbox (tenant_id, aggregate, version, type, payload)"
                " VALUES ('acme', %s, %s, %s, %s)",
                (name, row[0], f"{schema}.Changed", Jsonb({"name": name, "version": row[0]})),
            )
            await connection.commit()


async def test_nothing_is_lost_or_overtaken_while_relays_are_killed(servers, place):
    stream = place.upper()
    async with open_bus(servers.nats_url, name="test") as bus:
        await bus.ensure_stream(stream, [f"{place}.>"], bytes_max=2**22)
        relays = [
            Relay(url=servers.database_url, bus=bus, schema=place, encode=encode) for _ in range(2)
        ]
        running = [asyncio.create_task(relay.run()) for relay in relays]
        writers = [
            asyncio.create_task(write(servers.database_url, place, n)) for n in range(WRITERS)
        ]
        with psycopg.connect(servers.database_url, autocommit=True) as admin:
            for _ in range(6):
                await asyncio.sleep(0.1)
                admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name = %s",
                    (f"{place}-relay",),
                )
        await asyncio.gather(*writers)
        seen: dict[str, list[int]] = defaultdict(list)
        count = 0
        async with asyncio.timeout(30):
            async for batch in bus.follow(stream, [f"{place}.>"], after=0):
                for event in batch:
                    body = json.loads(event.body)
                    seen[body["name"]].append(body["version"])
                    count += 1
                if count >= WRITERS * WRITES:
                    break
        for task in running:
            task.cancel()
        assert count == WRITERS * WRITES
        for versions in seen.values():
            assert versions == list(range(1, len(versions) + 1))


class Counting(Relay):
    """Says how many rows it moved, and when it was asked to."""

    def __init__(self, url: str, schema: str, moved: list[int]) -> None:
        super().__init__(url=url, bus=None, schema=schema, encode=encode)  # type: ignore[arg-type]
        self.left = list(moved)
        self.at: list[float] = []
        self.done = asyncio.Event()

    async def publish_once(self, connection: object) -> int:
        self.at.append(asyncio.get_running_loop().time())
        if not self.left:
            self.done.set()
            return 0
        return self.left.pop(0)


async def test_rounds_are_paced_by_what_there_was(servers, place):
    """Few rows may wait a moment for more, many for longer; where more wait, there is no pause."""
    few, many, full = [1] * 10, [100] * 5, [ROWS_MAX] * 5
    relay = Counting(servers.database_url, place, [*few, *many, *full, 0])
    running = asyncio.create_task(relay.run())
    async with asyncio.timeout(10):
        await relay.done.wait()
    running.cancel()
    pauses = [later - at for at, later in pairwise(relay.at)]
    # Sleeps end late on a busy machine, never much too early.
    assert POLL_SECONDS * 0.9 < min(pauses[:10]) < IDLE_POLL_SECONDS * 0.8
    assert min(pauses[10:15]) > IDLE_POLL_SECONDS * 0.9
    assert min(pauses[15:20]) < POLL_SECONDS
    assert pauses[20] > IDLE_POLL_SECONDS * 0.9
