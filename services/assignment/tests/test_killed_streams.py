"""The stream's server killed while it is told much, and a worker killed between doing and saying
so: nothing acknowledged is lost, nothing is done twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import psycopg
import pytest
from nats.js import api

from kit.bus import MESSAGE_ID, Bus, open_bus
from kit.event import Event
from kit.stopping import stopped
from services.assignment.listener.working import work
from services.assignment.tests.books import allocation_id, key, reason, slot, violations
from services.assignment.tests.mortal import mortal_nats

STREAM = "KILLED"
BATCH, PUBLISHERS = 16, 4


@pytest.fixture
async def server():
    with tempfile.TemporaryDirectory(prefix="fairslot-nats-") as name:
        async with mortal_nats(Path(name) / "run") as found:
            yield found


def entry(number: int) -> Event:
    return Event(f"{STREAM}.a.acme", str(number).encode(), {MESSAGE_ID: f"{STREAM}-{number}"})


async def publishing(bus: Bus, numbers, acknowledged: list[int]) -> None:
    while True:
        batch = [entry(next(numbers)) for _ in range(BATCH)]
        positions = await bus.publish(batch)
        acknowledged += [
            int(event.body) for event, at in zip(batch, positions, strict=True) if at is not None
        ]


async def read_back(bus: Bus, stream: str) -> list[int]:
    _, last = await bus.bounds(stream)
    found: list[int] = []
    async for batch in bus.follow(stream, [f"{stream}.>"], after=0):
        found += [int(event.body) for event in batch]
        if batch[-1].position >= last:
            return found
    raise AssertionError("a stream is followed for ever")


@pytest.mark.parametrize("kills", [4, pytest.param(50, marks=pytest.mark.soak)])
@pytest.mark.timeout(900)
async def test_what_the_stream_acknowledged_survives_its_kills(server, kills):
    numbers, acknowledged = itertools.count(), []
    for _ in range(kills):
        async with open_bus(server.url, name="test") as bus:
            await bus.ensure_stream(STREAM, [f"{STREAM}.>"])
            wanted = len(acknowledged) + 500
            tasks = [
                asyncio.create_task(publishing(bus, numbers, acknowledged))
                for _ in range(PUBLISHERS)
            ]
            while len(acknowledged) < wanted:
                await asyncio.sleep(0.01)
            await server.kill()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await server.start()
    async with open_bus(server.url, name="test") as bus:
        kept = await read_back(bus, STREAM)
    lost = set(acknowledged) - set(kept)
    print(f"{kills} kills, {len(acknowledged)} acknowledged, {len(kept)} kept, {len(lost)} lost")
    assert not lost
    assert len(kept) == len(set(kept))


async def test_what_is_acknowledged_was_flushed_to_the_disk_before(server):
    """As the kernel saw it: at least as many flushes as answers, each asked for after the other."""
    tracer = shutil.which("strace")
    if tracer is None:
        pytest.skip("there is no strace to look on with")
    entries = 30
    async with open_bus(server.url, name="test") as bus:
        await bus.ensure_stream(STREAM, [f"{STREAM}.>"])
        await bus.publish([entry(0)])
        trace = await asyncio.create_subprocess_exec(
            *(tracer, "-f", "-e", "trace=fsync,fdatasync", "-p", str(server.process.pid)),
            stderr=asyncio.subprocess.PIPE,
        )
        said = await trace.stderr.readline()
        if b"attached" not in said:
            await trace.wait()
            pytest.skip("nobody here may look on")
        for number in range(1, entries + 1):
            assert await bus.publish([entry(number)]) == [number + 1]
        trace.terminate()
        _, seen = await trace.communicate()
    flushes = seen.count(b"sync(")
    assert flushes >= entries


class Mortals:
    """A bus whose workers die, now and then, when their work is done and nobody knows of it."""

    def __init__(self, bus: Bus, rng: random.Random, *, ack_first: bool = False) -> None:
        self.bus, self.rng, self.ack_first = bus, rng, ack_first
        self.jetstream = self
        self.deaths = 0

    async def pull_subscribe(self, subject: str, *, config: api.ConsumerConfig, **more):
        config.ack_wait = 0.3
        self.queue = await self.bus.jetstream.pull_subscribe(subject, config=config, **more)
        return self

    async def unsubscribe(self) -> None:
        await self.queue.unsubscribe()

    async def fetch(self, count: int, *, timeout: float):
        [message] = await self.queue.fetch(count, timeout=timeout)
        if self.ack_first:
            await message.ack()
        return [MortalMessage(message, self)]

    def dies(self, message) -> bool:
        """Never twice over one entry, so that the end is near."""
        dead = message.metadata.num_delivered == 1 and self.rng.random() < 0.3
        self.deaths += dead
        return dead


class MortalMessage:
    """A message whose worker dies when it is about to acknowledge it, or else before its work."""

    def __init__(self, message, bus: Mortals) -> None:
        self.message, self.bus = message, bus
        self.subject, self.headers = message.subject, message.headers
        self.metadata = message.metadata

    @property
    def data(self) -> bytes:
        if self.bus.ack_first and self.bus.dies(self.message):
            raise OSError("killed before its work")
        return self.message.data

    async def ack(self) -> None:
        if not self.bus.ack_first:
            if self.bus.dies(self.message):
                raise OSError("killed before it said so")
            await self.message.ack()

    async def nak(self, delay: float) -> None:
        await self.message.nak(delay=delay)

    async def in_progress(self) -> None:
        await self.message.in_progress()


async def assigned_by_mortals(books, url: str, *, entries: int, ack_first: bool = False):
    """Has workers that die assign one request per entry; returns whose bus, and how often each was
    tried.
    """
    tried: Counter[str] = Counter()

    async def handle(event: Event, tries: int) -> None:
        name = event.body.decode()
        tried[name] += 1
        outcome = await books.assign(
            "r1", at=slot(int(name[1:]) * 2), request=name, write=key("AutoAssign", f"of {name}")
        )
        assert reason(outcome) == "OK"
        assert allocation_id(outcome)

    async with open_bus(url, name="test") as bus:
        mortals = Mortals(bus, random.Random(entries), ack_first=ack_first)
        await bus.ensure_stream(STREAM, [f"{STREAM}.>"])
        names = [await books.request(f"q{number}") for number in range(entries)]
        await bus.publish([Event(f"{STREAM}.a.acme", name.encode(), {}) for name in names])
        working = asyncio.create_task(
            work(
                mortals,
                STREAM,
                f"{STREAM}.>",
                durable="workers",
                workers=4,
                handle=handle,
                rng=random.Random(1),
            )
        )
        try:
            async with asyncio.timeout(60 + entries):
                while await left_of(bus):
                    await asyncio.sleep(0.05)
        finally:
            await stopped([working])
    return mortals, tried


async def left_of(bus: Bus) -> bool:
    with contextlib.suppress(Exception):
        found = await bus.jetstream.consumer_info(STREAM, "workers")
        return bool(found.num_pending or found.num_ack_pending)
    return True


@pytest.mark.parametrize("entries", [12, pytest.param(60, marks=pytest.mark.soak)])
@pytest.mark.timeout(900)
async def test_killed_between_doing_and_saying_so_it_is_done_once(
    books, ledger_database, server, entries
):
    mortals, tried = await assigned_by_mortals(books, server.url, entries=entries)
    assert mortals.deaths > 0
    assert max(tried.values()) > 1
    print(f"{mortals.deaths} deaths, {sum(tried.values())} tries of {entries}")
    assert done(ledger_database.admin_url) == (entries, entries)
    assert violations(ledger_database.admin_url) == {}


async def test_a_worker_that_says_so_first_is_caught(books, ledger_database, server):
    """Seeded: acknowledged before it is done, so that a death in between loses it."""
    mortals, _ = await assigned_by_mortals(books, server.url, entries=12, ack_first=True)
    assert mortals.deaths > 0
    requests, assigned = done(ledger_database.admin_url)
    assert assigned < requests


def done(admin_url: str) -> tuple[int, int]:
    with psycopg.connect(admin_url) as admin:
        return admin.execute(
            "SELECT (SELECT count(*) FROM assignment.request),"
            " (SELECT count(*) FROM assignment.allocation WHERE state = 'ASSIGNED')"
        ).fetchone()
