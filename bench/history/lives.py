"""Works out from calls alone when each allocation was certainly held, and finds double holds."""

import heapq
from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.history.record import ACQUIRING, FREEING, KEEPING, Op, Outcome, Violation

FOREVER = float("inf")


@dataclass(slots=True)
class Life:
    """One allocation as its callers know it; `since` to `until` it was certainly held."""

    id: str
    resource_ids: tuple[str, ...]
    start: int
    end: int
    # The slot with its buffers as far as it is known.
    taken: tuple[int, int]
    since: float
    expires: float = FOREVER
    kept: bool = False
    # The first call that may have freed it was made at that time.
    freed: float = FOREVER
    # A call that frees it was answered with success.
    freed_surely: bool = False

    @property
    def until(self) -> float:
        """The end of the time in which nobody else can have had it."""
        return self.freed if self.kept else min(self.freed, self.expires)


def lives_of(ops: Iterable[Op]) -> dict[str, Life]:
    """Folds calls into lives. Only acknowledged acquisitions begin one."""
    ordered = sorted(ops, key=lambda op: op.completed)
    lives: dict[str, Life] = {}
    for op in ordered:
        if op.outcome is Outcome.OK and op.rpc in ACQUIRING and op.allocation_id not in lives:
            lives[op.allocation_id] = Life(
                id=op.allocation_id,
                resource_ids=op.resource_ids,
                start=op.start,
                end=op.end,
                taken=op.taken or (op.start, op.end),
                since=op.completed,
                expires=op.expires,
            )
    for op in ordered:
        life = lives.get(op.allocation_id)
        if life is None:
            continue
        if op.rpc in KEEPING and op.outcome is Outcome.OK:
            life.kept = True
            life.taken = op.taken or life.taken
        elif op.rpc in FREEING and op.outcome is not Outcome.FAIL:
            life.freed = min(life.freed, op.invoked)
            life.freed_surely = life.freed_surely or op.outcome is Outcome.OK
    return lives


def double_holds(lives: Iterable[Life]) -> list[Violation]:
    """Finds two allocations that certainly had the same time of a resource at the same moment.

    Sound: it never accuses a correct ledger. O(n log n): among those held at one moment spans
    are disjoint, so that a newcomer is compared with its two neighbours alone.
    """
    found: list[Violation] = []
    held: dict[str, list[tuple[int, int, str]]] = {}
    leaving: list[tuple[float, str, tuple[int, int, str]]] = []
    for life in sorted(lives, key=lambda life: life.since):
        if life.until <= life.since:
            continue
        while leaving and leaving[0][0] <= life.since:
            _, resource_id, span = heapq.heappop(leaving)
            spans = held[resource_id]
            del spans[bisect_left(spans, span)]
        for resource_id in life.resource_ids:
            spans = held.setdefault(resource_id, [])
            span = (*life.taken, life.id)
            rival = clash(spans, span)
            if rival:
                found.append(
                    Violation("double hold", f"{resource_id} by {rival[2]} and {life.id} at once")
                )
                continue
            insort(spans, span)
            heapq.heappush(leaving, (life.until, resource_id, span))
    return found


def clash(
    spans: Sequence[tuple[int, int, str]], span: tuple[int, int, str]
) -> tuple[int, int, str] | None:
    """Returns the one of sorted, disjoint spans that overlaps another span, if any."""
    at = bisect_left(spans, span)
    for neighbour in spans[max(at - 1, 0) : at + 1]:
        if neighbour[0] < span[1] and span[0] < neighbour[1]:
            return neighbour
    return None
