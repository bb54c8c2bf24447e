"""All feeds of this process: opened with their first watcher, closed some time after their last."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from math import inf

from gateway.domain import Entry, Mark, Position, Sign
from gateway.domain.presence import Glance
from gateway.engine.feed import Feed, Source, Watcher
from kit.call import Call, current_call
from kit.fault import Exhausted, Unavailable
from kit.stopping import stopped

# A feed whose last watcher left is followed this much longer: watchers come back.
LINGER_SECONDS = 30.0
# How long a resumed watch may wait for the feed's next old entry.
REPLAY_SILENCE_SECONDS = 5.0
# Lives of watches differ by this share, so that they do not all end at once.
LIFE_SPREAD = 0.1
# How often it is looked whether the feed is still the same.
LOOK_SECONDS = 2.0
# With how many more entries than that a reload is cheaper than a replay.
REPLAY_ENTRIES_MAX = 100_000


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How much a process takes on."""

    backlog_entries: int = 256  # per watcher
    watchers: int = 20_000
    silence_seconds: float = 15.0  # then a heartbeat
    life_seconds: float = 900.0  # of one watch; a forgotten one ends with it
    stuck_seconds: float = 20.0  # for telling one thing; who reads nothing is cut off then


# What a watcher is told at once: changes in order, or one of the others.
Told = tuple[Entry, ...] | Mark | Glance


def end_of_told(told: tuple[Entry, ...] | Mark) -> Position:
    """Returns where a watcher stands that has been told so."""
    return told.position if isinstance(told, Mark) else told[-1].position


class Hub:
    """Serves watches from as few subscriptions as there are tenants."""

    def __init__(self, source: Source, bounds: Bounds, *, chance: random.Random) -> None:
        self._source = source
        self._bounds = bounds
        self._chance = chance
        self._feeds: dict[str, Feed] = {}
        self._opening = asyncio.Lock()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._closing: set[asyncio.Task[None]] = set()
        # Each with the call it belongs to, and the task that serves it.
        self._watchers: dict[Watcher, tuple[Call, asyncio.Task[None]]] = {}
        self._leaving = False

    async def run(self) -> None:
        """Keeps the feeds going; raises what breaks one of them."""
        try:
            while not self._broken.done():
                await asyncio.wait({self._broken}, timeout=LOOK_SECONDS)
                self._evict()
                with suppress(Unavailable):
                    await self._look()
            self._broken.result()
        finally:
            await stopped(self._tasks.values())

    def _evict(self) -> None:
        """Cuts off those who take nothing: a stream that its client does not read never ends."""
        told_after = asyncio.get_running_loop().time() - self._bounds.stuck_seconds
        for watcher, (call, task) in list(self._watchers.items()):
            if 0 < watcher.telling_since < told_after and call.cut_off is None:
                call.cut_off = Unavailable("UNAVAILABLE", "nothing was read for too long")
                task.cancel()

    async def _look(self) -> None:
        """Starts those feeds anew that were lost and made again."""
        if not self._feeds:
            return
        epoch, _, _ = await self._source.reach()
        for feed in list(self._feeds.values()):
            task = self._tasks[feed.tenant]
            if feed.position.epoch != epoch or task.done():
                await stopped([task])
                head = await self._source.newest(feed.tenant)
                feed.start_anew(Position(epoch, head))
                self._start_following(feed)

    def _start_following(self, feed: Feed) -> None:
        self._tasks[feed.tenant] = task = asyncio.create_task(feed.run())
        task.add_done_callback(self._ended)

    async def leave(self) -> None:
        """Ends all watches, each with its last position, and takes no more."""
        self._leaving = True
        for feed in self._feeds.values():
            for watcher in feed.watchers:
                watcher.leave()

    def glance(self, tenant: str, glance: Glance) -> None:
        """Tells a tenant's watchers here what somebody looks at."""
        feed = self._feeds.get(tenant)
        if feed is not None:
            feed.glance(glance)

    async def watch(
        self,
        *,
        tenant: str,
        topics: frozenset[str],
        token: str,
        silence_seconds: float = inf,
        together: bool = False,
    ) -> AsyncGenerator[Told, None]:
        """Yields what a watcher is to be told: first where it stands, then changes, for a while.

        After `silence_seconds` without anything it is told that the feed is alive. Changes come
        one by one, unless they may come together.
        """
        if self._leaving:
            raise Unavailable("UNAVAILABLE", "this gateway is leaving; watch again")
        if len(self._watchers) >= self._bounds.watchers:
            raise Exhausted("RATE_LIMITED", "too many watches", retry_after_seconds=5)
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        bound = self._bounds.backlog_entries
        watcher = Watcher(topics=topics, bound=bound, together=together)
        self._watchers[watcher] = (current_call(), task)
        feed: Feed | None = None
        try:
            feed = await self._feed(tenant)
            feed.users += 1
            silence_seconds = min(silence_seconds, self._bounds.silence_seconds)
            async with aclosing(self._told(feed, watcher, token, silence_seconds)) as told:
                async for item in told:
                    watcher.telling_since = loop.time()
                    yield item
                    watcher.telling_since = 0.0
        finally:
            del self._watchers[watcher]
            if feed is not None:
                self._detach(feed, watcher)
        raise Unavailable("UNAVAILABLE", "this watch has ended; watch again from its last position")

    async def _told(
        self, feed: Feed, watcher: Watcher, token: str, silence_seconds: float
    ) -> AsyncGenerator[Told, None]:
        clock = asyncio.get_running_loop().time
        spread = self._chance.uniform(1 - LIFE_SPREAD, 1 + LIFE_SPREAD)
        ends_at = clock() + self._bounds.life_seconds * spread
        seen = feed.position_for(watcher)
        async with aclosing(self._beginning(feed, watcher, token)) as beginning:
            async for item in beginning:
                seen = end_of_told(item)
                yield item
        if self._leaving:
            watcher.leave()
        while not watcher.leaving and (left := ends_at - clock()) > 0:
            wait = min(left, silence_seconds)
            new = await watcher.next(silence_seconds=wait)
            if new is None and (watcher.leaving or clock() >= ends_at):
                break
            if isinstance(new, Glance):
                yield replace(new, position=feed.position_for(watcher))
                continue
            # In silence all up to the feed's head has been told, or was not asked for.
            told = new or Mark(Sign.HEARTBEAT, feed.position_for(watcher))
            seen = end_of_told(told)
            yield told
        last = seen if watcher.backlog else feed.position_for(watcher)
        yield Mark(Sign.HEARTBEAT, last)

    async def _beginning(
        self, feed: Feed, watcher: Watcher, token: str
    ) -> AsyncGenerator[tuple[Entry, ...] | Mark, None]:
        """Yields what brings a watcher from its token to the present, and attaches it there."""
        start = await self._start(feed, token)
        if start is None:
            feed.attach(watcher, after=feed.position.number)
            yield Mark(Sign.RESYNC, feed.position)
            return
        if not token:
            feed.attach(watcher, after=feed.position.number)
            yield Mark(Sign.HEARTBEAT, feed.position)
            return
        yield Mark(Sign.HEARTBEAT, start)
        reached = start.number
        async with aclosing(self._replay(feed, start)) as replay:
            async for batch in replay:
                reached = batch[-1].number
                for run in watcher.runs(filter(watcher.follows, batch)):
                    yield run
        if feed.position.epoch != start.epoch or reached < feed.remembers_after:
            feed.attach(watcher, after=feed.position.number)
            yield Mark(Sign.RESYNC, feed.position)
            return
        for run in watcher.runs(feed.attach(watcher, after=reached)):
            yield run

    async def _start(self, feed: Feed, token: str) -> Position | None:
        """Returns where a token lets a watcher start; None if it must reload."""
        if not token:
            return feed.position
        wanted = Position.of(token)
        if wanted is None or wanted.epoch != feed.position.epoch:
            return None
        if feed.remembers_after <= wanted.number <= feed.position.number:
            return wanted
        epoch, first, last = await self._source.reach()
        if epoch != wanted.epoch or not first - 1 <= wanted.number <= last:
            return None
        return wanted

    async def _replay(self, feed: Feed, start: Position) -> AsyncGenerator[Sequence[Entry], None]:
        """Yields entries that memory no longer has; stops early when that takes too long."""
        if start.number >= feed.remembers_after:
            return
        reached, count = start.number, 0
        async with aclosing(self._source.follow(feed.tenant, after=start)) as batches:
            while reached < feed.remembers_after and count < REPLAY_ENTRIES_MAX:
                try:
                    async with asyncio.timeout(REPLAY_SILENCE_SECONDS):
                        batch = await anext(batches, None)
                except TimeoutError:
                    return
                if batch is None:
                    return
                yield batch
                reached = batch[-1].number
                count += len(batch)

    async def _feed(self, tenant: str) -> Feed:
        async with self._opening:
            feed = self._feeds.get(tenant)
            if feed is None:
                epoch, _, _ = await self._source.reach()
                head = await self._source.newest(tenant)
                position = Position(epoch, head)
                feed = Feed(tenant=tenant, source=self._source, position=position)
                self._feeds[tenant] = feed
                self._start_following(feed)
            return feed

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) and not self._broken.done():
            self._broken.set_exception(error)

    def _detach(self, feed: Feed, watcher: Watcher) -> None:
        feed.watchers.discard(watcher)
        feed.users -= 1
        if not feed.users:
            asyncio.get_running_loop().call_later(LINGER_SECONDS, self._close, feed)

    def _close(self, feed: Feed) -> None:
        if not feed.users and self._feeds.get(feed.tenant) is feed:
            del self._feeds[feed.tenant]
            self._closing.add(
                closing := asyncio.create_task(stopped([self._tasks.pop(feed.tenant)]))
            )
            closing.add_done_callback(self._closing.discard)
