"""Relays stopped at the worst moment, a stream that is wiped, relays with bugs that are caught."""

from __future__ import annotations

import asyncio
import json

import psycopg
import pytest

from kit.bus import open_bus
from kit.outbox import Relay
from kit.tests import test_outbox
from kit.tests.test_outbox import encode

# The schema of its own that each test gets.
place = test_outbox.place

ROWS = "SELECT event_id::text, payload FROM {}.outbox ORDER BY id"


class Stumbling:
    """A bus that fails before or after a publication, as a killed process would."""

    def __init__(self, bus, *, before=0, after=0, gate=None) -> None:
        self.bus, self.before, self.after, self.gate = bus, before, after, gate

    async def publish(self, events):
        if self.gate is not None:
            await self.gate.wait()
        if self.before:
            self.before -= 1
            raise OSError("killed before it published")
        positions = await self.bus.publish(events)
        if self.after:
            self.after -= 1
            raise OSError("killed before it wrote down what it published")
        return positions


class OfStream:
    """One schema's stream and outbox."""

    def __init__(self, url: str, schema: str, bus) -> None:
        self.url, self.schema, self.bus = url, schema, bus
        self.subjects = [f"{schema}.>"]

    async def make(self) -> None:
        await self.bus.ensure_stream(self.schema.upper(), self.subjects, bytes_max=2**22)

    async def session(self):
        return await psycopg.AsyncConnection.connect(self.url, autocommit=True)

    async def add(self, first: int, count: int) -> None:
        async with await self.session() as connection:
            for number in range(first, first + count):
                await connection.execute(
                    f"INSERT INTO {self.schema}.outbox (tenant_id, aggregate, version, type,"
                    " payload) VALUES ('acme', %s, %s, %s, %s::jsonb)",
                    (
                        f"t{number % 3}",
                        number // 3 + 1,
                        f"{self.schema}.Changed",
                        json.dumps({"n": number}),
                    ),
                )

    async def rows(self) -> list[int]:
        async with await self.session() as connection:
            found = await (await connection.execute(ROWS.format(self.schema))).fetchall()
        return [row[1]["n"] if "n" in row[1] else row[0] for row in found]

    async def bodies(self) -> list[bytes]:
        """What the stream has, until nothing more comes."""
        _, last = await self.bus.bounds(self.schema.upper())
        found = []
        if last == 0:
            return found
        async for batch in self.bus.follow(self.schema.upper(), self.subjects, after=0):
            found += [event.body for event in batch]
            if batch[-1].position >= last:
                break
        return found

    async def numbers(self) -> list[int]:
        return [json.loads(body)["n"] for body in await self.bodies()]


@pytest.fixture
async def stream(servers, place):
    async with open_bus(servers.nats_url, name="test") as bus:
        found = OfStream(servers.database_url, place, bus)
        await found.make()
        yield found


def relay_of(stream, kind=Relay, bus=None):
    return kind(url=stream.url, bus=bus or stream.bus, schema=stream.schema, encode=encode)


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("rounds", [6, pytest.param(500, marks=pytest.mark.soak)])
async def test_killed_around_a_publication_each_event_is_there_once_in_order(stream, where, rounds):
    async with await stream.session() as connection:
        for turn in range(rounds):
            await stream.add(turn * 6, 6)
            stumbling = relay_of(stream, bus=Stumbling(stream.bus, **{where: 1}))
            with pytest.raises(OSError, match="killed"):
                await stumbling.publish_once(connection)
            relay = relay_of(stream)
            while await relay.publish_once(connection):
                pass
    numbers = await stream.numbers()
    assert sorted(numbers) == list(range(rounds * 6))
    for aggregate in range(3):
        own = [n for n in numbers if n % 3 == aggregate]
        assert own == sorted(own)


async def test_a_leader_that_slept_through_its_end_repeats_nothing(stream):
    """It read rows, was stopped, lost its lock, and goes on when its successor has done them."""
    await stream.add(0, 9)
    gate = asyncio.Event()
    async with await stream.session() as old, await stream.session() as new:
        sleeper = relay_of(stream, bus=Stumbling(stream.bus, gate=gate))
        sleeping = asyncio.create_task(sleeper.publish_once(old))
        await asyncio.sleep(0.05)
        assert await relay_of(stream).publish_once(new) == 9
        await stream.add(9, 9)
        assert await relay_of(stream).publish_once(new) == 9
        gate.set()
        await sleeping
    numbers = await stream.numbers()
    assert sorted(numbers) == list(range(18))
    assert numbers[:9] != numbers[9:]


async def test_a_wiped_stream_is_rebuilt_byte_for_byte(stream):
    async with await stream.session() as connection:
        await stream.add(0, 60)
        await relay_of(stream).publish_once(connection)
        before = await stream.bodies()
        await stream.bus.jetstream.delete_stream(stream.schema.upper())
        await stream.make()
        await connection.execute(f"UPDATE {stream.schema}.outbox SET published = false")
        await relay_of(stream).publish_once(connection)
    assert await stream.bodies() == before
    assert len(before) == 60


class IdCursor(Relay):
    """Seeded: goes on after the last id it has seen; what commits late is never looked at."""

    last = 0
    more = ""

    async def publish_once(self, connection):
        where = f"id > {self.last} {self.more}"
        cursor = await connection.execute(
            f"SELECT coalesce(max(id), {self.last}) FROM {self._schema}.outbox WHERE {where}"
        )
        [upto] = await cursor.fetchone()
        self._select = self._select.partition(" WHERE")[0] + (
            f" WHERE {where} AND id <= {upto} ORDER BY id LIMIT 512"
        )
        self.last = upto
        return await super().publish_once(connection)


class XidCursor(IdCursor):
    """Seeded: the same, of transactions that all others in flight are younger than."""

    more = "AND xmin::text::bigint < pg_snapshot_xmin(pg_current_snapshot())::text::bigint"


class MarkFirst(Relay):
    """Seeded: writes down that rows are published, then would publish them, and is killed."""

    async def publish_once(self, connection):
        rows = await (await connection.execute(self._select)).fetchall()
        update = f"UPDATE {self._schema}.outbox SET published = true WHERE id = ANY(%s)"
        await connection.execute(update, ([row[0] for row in rows],))
        raise OSError("killed")


INSERT = (
    "INSERT INTO {}.outbox (tenant_id, aggregate, version, type, payload)"
    " VALUES ('acme', %s, 1, %s, '{{}}'::jsonb)"
)


@pytest.mark.parametrize(("kind", "loses"), [(Relay, False), (IdCursor, True), (XidCursor, True)])
async def test_a_cursor_loses_what_commits_late_and_is_caught(stream, kind, loses):
    """The younger transaction takes the lower id, and is the last to commit."""
    insert, type_ = INSERT.format(stream.schema), f"{stream.schema}.Changed"
    relay = relay_of(stream, kind)
    async with (
        await stream.session() as connection,
        await stream.session() as older,
        await stream.session() as younger,
    ):
        async with younger.transaction():
            async with older.transaction():
                await older.execute("SELECT pg_current_xact_id()")
                await younger.execute(insert, ("late", type_))
                await older.execute(insert, ("early", type_))
            assert await relay.publish_once(connection) == 1
        for _ in range(3):
            await relay.publish_once(connection)
    assert len(await stream.rows()) == 2
    assert len(await stream.bodies()) == (1 if loses else 2)


async def test_marking_before_publishing_loses_events_and_is_caught(stream):
    await stream.add(0, 20)
    async with await stream.session() as connection:
        with pytest.raises(OSError, match="killed"):
            await relay_of(stream, MarkFirst).publish_once(connection)
        await relay_of(stream).publish_once(connection)
    assert len(await stream.bodies()) < 20
