"""Where slots may start: whole steps from local midnight, or from the start of a shift."""

import numpy as np

from services.availability.domain import MINUTES_PER_DAY
from services.availability.rules.intervals import Minutes, Spans, merged, minutes
from services.availability.rules.working import Pieces
from services.availability.rules.zones import Zone

# A shift that joins the one before keeps that one's anchor, but only so far back: where working
# time never ends the anchor would lie in the infinite past, so there each shift anchors itself.
MAX_RUN_MINUTES = 7 * MINUTES_PER_DAY


def midnight_starts(zone: Zone, granularity: int, low: int, high: int) -> Minutes:
    """Gives the starts in `[low, high)` whose wall time is a multiple counted from midnight.

    A wall time in a gap gives no start, one in an overlap gives two.
    """
    seg = zone.segments(low, high)
    found = []
    for start, end, offset in zip(seg.starts, seg.ends, seg.offsets, strict=True):
        first, last = max(int(start), low) + int(offset), min(int(end), high) + int(offset)
        if first >= last:
            continue
        days = np.arange(first // MINUTES_PER_DAY, (last - 1) // MINUTES_PER_DAY + 1)
        steps = np.arange(0, MINUTES_PER_DAY, granularity)
        walls = (days[:, None] * MINUTES_PER_DAY + steps[None, :]).ravel()
        cut = slice(*np.searchsorted(walls, (first, last)))
        found.append(walls[cut] - int(offset))
    # Stretches follow each other and walls rise within each, so this is in order already.
    return minutes(np.concatenate(found)) if found else minutes([])


def window_starts(pieces: Pieces, granularity: int, low: int, high: int) -> Minutes:
    """Gives the starts in `[low, high)` that lie whole steps after the start of working time.

    `pieces` must reach back `MAX_RUN_MINUTES` before `low`.
    """
    order = np.argsort(pieces.starts, kind="stable")
    starts, ends = pieces.starts[order], pieces.ends[order]
    runs: Spans = merged(Spans(minutes(starts), minutes(ends)))
    if not len(runs):
        return minutes([])
    opening = runs.starts[np.searchsorted(runs.starts, starts, side="right") - 1].astype(np.int64)
    anchors = np.where(starts - opening <= MAX_RUN_MINUTES, opening, starts)
    first = anchors + -((anchors - np.maximum(starts, low)) // granularity) * granularity
    counts = np.maximum(0, -((first - np.minimum(ends, high)) // granularity))
    within = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    return minutes(np.unique(np.repeat(first, counts) + within * granularity))
