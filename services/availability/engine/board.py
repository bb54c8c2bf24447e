"""Who is free when, for one service class of a tenant: bits in blocks of one day."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from itertools import pairwise
from typing import Protocol

import numpy as np

from services.availability.domain import MINUTES_PER_DAY, SlotShape, Span
from services.availability.engine.roster import Eligible, Roster
from services.availability.rules.bits import WORD_BITS, Index, Words, counted, unpacked, words_for
from services.availability.rules.expansions import Expansions
from services.availability.rules.intervals import Minutes
from services.availability.rules.lane import Lane
from services.availability.rules.slots import Grid, free_grid, still_qualified

# Starts by resources that are computed at once; others get their turn after so many.
CELLS_MAX = 4_000_000
# An event counts for the limits of its local week, which ends no further away than this.
LIMITS_REACH_MINUTES = 9 * MINUTES_PER_DAY
# Forms of question whose counts a block keeps.
COUNTS_MAX = 16


class Ground(Protocol):
    """What bits are made from: a tenant at a moment."""

    @property
    def roster(self) -> Roster:
        """Who has bits, in the order of their columns."""

    def generation(self, span: Span) -> str:
        """Names the state of all that is taken in a span."""

    def lane(self, resource_id: str, now: datetime, *, keep: bool = True) -> Lane:
        """Gives the time of one resource."""


@dataclass(slots=True)
class Counted:
    """What a form of question finds in a block: capacity by row, and the rows with any."""

    eligible: Eligible
    capacities: Index
    rows: Index


@dataclass(slots=True)
class Block:
    """One day (UTC): a bit per start and resource, and which resources must be marked again."""

    grid: Grid
    # When somebody last looked, on the event loop's clock.
    used_at: float = 0.0
    dirty: set[int] = field(default_factory=set)
    counts: dict[int, Counted] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """What the bits take in memory."""
        return self.grid.free.nbytes + self.grid.starts.nbytes

    def counted(self, eligible: Eligible, shape: SlotShape) -> Counted:
        """Gives capacities for a form of question; kept until a bit changes."""
        known = self.counts.get(id(eligible))
        if known is not None:
            return known
        if len(self.counts) >= COUNTS_MAX:
            self.counts.clear()
        capacities = counted(self.free_of(eligible, shape))
        # It holds on to who is eligible, so that the number stays theirs.
        made = Counted(eligible, capacities, capacities.nonzero()[0])
        self.counts[id(eligible)] = made
        return made

    def free_of(self, eligible: Eligible, shape: SlotShape) -> Words:
        """Gives the bits of those who may serve."""
        free = self.grid.free if eligible.everybody else self.grid.free & eligible.mask
        if eligible.untils is None:
            return free
        return still_qualified(Grid(self.grid.starts, free), shape, eligible.untils)


class Board:
    """The blocks of a service class. An event marks one resource, which is looked at when asked."""

    def __init__(
        self,
        world: Ground,
        shape: SlotShape,
        expansions: Expansions,
        *,
        keep: bool = True,
    ) -> None:
        """Starts without blocks; `keep` is for those whose lanes are those of now."""
        self.shape = shape
        # Columns are the ranks of this one; a board never outlives its order.
        self._world = world
        self._expansions = expansions
        self._keep = keep
        self._blocks: dict[int, Block] = {}

    def __contains__(self, day: int) -> bool:
        return day in self._blocks

    def items(self) -> Iterator[tuple[int, Block]]:
        """Gives the days in memory with their blocks."""
        yield from self._blocks.items()

    def reach(self, day: int) -> Span:
        """Gives the span in which something taken can be in the way of a start on the day."""
        margin = LIMITS_REACH_MINUTES if self._world.roster.limited else 0
        low, high = day * MINUTES_PER_DAY, (day + 1) * MINUTES_PER_DAY
        return Span(
            low - self.shape.buffer_before - margin,
            high + self.shape.duration + self.shape.buffer_after + margin,
        )

    def generation(self, day: int) -> str:
        """Names the state on which the bits of a day depend."""
        return self._world.generation(self.reach(day))

    def touch(self, rank: int, occupied: Span) -> None:
        """Takes note that a resource's time changed in a span."""
        # What `reach` says, from the other side.
        margin = LIMITS_REACH_MINUTES if self._world.roster.limited else 0
        low = occupied.start - self.shape.duration - self.shape.buffer_after - margin
        high = occupied.end + self.shape.buffer_before + margin
        for day in range(low // MINUTES_PER_DAY, high // MINUTES_PER_DAY + 1):
            block = self._blocks.get(day)
            if block is not None:
                block.dirty.add(rank)

    def touch_all(self, rank: int) -> None:
        """Takes note that anything of a resource may have changed."""
        for block in self._blocks.values():
            block.dirty.add(rank)

    def fits(self, grid: Grid) -> bool:
        """Says whether a block has as many columns as there are resources."""
        return grid.free.shape == (len(grid.starts), words_for(len(self._world.roster)))

    def adopt(self, day: int, grid: Grid) -> None:
        """Takes over a block that was computed elsewhere, from the same generation."""
        self._blocks[day] = Block(grid)

    def forget(self, day: int) -> None:
        """Lets go of a block."""
        self._blocks.pop(day, None)

    def runs(self, days: Iterable[int]) -> list[range]:
        """Puts days that follow each other together, as many as are computed at once."""
        per_day = max(1, len(self._world.roster)) * max(
            1, MINUTES_PER_DAY // self.shape.granularity
        )
        most = max(1, CELLS_MAX // per_day)
        found: list[range] = []
        for day in days:
            if found and found[-1].stop == day and len(found[-1]) < most:
                found[-1] = range(found[-1].start, day + 1)
            else:
                found.append(range(day, day + 1))
        return found

    def build(self, days: range, now: datetime) -> None:
        """Computes the blocks of days that follow each other."""
        lanes = [self._world.lane(one, now, keep=self._keep) for one in self._world.roster.ranked]
        span = Span(days.start * MINUTES_PER_DAY, days.stop * MINUTES_PER_DAY)
        grid = free_grid(lanes, self.shape, span=span, expansions=self._expansions)
        edges = np.searchsorted(
            grid.starts, [day * MINUTES_PER_DAY for day in (*days, days.stop)]
        ).tolist()
        for day, (first, last) in zip(days, pairwise(edges), strict=True):
            # Copies, so that one block can go without the others.
            part = Grid(grid.starts[first:last].copy(), grid.free[first:last].copy())
            self._blocks[day] = Block(part)

    def block(self, day: int, now: datetime) -> Block | None:
        """Gives a block with every bit as it is now, or none where it is not in memory."""
        block = self._blocks.get(day)
        if block is not None and block.dirty and not self._mark(day, block, now):
            self.build(range(day, day + 1), now)
            return self._blocks[day]
        return block

    def _mark(self, day: int, block: Block, now: datetime) -> bool:
        """Marks the resources again that changed; fails where one has starts the block lacks."""
        ranks = sorted(block.dirty)
        ranked = self._world.roster.ranked
        lanes = [self._world.lane(ranked[rank], now, keep=self._keep) for rank in ranks]
        grid = free_grid(lanes, self.shape, span=day_span(day), expansions=self._expansions)
        rows = rows_of(grid.starts, block.grid.starts)
        if rows is None:
            return False
        flags = unpacked(grid.free, len(ranks))
        free = block.grid.free
        for position, rank in enumerate(ranks):
            word, bit = rank // WORD_BITS, np.uint64(1 << rank % WORD_BITS)
            free[:, word] &= ~bit
            free[rows[flags[:, position]], word] |= bit
        block.dirty.clear()
        block.counts.clear()
        return True


def day_span(day: int) -> Span:
    """Gives the minutes of a day (UTC), counted from 1970-01-01."""
    return Span(day * MINUTES_PER_DAY, (day + 1) * MINUTES_PER_DAY)


def rows_of(starts: Minutes, known: Minutes) -> Index | None:
    """Gives where each start stands among the known ones; none where one is not known."""
    rows = np.searchsorted(known, starts)
    if len(starts) and (rows[-1] == len(known) or not np.array_equal(known[rows], starts)):
        return None
    found: Index = rows
    return found


def generation_of(revision: int, stamps: Mapping[int, str], span: Span) -> str:
    """Names a state: the catalog's revision, and the last event on each day of the span."""
    text = f"{revision} {' '.join(stamps.get(day, '-') for day in span.days())}"
    return blake2b(text.encode(), digest_size=12).hexdigest()
