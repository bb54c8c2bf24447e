"""A planner who watches the feed all along and remembers what came."""

import asyncio
import time
from dataclasses import dataclass, field

from fairslot.gateway.v1.planner_pb2 import Change

from bench.history import Seen
from client import Client

TOPICS = ("holds", "assignments")


@dataclass
class Planner:
    """One watcher: everything it was sent, and what the world looks like from there."""

    name: str
    client: Client
    seen: list[Seen] = field(default_factory=list)
    # The kind of the newest change of each thing.
    folded: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)
    resyncs: int = 0
    watching: asyncio.Event = field(default_factory=asyncio.Event)

    async def watch(self) -> None:
        """Watches until cancelled."""
        async for change in self.client.watch(TOPICS, heartbeats=True):
            if change.kind == Change.HEARTBEAT:
                # The first one says that nothing from now on is missed.
                self.watching.set()
            elif change.kind == Change.RESYNC:
                self.resyncs += 1
            else:
                self._take(change)

    def _take(self, change: Change) -> None:
        self.seen.append(Seen(change.topic, change.id, change.version, time.time()))
        known, _ = self.folded.get((change.topic, change.id), (0, ""))
        if change.version > known:
            kind = Change.Kind.Name(change.kind)
            self.folded[change.topic, change.id] = (change.version, kind)

    @property
    def last_received(self) -> float:
        """When the newest change came, in seconds since the epoch; 0 before the first."""
        return self.seen[-1].received if self.seen else 0.0
