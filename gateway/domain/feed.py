"""The feed as watchers see it: entries, positions to resume from, and a backlog with a bound."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum

TOKEN = re.compile(r"^([0-9a-f]{8})-([0-9]{1,18})$")
# Every change of the feed has a number of its own, so that whoever resumes is told nothing twice.
# Each bundle has this many of them, which is more than NATS takes changes in one message.
CHANGES_PER_BUNDLE = 1 << 16
# A backlog that holds more than this part of its bound after packing would be packed at every step.
PACKED_SHARE_MAX = 0.75


@dataclass(frozen=True, slots=True)
class Position:
    """How far a watcher has come. Positions of one feed compare by number; another feed is another
    epoch.
    """

    epoch: str
    number: int

    def __str__(self) -> str:
        """Returns the resume token."""
        return f"{self.epoch}-{self.number}"

    @classmethod
    def of(cls, token: str) -> Position | None:
        """Returns the position that a token says; None if it is not one of ours."""
        match = TOKEN.match(token)
        return cls(match[1], int(match[2])) if match else None


def number_of(bundle: int, index: int) -> int:
    """Returns the number of a bundle's change; `bundle` is its place in the stream, from 1."""
    return bundle * CHANGES_PER_BUNDLE + index


def end_of(bundle: int) -> int:
    """Returns the number of whatever comes last in a bundle."""
    return number_of(bundle + 1, 0) - 1


def bundle_of(number: int) -> int:
    """Returns the bundle that a number belongs to."""
    return number // CHANGES_PER_BUNDLE


@dataclass(frozen=True, slots=True)
class Entry:
    """One change, ready to be sent to any number of watchers."""

    epoch: str
    # Where it stands in the feed.
    number: int
    topic: str
    # Which thing it is about.
    key: str
    version: int
    body: bytes

    @property
    def position(self) -> Position:
        """Where a watcher that has seen it may resume."""
        return Position(self.epoch, self.number)


class Sign(Enum):
    """What is told beside changes."""

    HEARTBEAT = "HEARTBEAT"
    RESYNC = "RESYNC"


@dataclass(frozen=True, slots=True)
class Mark:
    """A sign with the position at which it is true."""

    sign: Sign
    position: Position


@dataclass(slots=True)
class Backlog:
    """What a watcher has not taken yet: at most `bound` entries.

    A full backlog keeps only the latest version of each thing. If that is not enough it forgets
    all, and the watcher must reload.
    """

    bound: int
    entries: deque[Entry] = field(default_factory=deque)
    # Where the watcher must resynchronise first, if it fell behind.
    lost_at: Position | None = None

    def __bool__(self) -> bool:
        """Whether anything is left to be told."""
        return bool(self.entries) or self.lost_at is not None

    def put(self, entry: Entry) -> None:
        """Adds the newest entry."""
        self.entries.append(entry)
        if len(self.entries) > self.bound:
            self.entries = deque(latest(self.entries))
            if len(self.entries) > self.bound * PACKED_SHARE_MAX:
                self.lose(Position(entry.epoch, entry.number))

    def lose(self, position: Position) -> None:
        """Forgets all: everything up to the position must be reloaded."""
        self.entries.clear()
        self.lost_at = position

    def take(self, entries_max: int = 1, bytes_max: int = 0) -> tuple[Entry, ...] | Mark | None:
        """Returns what is to be told next, if anything is: entries as many as the bounds allow, and
        at least one.
        """
        if self.lost_at is not None:
            mark = Mark(Sign.RESYNC, self.lost_at)
            self.lost_at = None
            return mark
        taken = next(runs(self.entries, entries_max, bytes_max), None)
        for _ in taken or ():
            self.entries.popleft()
        return taken


def runs(entries: Iterable[Entry], entries_max: int, bytes_max: int) -> Iterator[tuple[Entry, ...]]:
    """Yields entries in runs that keep to these bounds; one that is too large is a run of its
    own.
    """
    run: list[Entry] = []
    size = 0
    for entry in entries:
        size += len(entry.body)
        if run and (len(run) == entries_max or size > bytes_max):
            yield tuple(run)
            run, size = [], len(entry.body)
        run.append(entry)
    if run:
        yield tuple(run)


def latest(entries: Iterable[Entry]) -> list[Entry]:
    """Returns the entry of the highest version for each thing, in feed order of what is kept."""
    kept: dict[str, Entry] = {}
    for entry in entries:
        before = kept.get(entry.key)
        if before is None or before.version <= entry.version:
            # Taken out first, so that it stands where it came last and positions keep rising.
            kept.pop(entry.key, None)
            kept[entry.key] = entry
    return list(kept.values())
