"""Finds what overlaps a span in a list sorted once, by binary search."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Generic, TypeVar

from services.availability.domain import Span

Item = TypeVar("Item")


class Timeline(Generic[Item]):
    """Items with spans, by start; spans may overlap and differ in length."""

    def __init__(self, items: Iterable[tuple[Span, Item]]) -> None:
        """Sorts the items by their spans; what is empty is in nobody's way and left out."""
        real = (pair for pair in items if pair[0].start < pair[0].end)
        ordered = sorted(real, key=lambda pair: pair[0])
        self._spans = [span for span, _ in ordered]
        self._items = [item for _, item in ordered]
        self._starts = [span.start for span in self._spans]
        # The furthest end so far is sorted too, so it bounds how far back an overlap can begin.
        self._reach = list(accumulate((span.end for span in self._spans), max))

    def overlapping(self, span: Span) -> list[Item]:
        """Gives the items that share a moment with the span, by start."""
        first = bisect_right(self._reach, span.start)
        last = bisect_left(self._starts, span.end)
        return [self._items[i] for i in range(first, last) if self._spans[i].end > span.start]

    def __iter__(self) -> Iterator[Item]:
        """Gives all items by start."""
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)
