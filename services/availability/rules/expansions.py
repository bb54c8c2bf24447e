"""Keeps what is expanded from patterns: working time and allowed starts, in blocks of days."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TypeVar

import numpy as np

from services.availability.domain import MINUTES_PER_DAY, GridAnchor, SlotShape, Span
from services.availability.rules.grid import MAX_RUN_MINUTES, midnight_starts, window_starts
from services.availability.rules.intervals import Minutes, Spans, containing, minutes
from services.availability.rules.offered import OfferedMonth, offered_month
from services.availability.rules.working import (
    Pattern,
    attended,
    expand,
    local_days,
    working,
)
from services.availability.rules.zones import Zone, Zones

Made = TypeVar("Made")
# A pattern, and what else the thing kept depends on.
Key = tuple[Hashable, ...]

BLOCK_DAYS = 32
BLOCK_MINUTES = BLOCK_DAYS * MINUTES_PER_DAY
# About 2 KB each.
MAX_BLOCKS = 16_384


class Expansions:
    """Working time and allowed starts by (pattern, block), computed when first asked."""

    def __init__(self, zones: Zones) -> None:
        """Starts empty."""
        self.zones = zones
        # How many blocks were asked for, and how many of them had to be computed.
        self.asked = 0
        self.computed = 0
        self._spans: OrderedDict[Key, Spans] = OrderedDict()
        self._attended: OrderedDict[Key, Spans] = OrderedDict()
        self._starts: OrderedDict[Key, Minutes] = OrderedDict()
        self._months: OrderedDict[Key, OfferedMonth] = OrderedDict()

    def working(self, pattern: Pattern, low: int, high: int) -> Spans:
        """Gives merged working intervals, right within `[low, high)` and not clipped to it."""
        block = low // BLOCK_MINUTES
        start, end = block * BLOCK_MINUTES, (block + 1) * BLOCK_MINUTES
        zone = self.zones.get(pattern.time_zone)
        if high > end + MINUTES_PER_DAY:
            return working(zone, pattern, low, high)
        return self._kept(
            self._spans,
            (pattern, block),
            lambda: working(zone, pattern, start, end + MINUTES_PER_DAY),
        )

    def attended(self, pattern: Pattern, low: int, high: int) -> Spans:
        """Gives working time with its breaks, right within `[low, high)` and not clipped to it."""
        block = low // BLOCK_MINUTES
        start, end = block * BLOCK_MINUTES, (block + 1) * BLOCK_MINUTES
        zone = self.zones.get(pattern.time_zone)
        if high > end + MINUTES_PER_DAY:
            return attended(zone, pattern, low, high)
        return self._kept(
            self._attended,
            (pattern, block),
            lambda: attended(zone, pattern, start, end + MINUTES_PER_DAY),
        )

    def starts(self, pattern: Pattern, shape: SlotShape, low: int, high: int) -> Minutes:
        """Gives the starts in `[low, high)` on the grid whose slots lie inside working time."""
        if low >= high:
            return minutes([])
        blocks = [
            self._block(pattern, shape, block)
            for block in range(low // BLOCK_MINUTES, (high - 1) // BLOCK_MINUTES + 1)
        ]
        starts = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
        first, last = np.searchsorted(starts, (low, high))
        return starts[first:last]

    def month(self, pattern: Pattern, month: Span, tenant_zone: Zone) -> OfferedMonth:
        """Gives what a pattern offers in a month of the tenant's zone, leave apart."""
        return self._kept(
            self._months,
            (pattern, month, tenant_zone.name),
            lambda: offered_month(pattern, month, tenant_zone, self.zones),
        )

    def _block(self, pattern: Pattern, shape: SlotShape, block: int) -> Minutes:
        # What neither buffers nor anything else of the shape change.
        form = (shape.duration, shape.granularity, shape.anchor, shape.grid_zone)
        return self._kept(
            self._starts, (pattern, block, *form), lambda: self._expand(pattern, shape, block)
        )

    def _expand(self, pattern: Pattern, shape: SlotShape, block: int) -> Minutes:
        low, high = block * BLOCK_MINUTES, (block + 1) * BLOCK_MINUTES
        zone = self.zones.get(pattern.time_zone)
        back = MAX_RUN_MINUTES if shape.anchor is GridAnchor.WINDOW_START else 0
        worked = expand(zone, pattern, *local_days(low - back, high + shape.duration)).worked
        if not len(worked.days):
            return minutes([])
        if shape.anchor is GridAnchor.WINDOW_START:
            starts = window_starts(worked, shape.granularity, low, high)
        else:
            grid_zone = self.zones.get(shape.grid_zone or pattern.time_zone)
            starts = midnight_starts(grid_zone, shape.granularity, low, high)
        return starts[containing(worked.spans(), starts, shape.duration)]

    def _kept(self, shelf: OrderedDict[Key, Made], key: Key, make: Callable[[], Made]) -> Made:
        self.asked += 1
        known = shelf.get(key)
        if known is not None:
            shelf.move_to_end(key)
            return known
        self.computed += 1
        made = shelf[key] = make()
        if len(shelf) > MAX_BLOCKS:
            shelf.popitem(last=False)
        return made
