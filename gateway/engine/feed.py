"""The feed of one tenant in this process: what came lately, and who is watching."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import aclosing
from typing import Protocol

from gateway.domain import Backlog, Entry, Mark, Position, runs
from gateway.domain.presence import TOPIC as PRESENCE
from gateway.domain.presence import Glance, Glances, Untold

# After this many entries in a row, watchers that are taking theirs are given time for it: so many
# steps, and fewer where they take nothing. Counted in steps and not by a clock, as a process that
# stands still gives nobody the chance to take.
PACE_ENTRIES = 32
PACE_STEP_SECONDS = 0.002
PACE_STEPS = 125
STUCK_STEPS = 25
# What one message may hold to a watcher that takes changes together.
TOGETHER_ENTRIES_MAX = 256
TOGETHER_BYTES_MAX = 128 * 1024
# What a reconnecting watcher finds in memory; older entries are read from the feed again.
RECENT_MAX = 1_024


class Source(Protocol):
    """Where feeds are read."""

    async def reach(self) -> tuple[str, int, int]:
        """Returns the epoch and the first and last number that all feeds together still have."""
        ...

    async def newest(self, tenant: str) -> int:
        """Returns the number of the tenant's newest entry, or the one before all numbers."""
        ...

    def follow(self, tenant: str, *, after: Position) -> AsyncGenerator[Sequence[Entry], None]:
        """Yields the tenant's entries after a position, in order; ends where the feed was lost."""
        ...


class Watcher:
    """One stream being served."""

    def __init__(self, *, topics: frozenset[str], bound: int, together: bool = False) -> None:
        self.topics = topics
        self._together_max = TOGETHER_ENTRIES_MAX if together else 1
        self.after = 0  # entries up to this number were seen before
        self.backlog = Backlog(bound)
        self.untold = Untold()
        self.taken = 0
        self.lagging = False  # from then on not waited for, until it has caught up
        self.leaving = False
        # Since when one thing is being told, on the loop's clock; 0: nothing is.
        self.telling_since = 0.0
        self._crowded_above = bound // 2
        self._woken = asyncio.Event()

    @property
    def crowded(self) -> bool:
        """Whether its backlog is more than half full, and it is worth waiting for."""
        return not self.lagging and len(self.backlog.entries) > self._crowded_above

    def wants(self, entry: Entry) -> bool:
        """Returns whether the entry is one the watcher asked for and has not seen."""
        return entry.number > self.after and self.follows(entry)

    def follows(self, entry: Entry) -> bool:
        """Returns whether the entry is of a topic the watcher asked for."""
        return not self.topics or entry.topic in self.topics

    def offer(self, entry: Entry) -> None:
        """Adds a new entry to what is to be told."""
        if self.wants(entry):
            self.backlog.put(entry)
            self._woken.set()

    def glance(self, glance: Glance) -> None:
        """Adds what somebody looks at; it waits until all changes have been told."""
        if not self.topics or PRESENCE in self.topics:
            self.untold.put(glance)
            self._woken.set()

    def lose(self, position: Position) -> None:
        """Makes the watcher reload."""
        self.after = 0
        self.backlog.lose(position)
        self._woken.set()

    def leave(self) -> None:
        """Makes the watch end as soon as it can."""
        self.leaving = True
        self._woken.set()

    async def next(self, *, silence_seconds: float) -> tuple[Entry, ...] | Mark | Glance | None:
        """Returns what is to be told next; None after that much silence, or when it shall end."""
        self.taken += 1
        item = self._take()
        if item is None and not self.leaving:
            self.lagging = False
            self._woken.clear()
            try:
                async with asyncio.timeout(silence_seconds):
                    await self._woken.wait()
            except TimeoutError:
                return None
            item = self._take()
        return item

    def runs(self, entries: Iterable[Entry]) -> Iterator[tuple[Entry, ...]]:
        """Yields entries as this watcher takes them: one by one, or together."""
        return runs(entries, self._together_max, TOGETHER_BYTES_MAX)

    def _take(self) -> tuple[Entry, ...] | Mark | Glance | None:
        return self.backlog.take(self._together_max, TOGETHER_BYTES_MAX) or self.untold.take()


class Feed:
    """Follows one tenant's entries once and hands them to all who watch."""

    def __init__(self, *, tenant: str, source: Source, position: Position) -> None:
        self.tenant = tenant
        self.watchers: set[Watcher] = set()
        # Watches that use it, attached or about to be.
        self.users = 0
        self._source = source
        # The newest entry that was handed out.
        self.position = position
        self._recent: deque[Entry] = deque()
        self._glances = Glances()
        # All entries after this number are in memory.
        self.remembers_after = position.number

    def position_for(self, watcher: Watcher) -> Position:
        """Where a watcher stands that has been told all; it may be ahead, from another process."""
        return Position(self.position.epoch, max(self.position.number, watcher.after))

    async def run(self) -> None:
        """Follows until the feed is lost."""
        async with aclosing(self._source.follow(self.tenant, after=self.position)) as batches:
            async for batch in batches:
                for start in range(0, len(batch), PACE_ENTRIES):
                    for entry in batch[start : start + PACE_ENTRIES]:
                        self._take(entry)
                    await self._pace()

    async def _pace(self) -> None:
        """Waits a moment for those who are busy taking; for who is not quick enough, only once."""
        crowded = {watcher for watcher in self.watchers if watcher.crowded}
        before: dict[Watcher, int] = {}
        for step in range(1, PACE_STEPS + 1):
            if not crowded:
                return
            if step % STUCK_STEPS == 1:
                before = {watcher: watcher.taken for watcher in crowded}
            await asyncio.sleep(PACE_STEP_SECONDS)
            crowded = {watcher for watcher in crowded if watcher.crowded}
            if step % STUCK_STEPS == 0:
                for watcher in crowded:
                    watcher.lagging = watcher.taken == before[watcher] or step == PACE_STEPS
                crowded = {watcher for watcher in crowded if watcher.crowded}

    def _take(self, entry: Entry) -> None:
        self.position = entry.position
        self._recent.append(entry)
        if len(self._recent) > RECENT_MAX:
            self.remembers_after = self._recent.popleft().number
        for watcher in self.watchers:
            watcher.offer(entry)

    def glance(self, glance: Glance) -> None:
        """Tells all who watch what somebody looks at."""
        self._glances.put(glance, now_seconds=time.monotonic())
        for watcher in self.watchers:
            watcher.glance(glance)

    def start_anew(self, position: Position) -> None:
        """The feed was lost and made again: what watchers know has no place in it."""
        self.position = position
        self._recent.clear()
        self.remembers_after = position.number
        for watcher in self.watchers:
            watcher.lose(position)

    def attach(self, watcher: Watcher, *, after: int) -> list[Entry]:
        """Adds a watcher; returns what it must be told first, from memory.

        Everything later goes into its backlog, so nothing lies between.
        """
        watcher.after = after
        missed = [entry for entry in self._recent if watcher.wants(entry)]
        watcher.after = max(after, self.position.number)
        self.watchers.add(watcher)
        for glance in self._glances.now(now_seconds=time.monotonic()):
            watcher.glance(glance)
        return missed
