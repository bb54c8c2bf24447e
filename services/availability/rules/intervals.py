"""Algebra of half-open intervals held as two int32 arrays of minutes, starts and ends."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.availability.domain import Span

Minutes = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Spans:
    """Intervals `[starts[i], ends[i])`; merged ones are sorted, disjoint and do not touch."""

    starts: Minutes
    ends: Minutes

    def __len__(self) -> int:
        return len(self.starts)


def minutes(values: Sequence[int] | npt.NDArray[np.integer]) -> Minutes:
    """Gives an int32 array of the values."""
    return np.asarray(values, dtype=np.int32)


def empty() -> Spans:
    """Gives no intervals."""
    return Spans(minutes([]), minutes([]))


def spans_of(pieces: Sequence[Span]) -> Spans:
    """Gives the merged intervals of some spans, in any order."""
    return merged(
        Spans(minutes([span.start for span in pieces]), minutes([span.end for span in pieces]))
    )


def merged(spans: Spans) -> Spans:
    """Gives the union: sorted, disjoint; what touches or overlaps is one, what is empty is gone."""
    real = spans.starts < spans.ends
    starts, ends = spans.starts[real], spans.ends[real]
    if len(starts) < 2:
        return Spans(starts, ends)
    order = np.argsort(starts, kind="stable")
    starts, reach = starts[order], np.maximum.accumulate(ends[order])
    opens = np.concatenate(([True], starts[1:] > reach[:-1]))
    closes = np.concatenate((opens[1:], [True]))
    return Spans(starts[opens], reach[closes])


def with_span(spans: Spans, span: Span) -> Spans:
    """Gives merged intervals with one more, merged; what it touches or overlaps becomes one."""
    if span.start >= span.end:
        return spans
    first = int(np.searchsorted(spans.ends, span.start, side="left"))
    last = int(np.searchsorted(spans.starts, span.end, side="right"))
    start, end = span.start, span.end
    if first < last:
        start, end = min(start, int(spans.starts[first])), max(end, int(spans.ends[last - 1]))
    middle = minutes([start]), minutes([end])
    return Spans(
        np.concatenate((spans.starts[:first], middle[0], spans.starts[last:])),
        np.concatenate((spans.ends[:first], middle[1], spans.ends[last:])),
    )


def subtracted(spans: Spans, taken: Spans) -> Spans:
    """Gives what merged `spans` keep when merged `taken` is cut out."""
    if not len(taken) or not len(spans):
        return spans
    # Every moment at which the membership of either side changes, with what holds from there on.
    edges = np.unique(np.concatenate((spans.starts, spans.ends, taken.starts, taken.ends)))
    kept = inside(spans, edges) & ~inside(taken, edges)
    return merged(Spans(edges[:-1][kept[:-1]], edges[1:][kept[:-1]]))


def inside(spans: Spans, moments: Minutes) -> npt.NDArray[np.bool_]:
    """Says of each moment whether one of the merged intervals holds it."""
    if not len(spans):
        return np.zeros(len(moments), dtype=np.bool_)
    index = np.searchsorted(spans.starts, moments, side="right") - 1
    result: npt.NDArray[np.bool_] = (index >= 0) & (moments < spans.ends[index])
    return result


def containing(spans: Spans, starts: Minutes, duration: int) -> npt.NDArray[np.bool_]:
    """Says of each `[start, start + duration)` whether one merged interval holds all of it."""
    if not len(spans):
        return np.zeros(len(starts), dtype=np.bool_)
    index = np.searchsorted(spans.starts, starts, side="right") - 1
    result: npt.NDArray[np.bool_] = (index >= 0) & (starts + duration <= spans.ends[index])
    return result


def clipped(spans: Spans, low: int, high: int) -> Spans:
    """Gives the parts of merged intervals inside `[low, high)`."""
    first = int(np.searchsorted(spans.ends, low, side="right"))
    last = int(np.searchsorted(spans.starts, high, side="left"))
    if first >= last:
        return empty()
    return Spans(
        np.maximum(spans.starts[first:last], np.int32(low)),
        np.minimum(spans.ends[first:last], np.int32(high)),
    )
