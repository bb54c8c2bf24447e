"""The rows of the feed: delay by number of watchers, bursts, readers that never read, a kill."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

from bench.feed import page
from bench.feed.rig import Rig, rig
from bench.feed.watchers import UNREAD, Watcher, channels, share, watching
from bench.table import Bench, Row

EVENTS = 40
COMPARED_EVENTS = 150
PAUSE_SECONDS = 0.05
LOOK_SECONDS = 0.02
WAIT_SECONDS = 120.0
BURST, BURST_THROUGH_ENVOY = 10_000, 1_000
HEALTHY, UNREADING, PADDING_BYTES, FLOOD_EVENTS = 50, 500, 4_000, 200
RESUMING = 200
EVICTION_SECONDS_MAX, RESUME_SECONDS_MAX, P99_RATIO_MAX = 30.0, 15.0, 1.2


async def rows(bench: Bench) -> AsyncIterator[Row]:
    """Measures each on the whole way from the outbox to the watcher, one after the other."""
    async with rig(bench) as running:
        for count in (1, 100, 1_000):
            bench.say(f"{count} watchers")
            yield await delay(running, count)
        bench.say(f"{BURST} watches at once")
        yield await burst(running, running.gateway, BURST)
        yield await burst(running, running.edge, BURST_THROUGH_ENVOY)
        bench.say(f"{UNREADING} readers that never read")
        for row in await unread(running):
            yield row
        bench.say("the gateway is killed")
        yield await killed(running)
    async for row in page.rows(bench):
        yield row


async def delay(running: Rig, count: int) -> Row:
    """From a change's commit to every watcher, through Envoy."""
    async with watching(running.edge, running.token, count) as watchers:
        times = await delays(running, watchers, f"d{count}")
    return Row(
        name=f"commit to {count} watchers, p99",
        value=share(times, 0.99) * 1000,
        unit="ms",
        note=f"p50 {share(times, 0.5) * 1000:.0f} ms; all watchers are one process beside it",
    )


async def delays(
    running: Rig, watchers: Sequence[Watcher], prefix: str, events: int = EVENTS
) -> list[float]:
    """Commits changes one by one; returns what each took to each watcher, in seconds."""
    committed = {}
    for number in range(events):
        name = f"{prefix}-{number}"
        committed[name] = await running.commit(name)
        await until(watchers, [name])
        await asyncio.sleep(PAUSE_SECONDS)
    return sorted(one.seen[name] - at for one in watchers for name, at in committed.items())


async def until(watchers: Sequence[Watcher], names: Sequence[str]) -> None:
    """Waits until all changes have reached all watchers."""
    missing = {(one, name) for one in watchers for name in names}
    async with asyncio.timeout(WAIT_SECONDS):
        while missing:
            await asyncio.sleep(LOOK_SECONDS)
            missing = {(one, name) for one, name in missing if name not in one.seen}


async def burst(running: Rig, address: str, count: int) -> Row:
    """So many watches opened at once: how many were refused, and what each costs."""
    process = "envoy" if address == running.edge else "gateway"
    before, begun = running.memory_kilobytes(process), time.monotonic()
    async with watching(address, running.token, count) as watchers:
        seconds = time.monotonic() - begun
        good = sum(one.opened.is_set() for one in watchers)
        each = (running.memory_kilobytes(process) - before) / count
    through = "Envoy" if address == running.edge else "one gateway process"
    return Row(
        name=f"{count} idle watches in a burst on {through}",
        value=count - good,
        unit="refused",
        goal="none refused",
        reached=good == count,
        note=f"all open after {seconds:.1f} s; {each:.1f} KB of its memory for each",
    )


async def unread(running: Rig) -> list[Row]:
    """Readers that never read: when they are cut off, and what the others notice."""
    async with (
        watching(running.gateway, running.token, HEALTHY) as healthy,
        channels(running.gateway, UNREADING, UNREAD) as opened,
    ):
        alone = await delays(running, healthy, "alone", COMPARED_EVENTS)
        cut_off = await running.cut_off()
        lazy = [Watcher(opened[n % len(opened)], running.token) for n in range(UNREADING)]
        calls = [one.unread() for one in lazy]
        await asyncio.gather(*(call.initial_metadata() for call in calls))
        for number in range(FLOOD_EVENTS):
            await running.commit(f"flood-{number}", PADDING_BYTES)
        begun = time.monotonic()
        await until(healthy, [f"flood-{FLOOD_EVENTS - 1}"])
        beside = await delays(running, healthy, "beside", COMPARED_EVENTS)
        gone = 0
        while gone < UNREADING and time.monotonic() - begun < WAIT_SECONDS:
            await asyncio.sleep(LOOK_SECONDS)
            gone = await running.cut_off() - cut_off
        seconds = time.monotonic() - begun
        for call in calls:
            call.cancel()
    ratio = share(beside, 0.99) / share(alone, 0.99)
    return [
        Row(
            name=f"{UNREADING} readers that never read are cut off after",
            value=seconds,
            unit="s",
            goal=f"within {EVICTION_SECONDS_MAX:.0f} s",
            reached=gone >= UNREADING and seconds <= EVICTION_SECONDS_MAX,
            note=f"{gone} cut off; counted from the end of a flood of {FLOOD_EVENTS} changes",
        ),
        Row(
            name=f"commit to {HEALTHY} watchers beside them, p99",
            value=share(beside, 0.99) * 1000,
            unit="ms",
            against="without them",
            against_value=share(alone, 0.99) * 1000,
            ratio=share(alone, 0.99) / share(beside, 0.99),
            goal="within 20 %",
            reached=ratio <= P99_RATIO_MAX,
        ),
    ]


async def killed(running: Rig) -> Row:
    """The gateway killed under load: when everybody has gone on, and what they missed."""
    async with watching(running.gateway, running.token, RESUMING, again=True) as watchers:
        names = [f"kill-{number}" for number in range(EVENTS * 2)]
        for number, name in enumerate(names):
            if number == EVENTS:
                running.processes["gateway"].kill()
                await running.processes["gateway"].wait()
                begun = time.monotonic()
                await running.start("gateway")
            await running.commit(name)
            await asyncio.sleep(PAUSE_SECONDS)
        await until(watchers, names)
    last = max(one.seen[names[EVENTS]] for one in watchers) - begun
    return Row(
        name=f"gateway killed under load: all {RESUMING} watchers go on after",
        value=last,
        unit="s",
        goal=f"within {RESUME_SECONDS_MAX:.0f} s, without a gap",
        reached=last <= RESUME_SECONDS_MAX,
        note=f"{len(names)} changes, none missing at anybody",
    )
