"""The slot engine: who is free at which start, for many resources at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.availability.domain import LAST_MINUTE, SlotShape, Span, StartBounds
from services.availability.rules.bits import (
    Index,
    Ruler,
    Words,
    counted,
    listed,
    packed,
    painted,
    row_of,
    words_for,
)
from services.availability.rules.expansions import Expansions
from services.availability.rules.intervals import Minutes, minutes
from services.availability.rules.lane import Lane
from services.availability.rules.limits import barred
from services.availability.rules.travel import Site, unreachable
from services.availability.rules.working import Pattern
from services.availability.rules.zones import Zones

# With more patterns than this, going through resources is faster than going through patterns.
PATTERNS_MAX = 24


@dataclass(frozen=True, slots=True)
class Contender:
    """A resource that may serve: its lane, and the minute from which it no longer qualifies."""

    lane: Lane
    until: int = LAST_MINUTE


@dataclass(frozen=True, slots=True)
class Grid:
    """Who is free at each start any pattern allows.

    `starts` is int32[S] ascending; `free` is uint64[S, words], a bit per resource in the order of
    the lanes.
    """

    starts: Minutes
    free: Words


@dataclass(frozen=True, slots=True)
class SlotTable:
    """Starts with at least one free resource, in columns.

    `starts` is int32[S] ascending, `capacities` int64[S]; `candidates` int64[sum of capacities] are
    indexes into the resources, slot after slot, ascending, so best static priority first.
    """

    starts: Minutes
    capacities: Index
    candidates: Index

    def __len__(self) -> int:
        return len(self.starts)


def free_slots(
    contenders: Sequence[Contender],
    shape: SlotShape,
    *,
    window: Span,
    bounds: StartBounds,
    expansions: Expansions,
    site: Site | None = None,
) -> SlotTable:
    """Gives every slot of the window; contenders must come best static priority first."""
    low, high = start_range(shape, window, bounds)
    if low >= high or not contenders:
        return table_of(minutes([]), np.zeros((0, 1), dtype=np.uint64))
    lanes = [contender.lane for contender in contenders]
    grid = free_grid(lanes, shape, span=Span(low, high), expansions=expansions)
    untils = minutes([contender.until for contender in contenders])
    free = still_qualified(grid, shape, untils) & reachable(grid, lanes, shape, site, expansions)
    return table_of(grid.starts, free)


def start_range(shape: SlotShape, window: Span, bounds: StartBounds) -> tuple[int, int]:
    """Gives the starts `[low, high)` that window, notice and horizon allow."""
    low = max(window.start, bounds.earliest)
    return low, min(window.end - shape.duration + 1, bounds.latest)


def table_of(starts: Minutes, free: Words) -> SlotTable:
    """Counts and lists who is free, and leaves out the starts at which nobody is."""
    capacities = counted(free)
    kept = np.flatnonzero(capacities)
    return SlotTable(starts[kept], capacities[kept], listed(free[kept]))


def joined(tables: Sequence[SlotTable]) -> SlotTable:
    """Puts tables of the same resources together that follow each other in time."""
    if len(tables) == 1:
        return tables[0]
    return SlotTable(
        np.concatenate([minutes([]), *(table.starts for table in tables)]),
        np.concatenate([np.array([], np.int64), *(table.capacities for table in tables)]),
        np.concatenate([np.array([], np.int64), *(table.candidates for table in tables)]),
    )


def free_grid(
    lanes: Sequence[Lane], shape: SlotShape, *, span: Span, expansions: Expansions
) -> Grid:
    """Gives who is free at which start in the span, by everything that is in the lanes."""
    allowed, group_of = _allowed(lanes, shape, span, expansions)
    marks = np.zeros(span.end - span.start, dtype=np.bool_)
    for column in allowed:
        marks[column - span.start] = True
    starts = minutes(marks.nonzero()[0] + span.start)
    if not len(starts):
        return Grid(starts, np.zeros((0, words_for(len(lanes))), dtype=np.uint64))
    ruler = Ruler(starts, span.start, span.end)
    rows, low, high = forbidden(lanes, shape, expansions.zones)
    taken = painted(rows, ruler.before(low), ruler.before(high), rows=len(starts), count=len(lanes))
    return Grid(starts, _allowed_words(allowed, group_of, ruler, len(starts)) & ~taken)


def still_qualified(grid: Grid, shape: SlotShape, untils: Minutes) -> Words:
    """Gives the bits of a grid without those of slots that end after a skill has run out."""
    if not len(grid.starts):
        return grid.free
    last = int(grid.starts[-1]) + shape.duration
    expiring = np.flatnonzero(untils < last)
    if not len(expiring):
        return grid.free
    rows = len(grid.starts)
    first = np.searchsorted(grid.starts, untils[expiring] - shape.duration, side="right")
    until_end = np.full(len(expiring), rows)
    return grid.free & ~painted(expiring, first, until_end, rows=rows, count=len(untils))


def reachable(
    grid: Grid, lanes: Sequence[Lane], shape: SlotShape, site: Site | None, expansions: Expansions
) -> Words:
    """Gives the bits of a grid without those of slots that cannot be travelled to, or from."""
    if site is None or not len(grid.starts):
        return grid.free
    span = Span(int(grid.starts[0]), int(grid.starts[-1]) + 1)
    rows, low, high = unreachable(lanes, shape, site, span=span, expansions=expansions)
    first, last = np.searchsorted(grid.starts, low), np.searchsorted(grid.starts, high)
    return grid.free & ~painted(rows, first, last, rows=len(grid.starts), count=len(lanes))


def forbidden(
    lanes: Sequence[Lane], shape: SlotShape, zones: Zones
) -> tuple[Index, Minutes, Minutes]:
    """Gives the ranges of starts `[low, high)` that the lanes forbid, with the lane of each."""
    taken = [lane.taken for lane in lanes]
    away = [row for row, lane in enumerate(lanes) if lane.schedule.time_off]
    leave = [lanes[row].leave for row in away]
    rows = np.concatenate((np.arange(len(lanes)), np.array(away, dtype=np.int64)))
    counts = [len(spans.starts) for spans in (*taken, *leave)]
    # What a slot occupies may not meet what is taken; the slot itself may not meet leave.
    before, after = np.int32(shape.buffer_before), np.int32(shape.buffer_after)
    reach = np.int32(shape.duration - 1)
    limited, full_from, full_until = barred(lanes, shape.duration, zones)
    lows = [np.concatenate([spans.starts for spans in taken]) - (reach + after)]
    highs = [np.concatenate([spans.ends for spans in taken]) + before]
    if leave:
        lows.append(np.concatenate([spans.starts for spans in leave]) - reach)
        highs.append(np.concatenate([spans.ends for spans in leave]))
    return (
        np.concatenate((np.repeat(rows, counts), limited)),
        np.concatenate((*lows, full_from)),
        np.concatenate((*highs, full_until)),
    )


def _allowed(
    lanes: Sequence[Lane], shape: SlotShape, span: Span, expansions: Expansions
) -> tuple[list[Minutes], Index]:
    """Gives the starts that each pattern allows, and which of them is each lane's."""
    groups: dict[Pattern, int] = {}
    columns: list[Minutes] = []
    group_of = np.empty(len(lanes), dtype=np.int64)
    for row, lane in enumerate(lanes):
        group = groups.setdefault(lane.pattern, len(columns))
        if group == len(columns):
            columns.append(expansions.starts(lane.pattern, shape, span.start, span.end))
        group_of[row] = group
    return columns, group_of


def _allowed_words(columns: list[Minutes], group_of: Index, ruler: Ruler, rows: int) -> Words:
    """Gives the bits of who works at which start."""
    if len(columns) > PATTERNS_MAX:
        allowed = np.zeros((rows, len(columns)), dtype=np.bool_)
        for group, column in enumerate(columns):
            allowed[ruler.before(column), group] = True
        return packed(allowed[:, group_of])
    words = np.zeros((rows, words_for(len(group_of))), dtype=np.uint64)
    for group, column in enumerate(columns):
        members = row_of((group_of == group).nonzero()[0], len(group_of))
        words[ruler.before(column)] |= members
    return words
