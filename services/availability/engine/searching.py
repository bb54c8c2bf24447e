"""Answers who is free when: pages of slots for people, whole columns for machines."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from itertools import islice

import numpy as np

from kit.clock import Clock
from services.availability.domain import MINUTES_PER_DAY, Question, Resource, Span
from services.availability.engine.asking import Ask, question_of
from services.availability.engine.outcomes import Rejection, outcome_of_nothing, rejections
from services.availability.engine.paging import Continuation, continuation, page_token
from services.availability.engine.world import World
from services.availability.engine.worlds import Worlds
from services.availability.rules.bits import Index
from services.availability.rules.expansions import Expansions
from services.availability.rules.intervals import Minutes
from services.availability.rules.offered import month_span, months_touched, offered_days
from services.availability.rules.sentences import Outcome, result_sentence
from services.availability.rules.slots import (
    Contender,
    SlotTable,
    free_slots,
    joined,
    start_range,
)

# A page's search looks at least this far, so that its sentence counts all of a usual window.
LOOK_AHEAD_MINUTES = 62 * MINUTES_PER_DAY
# A table of starts by resources holds at most this many cells; a longer window is cut in parts.
CELLS_MAX = 4_000_000
# Further back than this, the allocations in memory no longer tell all.
MEMORY_REACH = timedelta(days=1)


class Cache(StrEnum):
    """How an answer came about."""

    HIT = "HIT"
    MISS = "MISS"
    BYPASS = "BYPASS"
    PARTIAL = "PARTIAL"


@dataclass(frozen=True, slots=True)
class Paging:
    """Which part of an answer somebody wants."""

    size: int
    token: str
    candidates_max: int
    # Stands for everything else in the question; a token of another one is refused.
    question: str


@dataclass(frozen=True, slots=True)
class Slot:
    """One row of a page."""

    start: int
    end: int
    capacity: int
    candidates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SlotPage:
    """One page of slots."""

    question: Question
    slots: Sequence[Slot]
    result: str
    freshness: Mapping[str, int]
    cache: Cache
    next_page_token: str


@dataclass(frozen=True, slots=True)
class Matrix:
    """A whole answer in columns; `candidates` are indexes into `resources`, slot after slot."""

    question: Question
    resources: Sequence[Resource]
    starts: Minutes
    capacities: Index
    candidates: Index
    months: Sequence[str]
    offered: Sequence[Sequence[int]]
    rejections: Sequence[Rejection]
    rejected_count: int
    tenant_time_zone: str
    result: str
    freshness: Mapping[str, int]


@dataclass(slots=True)
class _Search:
    """A question with all it needs to be answered, and what of it had been computed before."""

    world: World
    question: Question
    contenders: list[Contender]
    freshness: Mapping[str, int]
    bypass: bool
    loaded: bool
    asked: int = 0
    computed: int = 0

    @property
    def cache(self) -> Cache:
        if self.bypass:
            return Cache.BYPASS
        if self.loaded or self.asked == self.computed > 0:
            return Cache.MISS
        return Cache.HIT if self.computed == 0 else Cache.PARTIAL


class Searching:
    """The slot questions of one process."""

    def __init__(self, worlds: Worlds, expansions: Expansions, clock: Clock) -> None:
        """Keeps where tenants are and what was expanded."""
        self._worlds = worlds
        self._expansions = expansions
        self._clock = clock

    async def page(
        self, tenant: str, ask: Ask, token: Mapping[str, int], paging: Paging
    ) -> SlotPage:
        """Gives a page of slots by start; the same pages again while nothing changes."""
        rest = continuation(paging.question, paging.token)
        search = await self._begin(tenant, ask, token, rest)
        low = search.question.window.start if rest is None else rest.next_start
        looked = max(low, search.question.bounds.earliest) + LOOK_AHEAD_MINUTES
        parts, complete = await self._parts(search, low=low, enough=paging.size + 1, until=looked)
        table = joined(parts)
        outcome = self._outcome(search, table, rest, complete=complete)
        shown = min(len(table), paging.size)
        more = ""
        if len(table) > shown:
            following = Continuation(
                window=search.question.window,
                next_start=int(table.starts[shown]),
                starts=outcome.starts,
                first=outcome.first or 0,
                complete=outcome.complete,
            )
            more = page_token(paging.question, following)
        return SlotPage(
            question=search.question,
            slots=_rows(search, table, shown, paging.candidates_max),
            result=result_sentence(outcome, search.question.time_zone),
            freshness=search.freshness,
            cache=search.cache,
            next_page_token=more,
        )

    async def matrix(
        self,
        tenant: str,
        ask: Ask,
        token: Mapping[str, int],
        *,
        with_resources: bool,
        rejections_max: int,
    ) -> Matrix:
        """Gives the whole answer in columns."""
        search = await self._begin(tenant, ask, token, None)
        question, contenders = search.question, search.contenders
        parts, _ = await self._parts(search, low=question.window.start)
        table = joined(parts)
        used = np.zeros(len(contenders), dtype=np.bool_)
        used[table.candidates] = True
        kept = [contenders[row] for row in np.flatnonzero(used)]
        free = frozenset(one.lane.resource.id for one in kept)
        zone = self._expansions.zones.get(search.world.tenant.time_zone)
        months = months_touched(question.window, zone) if with_resources else []
        spans = [month_span(year, month, zone) for year, month in months]
        left_out = rejections(search.world, question, contenders, free, expansions=self._expansions)
        outcome = self._outcome(search, table, None, complete=True)
        return Matrix(
            question=question,
            resources=[one.lane.resource for one in kept],
            starts=table.starts,
            capacities=table.capacities,
            candidates=(np.cumsum(used) - 1)[table.candidates],
            months=[f"{year:04d}-{month:02d}" for year, month in months],
            offered=[
                [
                    offered_days(
                        self._expansions.month(one.lane.pattern, span, zone), one.lane.leave
                    )
                    for span in spans
                ]
                for one in kept
            ],
            rejections=list(islice(left_out, rejections_max)),
            rejected_count=search.world.count_asked(question.wanted) - len(kept),
            tenant_time_zone=search.world.tenant.time_zone,
            result=result_sentence(outcome, question.time_zone),
            freshness=search.freshness,
        )

    async def _begin(
        self, tenant: str, ask: Ask, token: Mapping[str, int], rest: Continuation | None
    ) -> _Search:
        now = ask.as_if_now or self._clock.now()
        found = await self._worlds.at(tenant, token)
        if now < self._clock.now() - MEMORY_REACH:
            found = await self._worlds.once(tenant, now)
        question = question_of(found.world, ask, now=now, zones=self._expansions.zones)
        if rest is not None:
            # What was now on the first page stays the window's beginning on all.
            question = replace(question, window=rest.window)
        keep = ask.as_if_now is None
        return _Search(
            world=found.world,
            question=question,
            contenders=found.world.contenders(question.wanted, now, keep=keep),
            freshness=found.freshness,
            bypass=not keep,
            loaded=found.loaded,
        )

    async def _parts(
        self, search: _Search, *, low: int, enough: int | None = None, until: int = 0
    ) -> tuple[list[SlotTable], bool]:
        """Computes part after part; may stop once there are enough slots and it has looked far.

        Others get their turn between the parts. Says also whether all of the window was looked at.
        """
        question = search.question
        found: list[SlotTable] = []
        count = 0
        shape = question.shape
        window = Span(low, question.window.end)
        low, high = start_range(shape, window, question.bounds)
        per_day = max(1, len(search.contenders)) * max(1, MINUTES_PER_DAY // shape.granularity)
        step = max(1, CELLS_MAX // per_day) * MINUTES_PER_DAY
        while low < high:
            end = min(low + step, high)
            asked, computed = self._expansions.asked, self._expansions.computed
            table = free_slots(
                search.contenders,
                shape,
                window=Span(low, end + shape.duration - 1),
                bounds=question.bounds,
                expansions=self._expansions,
            )
            search.asked += self._expansions.asked - asked
            search.computed += self._expansions.computed - computed
            found.append(table)
            count += len(table)
            low = end
            if enough is not None and count >= enough and end >= until:
                break
            if low < high:
                await asyncio.sleep(0)
        return found, low >= high

    def _outcome(
        self, search: _Search, table: SlotTable, rest: Continuation | None, *, complete: bool
    ) -> Outcome:
        if rest is not None:
            return Outcome(rest.starts, rest.first, complete=rest.complete)
        if len(table):
            return Outcome(len(table), int(table.starts[0]), complete=complete)
        return outcome_of_nothing(
            search.world, search.question, search.contenders, self._expansions
        )


def _rows(search: _Search, table: SlotTable, count: int, candidates_max: int) -> list[Slot]:
    duration = search.question.shape.duration
    ends = np.cumsum(table.capacities[:count])
    rows = []
    for start, capacity, end in zip(
        table.starts[:count].tolist(), table.capacities[:count].tolist(), ends.tolist(), strict=True
    ):
        first = end - capacity
        chosen = table.candidates[first : min(end, first + candidates_max)].tolist()
        names = tuple(search.contenders[index].lane.resource.id for index in chosen)
        rows.append(Slot(start, start + duration, capacity, names))
    return rows
