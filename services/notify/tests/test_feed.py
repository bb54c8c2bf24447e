"""The feed on a real NATS: every event once and in order, whatever happens to its writers."""

import asyncio
import contextlib
import os
import random
import sys

import grpc
import pytest_asyncio
from fairslot.notify.v1 import events_pb2

from kit.bus import Bus, open_bus
from kit.event import Event
from kit.stopping import stopped
from kit.testing import free_port
from services.notify.listener import SOURCES, Listener
from services.notify.senders import FEED, FEED_SUBJECTS, FeedSender
from services.notify.tests.happenings import allocation, catalog, event, request

SUBJECTS = {
    "ASSIGNMENT": ("fairslot.assignment.v1.>",),
    "AVAILABILITY": ("fairslot.availability.v1.>",),
}


@pytest_asyncio.fixture
async def bus(servers):
    """A bus whose streams are empty and new."""
    async with open_bus(servers.nats_url, name="test") as opened:
        for stream in (FEED, *SOURCES):
            with contextlib.suppress(Exception):
                await opened.jetstream.delete_stream(stream)
        for stream, subjects in SUBJECTS.items():
            await opened.ensure_stream(stream, subjects, bytes_max=2**26)
        yield opened


async def feed(bus: Bus, count: int, tenant: str = "*") -> list[Event]:
    """Reads the feed until it has told of this many events."""
    found: list[Event] = []
    async with asyncio.timeout(30):
        subjects = [FEED_SUBJECTS[0]] if tenant == "*" else [f"{EVENT}.{tenant}"]
        async for batch in bus.follow(FEED, subjects, after=0):
            found += batch
            if len(told(found)) >= count:
                return found
    raise AssertionError


EVENT = "fairslot.notify.v1.ChangesPublished"


def sent(events):
    return [one.headers["Nats-Msg-Id"] for one in events]


def bundle(entry):
    return events_pb2.ChangesPublished.FromString(entry.body)


def told(entries):
    return [one.id for entry in entries for one in bundle(entry).events]


def changes(entry):
    return bundle(entry).changes


def all_changes(entries):
    return [change for entry in entries for change in changes(entry)]


@contextlib.asynccontextmanager
async def listening(bus):
    task = asyncio.create_task(Listener(bus, FeedSender(bus)).run())
    try:
        yield task
    finally:
        await stopped([task])


async def test_each_event_is_told_once_and_in_order(bus):
    events = [event(allocation(f"a{n}"), "acme") for n in range(300)]
    async with listening(bus):
        await bus.publish(events)
        await bus.publish([event(request()), event(catalog("RESOURCE_SAVED", ["r1", "r2"]))])
        entries = await feed(bus, 302)
    assert [one for one in told(entries) if one in set(sent(events))] == sent(events)
    assert len(set(told(entries))) == 302
    ids = {(c.topic, c.id) for entry in entries for c in changes(entry)}
    assert {("holds", "a7"), ("requests", "q1"), ("catalog", "r1"), ("catalog", "r2")} <= ids
    first = next(one for entry in entries for one in changes(entry) if one.id == "a0")
    assert first.payload["resourceIds"] == ["r1"]
    assert first.payload["heldBy"] == "ben"
    assert first.version == 1
    assert first.at.ToJsonString() == "2027-03-01T09:30:00Z"


async def test_tenants_have_subjects_of_their_own(bus):
    async with listening(bus):
        await bus.publish([event(request(f"q-{t}"), t) for t in ("one", "two", "one")])
        await feed(bus, 3)
        entries = await feed(bus, 2, "one")
    assert {change.id for entry in entries for change in changes(entry)} == {"q-one"}


async def test_a_writer_that_dies_at_any_moment_loses_and_repeats_nothing(bus):
    events = [event(allocation(f"a{n}"), random.choice(["x", "y"])) for n in range(1500)]

    async def publish():
        for start in range(0, len(events), 50):
            await bus.publish(events[start : start + 50])
            await asyncio.sleep(0.01)

    publishing = asyncio.create_task(publish())
    for _ in range(12):
        async with listening(bus):
            await asyncio.sleep(random.uniform(0, 0.1))
    await publishing
    async with listening(bus):
        entries = await feed(bus, len(events))
    for tenant in ("x", "y"):
        mine = [one for one in events if one.tenant == tenant]
        assert told([one for one in entries if one.tenant == tenant]) == sent(mine)


async def test_two_writers_never_write_the_same_event_twice(bus, servers):
    ledger = [event(allocation(f"a{n}")) for n in range(600)]
    saved = [event(catalog("RESOURCE_SAVED", [f"r{n}"])) for n in range(600)]
    async with (
        open_bus(servers.nats_url, name="other") as other,
        listening(bus),
        listening(other),
    ):
        for start in range(0, 600, 20):
            # Two sources, so that the writers would mix them differently.
            await bus.publish(ledger[start : start + 20])
            await bus.publish(saved[start : start + 20])
            await asyncio.sleep(0.02)
        entries = await feed(bus, 1200)
        await asyncio.sleep(0.3)
    _, last = await bus.bounds(FEED)
    assert last == entries[-1].position
    assert len(told(entries)) == 1200
    for events in (ledger, saved):
        mine = set(sent(events))
        assert [one for one in told(entries) if one in mine] == sent(events)


async def test_a_lost_feed_is_made_again_with_the_same_identities(bus):
    events = [event(allocation(f"a{n}")) for n in range(50)] + [event(request())]
    async with listening(bus):
        await bus.publish(events)
        before = await feed(bus, 51)
    await bus.jetstream.delete_stream(FEED)
    async with listening(bus):
        after = await feed(bus, 51)
    assert told(after) == told(before)
    assert all_changes(after) == all_changes(before)


async def test_the_process_may_be_killed_under_load(bus, servers, tokens, database):
    own, address = database("notify"), f"127.0.0.1:{free_port()}"
    env = dict(os.environ) | {
        "FAIRSLOT_NOTIFY_ADDRESS": address,
        "FAIRSLOT_NOTIFY_DATABASE_URL": own.url,
        "FAIRSLOT_NOTIFY_WORKER_DATABASE_URL": own.worker_url,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "FAIRSLOT_NOTIFY_NATS_URL": servers.nats_url,
        "FAIRSLOT_NOTIFY_JWKS_PATH": str(tokens.jwks_path),
    }
    events = [event(allocation(f"a{n}")) for n in range(3000)]

    async def publish():
        for start in range(0, len(events), 20):
            await bus.publish(events[start : start + 20])
            await asyncio.sleep(0.02)

    publishing = asyncio.create_task(publish())
    command = (sys.executable, "-m", "services.notify")
    for life_seconds in (1.2, 1.0, 1.4):
        process = await asyncio.create_subprocess_exec(*command, env=env)
        await asyncio.sleep(life_seconds)
        process.kill()
        await process.wait()
    await publishing
    process = await asyncio.create_subprocess_exec(*command, env=env)
    try:
        entries = await feed(bus, len(events))
        # What is told to go before it serves may just die.
        async with grpc.aio.insecure_channel(address) as channel:
            await asyncio.wait_for(channel.channel_ready(), 10)
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 10) == 0
    assert told(entries) == sent(events)
