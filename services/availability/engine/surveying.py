"""Looks at a tenant's time for one question: all of one moment, whatever must be fetched for it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from time import perf_counter

import numpy as np

from kit.clock import Clock
from kit.fault import Unavailable
from services.availability.domain import MINUTES_PER_DAY, Question, Span
from services.availability.engine.answers import Cache, Paging
from services.availability.engine.asking import Ask, question_of, window_of
from services.availability.engine.blocks import Blocks, Tally
from services.availability.engine.board import Board
from services.availability.engine.glimpse import Glimpse
from services.availability.engine.glimpsing import Glimpses
from services.availability.engine.looking import Look, Ranges, days_between
from services.availability.engine.paging import Continuation
from services.availability.engine.reaching import Reaching
from services.availability.engine.roster import Eligible
from services.availability.engine.world import World
from services.availability.engine.worlds import Worlds
from services.availability.rules.expansions import Expansions
from services.availability.rules.slots import start_range
from services.availability.rules.travel import site_of, unreachable

# A page's search looks at least this far, so that its sentence counts all of a usual window.
LOOK_AHEAD_MINUTES = 62 * MINUTES_PER_DAY
# Further back than this, the allocations in memory no longer tell all.
MEMORY_REACH = timedelta(days=1)
# Days brought into memory before a question looks again at what it has.
DAYS_AT_ONCE = 62
# More shared blocks than this are not read for one question.
GLIMPSED_DAYS_MAX = 400
# How often a question looks again after days were brought; more would mean that they never stay.
LOOKS_MAX = 10_000


@dataclass(slots=True)
class Search:
    """A question with all it needs to be answered, and what of it had been computed before."""

    tenant: str
    world: World | Glimpse
    question: Question
    freshness: Mapping[str, int]
    loaded: bool = False
    # Its own bits: those of another moment, or read for this question alone.
    own: Board | None = None
    bypass: bool = False
    tally: Tally = field(default_factory=Tally)
    # On the clock of performance counters.
    began: float = field(default_factory=perf_counter)

    @property
    def eligible(self) -> Eligible:
        """Who may serve."""
        return self.world.roster.eligible(self.question.wanted)

    @property
    def cache(self) -> Cache:
        """How the answer came about."""
        if self.bypass:
            return Cache.BYPASS
        if self.tally.computed == 0 and not self.loaded:
            return Cache.HIT
        some = self.tally.computed < self.tally.asked and not self.loaded
        return Cache.PARTIAL if some else Cache.MISS

    @property
    def glimpsed(self) -> bool:
        """Whether it is answered from shared bits alone."""
        return isinstance(self.world, Glimpse)

    @property
    def whole(self) -> World:
        """The tenant with all its lanes, which a glimpse does not have."""
        assert isinstance(self.world, World)
        return self.world


class Surveying:
    """The way from a question to the bits that answer it."""

    def __init__(
        self,
        worlds: Worlds,
        reaching: Reaching,
        blocks: Blocks,
        glimpses: Glimpses,
        expansions: Expansions,
        *,
        clock: Clock,
        merging_on: Callable[[str], bool],
    ) -> None:
        """Keeps where tenants are, what was computed and expanded, and who may merge."""
        self._merging_on = merging_on
        self._worlds = worlds
        self._reaching = reaching
        self._blocks = blocks
        self._expansions = expansions
        self._clock = clock
        self._glimpses = glimpses

    async def begin(
        self,
        tenant: str,
        ask: Ask,
        token: Mapping[str, int],
        rest: Continuation | None,
        paging: Paging | None = None,
        *,
        bits_suffice: bool = False,
    ) -> Search:
        """Understands a question and finds the tenant it is about.

        Where `bits_suffice` for the answer, a process that has just begun takes shared ones while
        it reads the tenant.
        """
        now, began = ask.as_if_now or self._clock.now(), perf_counter()
        plain = ask.as_if_now is None and not ask.ignore_allocation_id
        if bits_suffice and plain and self._worlds.known(tenant) is None:
            glimpsed = await self._glimpsed(tenant, ask, token, rest, paging)
            if glimpsed is not None:
                glimpsed.began = began
                return glimpsed
        window = (
            window_of(ask.window_start, ask.window_end, now=now) if rest is None else rest.window
        )
        found = await self._reaching.at(tenant, token, window.end)
        if now < self._clock.now() - MEMORY_REACH:
            found = await self._worlds.once(tenant, now)
        world = found.world.without(ask.ignore_allocation_id)
        question = self._question(tenant, world, ask, now, rest)
        search = Search(tenant, world, question, found.freshness, loaded=found.loaded, began=began)
        if not plain:
            search.bypass = True
            search.own = Board(world, question.shape, self._expansions, keep=False)
        return search

    def _question(
        self,
        tenant: str,
        world: World | Glimpse,
        ask: Ask,
        now: datetime,
        rest: Continuation | None,
    ) -> Question:
        question = question_of(world, ask, now=now, zones=self._expansions.zones)
        if question.merging and not self._merging_on(tenant):
            question = replace(question, merging=None)
        # What was now on the first page stays the window's beginning on all.
        return question if rest is None else replace(question, window=rest.window)

    async def _glimpsed(
        self,
        tenant: str,
        ask: Ask,
        token: Mapping[str, int],
        rest: Continuation | None,
        paging: Paging | None,
    ) -> Search | None:
        """Finds the answer's bits where they are shared; none if not all, or not fresh enough.

        Nothing free is no answer here: it would lack the reason. Days that calendars have not been
        read for are never shared.
        """
        found = await self._glimpses.at(tenant)
        if found is None or not self._worlds.satisfied(found.seen, token):
            return None
        question = self._question(tenant, found, ask, self._clock.now(), rest)
        if question.near is not None or question.merging is not None:
            return None
        board = Board(found, question.shape, self._expansions)
        search = Search(tenant, found, question, found.freshness, own=board)
        low, high, enough, until = reach_of(question, rest, paging)
        days = days_between(low, min(high, until) if until else high)
        if not 0 < len(days) <= GLIMPSED_DAYS_MAX:
            return None
        if not await self._blocks.adopt(tenant, board, days):
            return None
        look, _, missing = self._look(search, low, high, enough=enough, until=until)
        if missing or not look.starts:
            return None
        self._worlds.load_beside(tenant)
        return search

    async def look(
        self, search: Search, rest: Continuation | None, paging: Paging | None
    ) -> tuple[Look, bool]:
        """Looks at the window, or as far into it as a page needs.

        The look itself is of one moment. Where it finds days that are not in memory they are
        brought, which gives others their turn, and then it looks anew.
        """
        low, high, enough, until = reach_of(search.question, rest, paging)
        for _ in range(LOOKS_MAX):
            look, end, missing = self._look(search, low, high, enough=enough, until=until)
            if not missing:
                return look, end >= high
            await self._bring(search, missing)
        raise Unavailable("UNAVAILABLE", "the catalog changes faster than it can be looked at")

    def _look(
        self, search: Search, low: int, high: int, *, enough: int | None, until: int
    ) -> tuple[Look, int, Sequence[int]]:
        """Looks until there is enough; gives how far it came, and the days that were missing."""
        world, question = search.world, search.question
        now = question.now if search.bypass else self._clock.now()
        world.settle(now)
        board = self._board(search)
        eligible = search.eligible
        look = Look(board, eligible, Span(low, high), self._unreachable(search, low, high))
        days = days_between(low, high) if low < high and eligible.ids else range(0)
        for position, day in enumerate(days):
            block = board.block(day, now)
            if block is None:
                return look, low, days[position : position + DAYS_AT_ONCE]
            look.add(day, block)
            end = (day + 1) * MINUTES_PER_DAY
            if enough is not None and look.starts >= enough and end >= until:
                days = days[: position + 1]
                break
        else:
            end = high
        if search.own is None:
            search.whole.demand.ask(question.shape, days)
        return look, end, ()

    def _board(self, search: Search) -> Board:
        if search.own is not None:
            return search.own
        return search.whole.board(search.question.shape, self._expansions)

    async def _bring(self, search: Search, days: Sequence[int]) -> None:
        world, board = search.whole, self._board(search)
        if search.own is not None:
            for run in board.runs(days):
                board.build(run, search.question.now)
                await asyncio.sleep(0)
            return
        brought = await self._blocks.ensure(search.tenant, world, board, days)
        search.tally.asked += brought.asked
        search.tally.read += brought.read
        search.tally.computed += brought.computed

    def _unreachable(self, search: Search, low: int, high: int) -> Ranges | None:
        """Gives the starts at which single resources could not be where the work is in time."""
        question = search.question
        if question.near is None or low >= high:
            return None
        world = search.whole
        ids = search.eligible.ids
        lanes = [world.lane(one, question.now, keep=not search.bypass) for one in ids]
        rows, first, last = unreachable(
            lanes,
            question.shape,
            site_of(world.tenant, question.near),
            span=Span(low, high),
            expansions=self._expansions,
        )
        ranks = np.array([world.roster.rank[one] for one in ids], dtype=np.int64)
        return Ranges(ranks[rows], first, last)


def reach_of(
    question: Question, rest: Continuation | None, paging: Paging | None
) -> tuple[int, int, int | None, int]:
    """Gives the starts `[low, high)` to look at, how many suffice, and how far to look anyway."""
    low, high = start_range(question.shape, question.window, question.bounds)
    enough, until = None, 0
    if paging is not None:
        enough = paging.size + 1
        # What follows the first page repeats what that one said, and need not look for it.
        until = low + LOOK_AHEAD_MINUTES if rest is None else 0
    if rest is not None:
        low = max(low, rest.next_start)
    return low, high, enough, until
