"""Looks at a tenant's time for one question: all of one moment, whatever must be fetched for it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from kit.clock import Clock
from kit.fault import Unavailable
from services.availability.domain import MINUTES_PER_DAY, Question, Span
from services.availability.engine.answers import Cache, Paging
from services.availability.engine.asking import Ask, question_of
from services.availability.engine.blocks import Blocks, Tally
from services.availability.engine.board import Board
from services.availability.engine.looking import Look, Ranges, days_between
from services.availability.engine.paging import Continuation
from services.availability.engine.roster import Eligible
from services.availability.engine.world import World
from services.availability.engine.worlds import Worlds
from services.availability.rules.expansions import Expansions
from services.availability.rules.slots import start_range
from services.availability.rules.travel import DEFAULT_SPEED_KMH, Site, StraightLine, unreachable

# A page's search looks at least this far, so that its sentence counts all of a usual window.
LOOK_AHEAD_MINUTES = 62 * MINUTES_PER_DAY
# Further back than this, the allocations in memory no longer tell all.
MEMORY_REACH = timedelta(days=1)
# Days brought into memory before a question looks again at what it has.
DAYS_AT_ONCE = 62
# How often a question looks again after days were brought; more would mean that they never stay.
LOOKS_MAX = 10_000


@dataclass(slots=True)
class Search:
    """A question with all it needs to be answered, and what of it had been computed before."""

    tenant: str
    world: World
    question: Question
    revision: int
    freshness: Mapping[str, int]
    # Bits of another moment, which nobody else asks for.
    own: Board | None
    loaded: bool
    tally: Tally

    @property
    def eligible(self) -> Eligible:
        """Who may serve."""
        return self.world.roster.eligible(self.question.wanted)

    @property
    def cache(self) -> Cache:
        """How the answer came about."""
        if self.own is not None:
            return Cache.BYPASS
        if self.tally.computed == 0 and not self.loaded:
            return Cache.HIT
        some = self.tally.computed < self.tally.asked and not self.loaded
        return Cache.PARTIAL if some else Cache.MISS


class Surveying:
    """The way from a question to the bits that answer it."""

    def __init__(
        self,
        worlds: Worlds,
        blocks: Blocks,
        expansions: Expansions,
        clock: Clock,
        *,
        merging_on: Callable[[str], bool],
    ) -> None:
        """Keeps where tenants are, what was computed and expanded, and who may merge."""
        self._merging_on = merging_on
        self._worlds = worlds
        self._blocks = blocks
        self._expansions = expansions
        self._clock = clock

    async def begin(
        self, tenant: str, ask: Ask, token: Mapping[str, int], rest: Continuation | None
    ) -> Search:
        """Understands a question and finds the tenant it is about."""
        now = ask.as_if_now or self._clock.now()
        found = await self._worlds.at(tenant, token)
        if now < self._clock.now() - MEMORY_REACH:
            found = await self._worlds.once(tenant, now)
        world = found.world
        question = question_of(world, ask, now=now, zones=self._expansions.zones)
        if question.merging and not self._merging_on(tenant):
            question = replace(question, merging=None)
        if rest is not None:
            # What was now on the first page stays the window's beginning on all.
            question = replace(question, window=rest.window)
        own = None
        if ask.as_if_now is not None:
            own = Board(world, question.shape, self._expansions, keep=False)
        return Search(
            tenant=tenant,
            world=world,
            question=question,
            revision=world.revision,
            freshness=found.freshness,
            own=own,
            loaded=found.loaded,
            tally=Tally(),
        )

    async def look(
        self, search: Search, rest: Continuation | None, paging: Paging | None
    ) -> tuple[Look, bool]:
        """Looks at the window, or as far into it as a page needs; says whether it saw all of it.

        The look itself is of one moment. Where it finds days that are not in memory they are
        brought, which gives others their turn, and then it looks anew.
        """
        question = search.question
        low, high = start_range(question.shape, question.window, question.bounds)
        enough, until = None, 0
        if paging is not None:
            enough = paging.size + 1
            # What follows the first page repeats what that one said, and need not look for it.
            until = low + LOOK_AHEAD_MINUTES if rest is None else 0
        if rest is not None:
            low = max(low, rest.next_start)
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
        now = question.now if search.own is not None else self._clock.now()
        world.settle(now)
        board = search.own or world.board(question.shape, self._expansions)
        eligible = search.eligible
        look = Look(board, eligible, self._unreachable(search, low, high))
        days = days_between(low, high) if low < high and eligible.ids else range(0)
        for position, day in enumerate(days):
            block = board.block(day, now)
            if block is None:
                return look, low, days[position : position + DAYS_AT_ONCE]
            look.add(block, low, high)
            end = (day + 1) * MINUTES_PER_DAY
            if enough is not None and look.starts >= enough and end >= until:
                return look, end, ()
        return look, high, ()

    async def _bring(self, search: Search, days: Sequence[int]) -> None:
        world, shape = search.world, search.question.shape
        if search.own is not None:
            for run in search.own.runs(days):
                search.own.build(run, search.question.now)
            return
        board = world.board(shape, self._expansions)
        brought = await self._blocks.ensure(search.tenant, world, board, days)
        search.tally.asked += brought.asked
        search.tally.read += brought.read
        search.tally.computed += brought.computed

    def _unreachable(self, search: Search, low: int, high: int) -> Ranges | None:
        """Gives the starts at which single resources could not be where the work is in time."""
        question, world = search.question, search.world
        if question.near is None or low >= high:
            return None
        speed = world.tenant.travel_speed_kmh or DEFAULT_SPEED_KMH
        ids = search.eligible.ids
        lanes = [world.lane(one, question.now, keep=search.own is None) for one in ids]
        rows, first, last = unreachable(
            lanes,
            question.shape,
            Site(question.near, StraightLine(speed)),
            span=Span(low, high),
            expansions=self._expansions,
        )
        ranks = np.array([world.roster.rank[one] for one in ids], dtype=np.int64)
        return Ranges(ranks[rows], first, last)
