"""Following a stream: in order, without a gap, whatever happens to connection or consumer."""

from __future__ import annotations

import asyncio
import random
import uuid
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import pytest
from nats.js import api

from kit.bus import MESSAGE_ID, Bus, open_bus
from kit.event import Event
from kit.stopping import stopped


@pytest.fixture
def stream():
    return f"T{uuid.uuid4().hex[:8].upper()}"


async def collected(bus: Bus, stream: str, count: int, *, after: int = 0) -> list[Event]:
    found: list[Event] = []
    async with asyncio.timeout(20):
        async for batch in bus.follow(stream, [f"{stream}.>"], after=after):
            found += batch
            if len(found) >= count:
                break
    return found


def entries(stream: str, count: int, *, start: int = 0) -> list[Event]:
    return [
        Event(f"{stream}.a.acme", str(n).encode(), {MESSAGE_ID: f"{stream}-{n}"})
        for n in range(start, start + count)
    ]


async def test_what_is_published_is_followed_in_order_from_any_position(servers, stream):
    async with open_bus(servers.nats_url, name="test") as bus:
        await bus.ensure_stream(stream, [f"{stream}.>"], bytes_max=2**20)
        positions = await bus.publish(entries(stream, 1000))
        assert positions == list(range(1, 1001))
        found = await collected(bus, stream, 1000)
        assert [int(event.body) for event in found] == list(range(1000))
        assert [event.position for event in found] == positions
        later = await collected(bus, stream, 1, after=990)
        assert int(later[0].body) == 990
        assert (later[0].type, later[0].tenant) == (f"{stream}.a", "acme")


async def test_new_entries_arrive_at_once(servers, stream):
    async with open_bus(servers.nats_url, name="test") as bus:
        await bus.ensure_stream(stream, [f"{stream}.>"], bytes_max=2**20)
        waiting = asyncio.create_task(collected(bus, stream, 20))
        await asyncio.sleep(0.2)
        began = asyncio.get_running_loop().time()
        for event in entries(stream, 20):
            await bus.publish([event])
        assert [int(event.body) for event in await waiting] == list(range(20))
        assert asyncio.get_running_loop().time() - began < 2


async def test_who_reads_now_and_then_is_given_all_that_came_meanwhile(servers, stream):
    # Far more than NATS sends before it asks whether anybody still reads.
    large = [
        Event(f"{stream}.a.acme", b"x" * 4000, {MESSAGE_ID: f"{stream}-{n}"}) for n in range(1001)
    ]
    async with open_bus(servers.nats_url, name="test") as bus:
        await bus.ensure_stream(stream, [f"{stream}.>"], bytes_max=2**24)
        following = bus.follow(stream, [f"{stream}.>"], after=0, batch_max=700)
        await bus.publish(large[:1])
        async with asyncio.timeout(20):
            assert len(await anext(following)) == 1
            await bus.publish(large[1:])
            await asyncio.sleep(0.5)
            batches = [await anext(following) for _ in range(2)]
        assert len(batches[0]) == 700
        positions = [event.position for batch in batches for event in batch]
        assert positions == list(range(2, 2 + len(positions)))


async def test_who_reads_nothing_is_not_sent_all_there_is(servers, stream):
    entry = b"x" * 4000
    async with open_bus(servers.nats_url, name="test") as bus:
        await bus.ensure_stream(stream, [f"{stream}.>"], bytes_max=2**26)
        following = bus.follow(stream, [f"{stream}.>"], after=0, batch_max=10)
        for part in range(6):
            await bus.publish(
                [
                    Event(f"{stream}.a.acme", entry, {MESSAGE_ID: f"{stream}-{part}-{n}"})
                    for n in range(1000)
                ]
            )
        async with asyncio.timeout(20):
            position = (await anext(following))[-1].position
            await asyncio.sleep(1)
            (consumer,) = await bus.jetstream.consumers_info(stream)
            assert consumer.delivered is not None
            assert consumer.delivered.consumer_seq < 2000
            while position < 6000:
                batch = await anext(following)
                assert batch[0].position == position + 1
                position = batch[-1].position


async def test_an_entry_that_never_arrived_is_read_again(servers, stream):
    async with open_bus(servers.nats_url, name="test") as bus:
        await bus.ensure_stream(stream, [f"{stream}.>"], bytes_max=2**20)
        found: list[int] = []

        async def read() -> None:
            async for batch in bus.follow(stream, [f"{stream}.>"], after=0):
                found.extend(int(event.body) for event in batch)

        async def consumer() -> api.ConsumerInfo:
            while not (known := await bus.jetstream.consumers_info(stream)):
                await asyncio.sleep(0.01)
            return known[-1]

        reading = asyncio.create_task(read())
        await bus.publish(entries(stream, 5))
        first = await consumer()
        assert first.config.deliver_subject is not None
        async with open_bus(servers.nats_url, name="other") as other:
            # What the server says when it has sent more than arrived.
            async with asyncio.timeout(20):
                while len(found) < 5:
                    await asyncio.sleep(0.01)
                await other.client.publish(
                    first.config.deliver_subject, headers={"Nats-Last-Consumer": "6"}
                )
                while (await consumer()).name == first.name:
                    await asyncio.sleep(0.01)
                await bus.publish(entries(stream, 5, start=5))
                while len(found) < 10:
                    await asyncio.sleep(0.01)
        reading.cancel()
        assert found == list(range(10))


async def test_a_lost_consumer_is_replaced_without_a_gap_or_a_repeat(servers, stream):
    async with open_bus(servers.nats_url, name="test") as bus:
        await bus.ensure_stream(stream, [f"{stream}.>"], bytes_max=2**20)
        await bus.publish(entries(stream, 5))
        found: list[int] = []

        async def read() -> None:
            async for batch in bus.follow(stream, [f"{stream}.>"], after=0):
                found.extend(int(event.body) for event in batch)

        reading = asyncio.create_task(read())
        while len(found) < 5:
            await asyncio.sleep(0.01)
        for consumer in await bus.jetstream.consumers_info(stream):
            await bus.jetstream.delete_consumer(stream, consumer.name)
        await bus.publish(entries(stream, 5, start=5))
        async with asyncio.timeout(20):
            while len(found) < 10:
                await asyncio.sleep(0.01)
        reading.cancel()
        assert found == list(range(10))


async def test_a_stream_made_anew_is_read_from_its_beginning(servers, stream):
    async with open_bus(servers.nats_url, name="test") as bus:
        await bus.ensure_stream(stream, [f"{stream}.>"], bytes_max=2**20)
        await bus.publish(entries(stream, 3))
        found = await collected(bus, stream, 3, after=5000)
        assert len(found) == 3


async def test_the_same_event_is_taken_once_and_a_fenced_writer_is_refused(servers, stream):
    async with open_bus(servers.nats_url, name="test") as bus:
        await bus.ensure_stream(stream, [f"{stream}.>"], bytes_max=2**20)
        first = await bus.publish(entries(stream, 1))
        again = await bus.publish(entries(stream, 1))
        assert first == again == [1]
        late = Event(f"{stream}.a.acme", b"late", {api.Header.EXPECTED_LAST_SEQUENCE: "0"})
        good = Event(f"{stream}.a.acme", b"good", {api.Header.EXPECTED_LAST_SEQUENCE: "1"})
        assert await bus.publish([late, good]) == [None, 2]
        newest = await bus.last(stream)
        assert newest is not None
        assert (newest.body, newest.position) == (b"good", 2)
        assert await bus.bounds(stream) == (1, 2)


async def test_the_last_of_an_empty_stream_is_nothing(servers, stream):
    async with open_bus(servers.nats_url, name="test") as bus:
        await bus.ensure_stream(stream, [f"{stream}.>"], bytes_max=2**20)
        assert await bus.last(stream) is None


async def test_a_stream_made_anew_and_longer_than_before_is_read_from_its_beginning(
    servers, stream
):
    async with open_bus(servers.nats_url, name="test") as bus:
        await bus.ensure_stream(stream, [f"{stream}.>"], bytes_max=2**20)
        await bus.publish(entries(stream, 2))
        found: list[int] = []

        async def read() -> None:
            async for batch in bus.follow(stream, [f"{stream}.>"], after=0):
                found.extend(int(event.body) for event in batch)

        reading = asyncio.create_task(read())
        while len(found) < 2:
            await asyncio.sleep(0.01)
        await bus.jetstream.delete_stream(stream)
        await bus.ensure_stream(stream, [f"{stream}.>"], bytes_max=2**20)
        await bus.publish(entries(stream, 5, start=100))
        async with asyncio.timeout(20):
            while len(found) < 7:
                await asyncio.sleep(0.01)
        reading.cancel()
        assert found == [0, 1, *range(100, 105)]


class Way:
    """A way to NATS that can be closed, as if NATS were gone."""

    def __init__(self, url: str) -> None:
        self._there = urlsplit(url)
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> str:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        who, at, _ = self._there.netloc.rpartition("@")
        return self._there._replace(netloc=f"{who}{at}127.0.0.1:{port}").geturl()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(self._there.hostname, self._there.port)
        self._writers += [writer, there[1]]
        ways = [(reader, there[1]), (there[0], writer)]
        self._tasks += [asyncio.create_task(self._carry(*way)) for way in ways]

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)

    async def close(self) -> None:
        self._server.close()
        await stopped(self._tasks)
        for writer in self._writers:
            writer.transport.abort()


async def test_closed_while_nats_is_gone_nothing_of_it_goes_on(servers):
    before, chance = asyncio.all_tasks(), random.Random(3)
    way = Way(servers.nats_url)
    url = await way.open()
    stacks = [AsyncExitStack() for _ in range(60)]
    for stack in stacks:
        await stack.enter_async_context(open_bus(url, name="test"))
    await way.close()
    for stack in stacks:
        await asyncio.sleep(chance.uniform(0, 0.001))
        await stack.aclose()
    # A few times as long as a connection waits between two tries.
    await asyncio.sleep(0.5)
    assert asyncio.all_tasks() == before
