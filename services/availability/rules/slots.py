"""The slot engine: who is free at which start, for many resources at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.availability.domain import LAST_MINUTE, MINUTES_PER_DAY, SlotShape, Span, StartBounds
from services.availability.rules.expansions import Expansions
from services.availability.rules.intervals import Minutes, minutes
from services.availability.rules.lane import Lane
from services.availability.rules.working import Pattern

Mask = npt.NDArray[np.bool_]
Index = npt.NDArray[np.int64]

# A table of starts by resources holds at most this many cells; a longer window is cut in parts.
MAX_CELLS = 4_000_000


@dataclass(frozen=True, slots=True)
class Contender:
    """A resource that may serve: its lane, and the minute from which it no longer qualifies."""

    lane: Lane
    until: int = LAST_MINUTE


@dataclass(frozen=True, slots=True)
class SlotTable:
    """Starts with at least one free resource, in columns.

    `starts` is int32[S] ascending, `capacities` int64[S]; `candidates` int64[sum of capacities] are
    indexes into the contenders, slot after slot, ascending, so best static priority first.
    """

    starts: Minutes
    capacities: Index
    candidates: Index

    def __len__(self) -> int:
        return len(self.starts)


@dataclass(frozen=True, slots=True)
class Part:
    """The slots that start before `end`; the last one reaches the end of the window."""

    table: SlotTable
    end: int
    last: bool


def free_slots(
    contenders: Sequence[Contender],
    shape: SlotShape,
    *,
    window: Span,
    bounds: StartBounds,
    expansions: Expansions,
) -> SlotTable:
    """Gives every slot of the window; contenders must come best static priority first."""
    parts = slot_tables(contenders, shape, window=window, bounds=bounds, expansions=expansions)
    return joined([part.table for part in parts])


def joined(tables: Sequence[SlotTable]) -> SlotTable:
    """Puts tables of the same contenders together that follow each other in time."""
    if len(tables) == 1:
        return tables[0]
    return SlotTable(
        np.concatenate([minutes([]), *(table.starts for table in tables)]),
        np.concatenate([np.array([], np.int64), *(table.capacities for table in tables)]),
        np.concatenate([np.array([], np.int64), *(table.candidates for table in tables)]),
    )


def slot_tables(
    contenders: Sequence[Contender],
    shape: SlotShape,
    *,
    window: Span,
    bounds: StartBounds,
    expansions: Expansions,
) -> Iterator[Part]:
    """Gives the slots of the window part after part, so that a long window costs no memory."""
    low, high = start_range(shape, window, bounds)
    if not contenders or low >= high:
        return
    per_day = len(contenders) * max(1, MINUTES_PER_DAY // shape.granularity)
    step = max(1, MAX_CELLS // per_day) * MINUTES_PER_DAY
    for begin in range(low, high, step):
        end = min(begin + step, high)
        yield Part(_table(contenders, shape, begin, end, expansions), end, end == high)


def start_range(shape: SlotShape, window: Span, bounds: StartBounds) -> tuple[int, int]:
    """Gives the starts `[low, high)` that window, notice and horizon allow."""
    low = max(window.start, bounds.earliest)
    return low, min(window.end - shape.duration + 1, bounds.latest)


def _table(
    contenders: Sequence[Contender], shape: SlotShape, low: int, high: int, expansions: Expansions
) -> SlotTable:
    starts, allowed, group_of = _allowed(contenders, shape, low, high, expansions)
    if not len(starts):
        return SlotTable(starts, np.array([], np.int64), np.array([], np.int64))
    free = _unblocked(contenders, shape, starts)
    free &= allowed if len(allowed) == 1 else allowed[group_of]
    by_start = np.ascontiguousarray(free.T)
    capacities = np.count_nonzero(by_start, axis=1)
    kept = capacities > 0
    # Row by row, so the candidates of one start follow each other in the order of contenders.
    candidates = np.flatnonzero(by_start) % len(contenders)
    return SlotTable(starts[kept], capacities[kept], candidates)


def _allowed(
    contenders: Sequence[Contender], shape: SlotShape, low: int, high: int, expansions: Expansions
) -> tuple[Minutes, Mask, Index]:
    """Gives all starts of any pattern, which pattern allows which, and each contender's pattern."""
    groups: dict[Pattern, int] = {}
    columns: list[Minutes] = []
    group_of = np.empty(len(contenders), dtype=np.int64)
    for row, contender in enumerate(contenders):
        pattern = contender.lane.pattern
        group = groups.setdefault(pattern, len(columns))
        if group == len(columns):
            columns.append(expansions.starts(pattern, shape, low, high))
        group_of[row] = group
    if len(columns) == 1:
        return columns[0], np.ones((1, len(columns[0])), dtype=np.bool_), group_of
    starts = np.unique(np.concatenate(columns))
    allowed = np.zeros((len(columns), len(starts)), dtype=np.bool_)
    for group, column in enumerate(columns):
        allowed[group, np.searchsorted(starts, column)] = True
    return starts, allowed, group_of


def _unblocked(contenders: Sequence[Contender], shape: SlotShape, starts: Minutes) -> Mask:
    """Says for each contender and start whether nothing that is taken or leave is in the way.

    Each thing in the way forbids one range of starts. Marking +1 where a range begins and -1 where
    it ends, a running sum is zero exactly where nothing forbids: no sorting, no loop over slots.
    """
    rows, low, high = _forbidden(contenders, shape)
    seen = (high > starts[0]) & (low <= starts[-1])
    rows, low, high = rows[seen], low[seen], high[seen]
    width = len(starts) + 1
    marks = np.zeros(len(contenders) * width, dtype=np.int16)
    np.add.at(marks, rows * width + np.searchsorted(starts, low), np.int16(1))
    np.subtract.at(marks, rows * width + np.searchsorted(starts, high), np.int16(1))
    depth = np.cumsum(marks.reshape(len(contenders), width), axis=1, dtype=np.int16)
    result: Mask = depth[:, :-1] == 0
    return result


def _forbidden(contenders: Sequence[Contender], shape: SlotShape) -> tuple[Index, Minutes, Minutes]:
    """Gives the ranges of starts `[low, high)` that are forbidden, with their contender's row."""
    taken = [contender.lane.taken for contender in contenders]
    leave = [contender.lane.leave for contender in contenders]
    until = minutes([contender.until for contender in contenders])
    rows = np.arange(len(contenders))
    counts = [*(len(spans.starts) for spans in taken), *(len(spans.starts) for spans in leave)]
    # What a slot occupies may not meet what is taken; the slot itself may not meet leave.
    before, after = np.int32(shape.buffer_before), np.int32(shape.buffer_after)
    reach = np.int32(shape.duration - 1)
    return (
        np.concatenate((np.repeat(np.concatenate((rows, rows)), counts), rows)),
        np.concatenate(
            (
                np.concatenate([spans.starts for spans in taken]) - (reach + after),
                np.concatenate([spans.starts for spans in leave]) - reach,
                until - reach,
            )
        ),
        np.concatenate(
            (
                np.concatenate([spans.ends for spans in taken]) + before,
                *(spans.ends for spans in leave),
                np.full(len(contenders), LAST_MINUTE, dtype=np.int32),
            )
        ),
    )
