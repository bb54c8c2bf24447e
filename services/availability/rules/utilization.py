"""Measures how much of their working time resources are booked, day by day."""

from collections.abc import Sequence

import numpy as np

from services.availability.domain import MINUTES_PER_DAY, Span
from services.availability.rules.intervals import Spans
from services.availability.rules.zones import Wide, Zone


def day_edges(window: Span, zone: Zone) -> tuple[list[int], Wide]:
    """Gives the local days a window touches, and where each begins and ends inside the window."""
    first = zone.wall_of(window.start) // MINUTES_PER_DAY
    last = zone.wall_of(max(window.start, window.end - 1)) // MINUTES_PER_DAY
    edges = np.clip(zone.midnights(first, last + 1), window.start, window.end)
    return list(range(first, last + 1)), edges


def minutes_by_day(spans: Spans, edges: Wide) -> Wide:
    """Gives how many minutes of merged spans lie between each two edges."""
    lengths = (spans.ends - spans.starts).astype(np.int64)
    total = np.concatenate(([0], np.cumsum(lengths)))
    index = np.searchsorted(spans.starts, edges, side="right")
    before = total[index]
    if len(spans):
        last = np.maximum(index - 1, 0)
        inside = np.maximum(0, spans.ends[last].astype(np.int64) - edges)
        before = before - np.where(index > 0, np.minimum(inside, lengths[last]), 0)
    found: Wide = np.diff(before)
    return found


def touching_by_day(slots: Sequence[Span], edges: Wide) -> Wide:
    """Gives how many slots touch the time between each two edges."""
    starts = np.sort(np.array([slot.start for slot in slots], dtype=np.int64))
    ends = np.sort(np.array([slot.end for slot in slots], dtype=np.int64))
    begun = np.searchsorted(starts, edges[1:], side="left")
    over = np.searchsorted(ends, edges[:-1], side="right")
    found: Wide = np.where(edges[:-1] < edges[1:], begun - over, 0)
    return found


def percent(booked: int, working: int) -> int:
    """Gives whole percent, rounded down; 0 where there is no working time."""
    return 100 * booked // working if working else 0
