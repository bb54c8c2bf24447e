"""Answers who is free when: pages of slots for people, whole columns for machines."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from services.availability.domain import LAST_MINUTE, ObstacleCode, Resource
from services.availability.engine.answers import Matrix, Paging, Slot, SlotPage
from services.availability.engine.arrivals import travel_minutes
from services.availability.engine.asking import Ask
from services.availability.engine.figures import Figures
from services.availability.engine.looking import Look, first_of_each
from services.availability.engine.merging import Joint
from services.availability.engine.outcomes import (
    Rejection,
    outcome_of_nothing,
    rejection_counts,
    rejections,
)
from services.availability.engine.paging import Continuation, continuation, page_token
from services.availability.engine.surveying import Search, Surveying
from services.availability.engine.tracing import Watch, trace_of
from services.availability.engine.wishes import preferences
from services.availability.rules.bits import Index
from services.availability.rules.expansions import Expansions
from services.availability.rules.offered import month_span, months_touched, offered_days
from services.availability.rules.sentences import Outcome, result_sentence
from services.availability.rules.slots import Contender, SlotTable
from services.availability.rules.travel import DEFAULT_SPEED_KMH, Site, StraightLine

Counted = Mapping[tuple[ObstacleCode, ...], int]

# For answers that nobody wants the wishes of.
NONE = np.array([], dtype=np.int64)


class Searching:
    """The slot questions of one process."""

    def __init__(self, surveying: Surveying, expansions: Expansions, figures: Figures) -> None:
        """Takes the way to the bits, what was expanded, and where searches are counted."""
        self._surveying = surveying
        self._figures = figures
        self._expansions = expansions

    async def page(
        self,
        tenant: str,
        ask: Ask,
        token: Mapping[str, int],
        paging: Paging,
        *,
        traced: bool = False,
    ) -> SlotPage:
        """Gives a page of slots by start; the same pages again while nothing changes."""
        rest, watch = continuation(paging.question, paging.token), Watch()
        search = await self._surveying.begin(
            tenant, ask, token, rest, paging, bits_suffice=not traced
        )
        if search.question.merging and ask.party_size > 1:
            return await self._joint_page(search, ask, token, paging)
        asked = watch.lap()
        look, complete = await self._surveying.look(search, rest, paging)
        looked = watch.lap()
        table = first_of_each(look.table(paging.size + 1), paging.candidates_max)
        outcome = self._outcome(search, look, rest, complete=complete)
        self._figures.searched(search, outcome)
        shown = min(len(table), paging.size)
        return SlotPage(
            question=search.question,
            slots=_rows(search, table, shown, paging.candidates_max),
            result=result_sentence(outcome, search.question.time_zone),
            freshness=search.freshness,
            cache=search.cache,
            next_page_token=_more(search, table, shown, paging, outcome),
            trace=(
                trace_of(search, look, table, (asked, looked, watch.lap()), self._expansions)
                if traced
                else None
            ),
        )

    async def _joint_page(
        self, search: Search, ask: Ask, token: Mapping[str, int], paging: Paging
    ) -> SlotPage:
        """Gives a page of slots some of which only several resources can serve together."""
        rest = continuation(paging.question, paging.token)
        anybody = await self._surveying.begin(
            search.tenant, replace(ask, party_size=0), token, rest
        )
        look, complete = await self._surveying.look(anybody, rest, None)
        assert search.question.merging is not None
        joint = Joint(anybody, look.table(), ask.party_size, search.question.merging)
        table = joint.table
        outcome = (
            Outcome(len(table), int(table.starts[0]), complete=complete)
            if joint.slots
            else (self._nothing(search))
        )
        if rest is not None:
            outcome = Outcome(rest.starts, rest.first, complete=rest.complete)
        self._figures.searched(anybody, outcome)
        shown = min(len(table), paging.size)
        return SlotPage(
            question=search.question,
            slots=[
                replace(slot, candidates=slot.candidates[: paging.candidates_max])
                for slot in joint.slots[:shown]
            ],
            result=result_sentence(outcome, search.question.time_zone),
            freshness=anybody.freshness,
            cache=anybody.cache,
            next_page_token=_more(search, table, shown, paging, outcome),
        )

    async def matrix(
        self,
        tenant: str,
        ask: Ask,
        token: Mapping[str, int],
        paging: Paging | None,
        *,
        with_resources: bool,
        rejections_max: int,
        counting: bool = False,
    ) -> Matrix:
        """Gives the answer in columns: whole, or a page of it; `counting` is for those who want to
        know by which reasons how many are left out, where there is no slot.
        """
        rest = None if paging is None else continuation(paging.question, paging.token)
        lanes = with_resources or rejections_max > 0
        search = await self._surveying.begin(
            tenant, ask, token, rest, paging, bits_suffice=not lanes
        )
        look, complete = await self._surveying.look(search, rest, paging)
        question, roster = search.question, search.world.roster
        counted = self._counted(search) if counting and rest is None and not look.starts else None
        outcome = self._outcome(search, look, rest, complete=complete, counted=counted)
        self._figures.searched(search, outcome)
        more = ""
        if paging is None:
            table = look.table()
        else:
            table = look.table(paging.size + 1)
            shown = min(len(table), paging.size)
            more = _more(search, table, shown, paging, outcome)
            table = first_of_each(look.table(shown), paging.candidates_max)
        used = np.zeros(len(roster), dtype=np.bool_)
        used[table.candidates] = True
        kept = [roster.resources[roster.ranked[rank]] for rank in np.flatnonzero(used).tolist()]
        months, offered = self._offered(search, kept) if with_resources else ([], [])
        left_out = self._rejected(search, kept, rejections_max) if rejections_max else []
        return Matrix(
            question=question,
            resources=kept,
            starts=table.starts,
            capacities=table.capacities,
            candidates=(np.cumsum(used) - 1)[table.candidates],
            months=months,
            offered=offered,
            rejections=left_out,
            rejection_counts=counted or {},
            rejected_count=roster.count_asked(question.wanted) - len(kept),
            tenant_time_zone=search.world.tenant.time_zone,
            result=result_sentence(outcome, question.time_zone),
            freshness=search.freshness,
            cache=search.cache,
            next_page_token=more,
            preferences=self._preferences(search, kept, table, paging) if with_resources else NONE,
            travel_minutes=self._travel(search, kept, table) if with_resources else NONE,
        )

    def _preferences(
        self,
        search: Search,
        kept: Sequence[Resource],
        table: SlotTable,
        paging: Paging | None,
    ) -> Index:
        """Gives how much each pair of slot and candidate suits the candidate."""
        world = search.whole
        most = np.int64(LAST_MINUTE if paging is None else paging.candidates_max)
        rank_of = np.array([world.roster.rank[one.id] for one in kept], dtype=np.int64)
        return preferences(
            search.question,
            kept,
            world.schedules,
            starts=np.repeat(table.starts, np.minimum(table.capacities, most)),
            candidates=np.searchsorted(rank_of, table.candidates),
            tenant_zone=world.tenant.time_zone,
            zones=self._expansions.zones,
        )

    def _travel(self, search: Search, kept: Sequence[Resource], table: SlotTable) -> Index:
        """Gives how long each candidate of each slot travels; nothing without a place."""
        world, question = search.whole, search.question
        if question.near is None or len(table.candidates) != int(table.capacities.sum()):
            return NONE
        speed = world.tenant.travel_speed_kmh or DEFAULT_SPEED_KMH
        rank_of = np.array([world.roster.rank[one.id] for one in kept], dtype=np.int64)
        return travel_minutes(
            [world.lane(one.id, question.now, keep=search.own is None) for one in kept],
            Site(question.near, StraightLine(speed)),
            starts=np.repeat(table.starts, table.capacities),
            candidates=np.searchsorted(rank_of, table.candidates),
            expansions=self._expansions,
        )

    def _offered(
        self, search: Search, kept: Sequence[Resource]
    ) -> tuple[list[str], list[list[int]]]:
        """Gives the months the window touches, and the days each resource offers in them."""
        world, question = search.whole, search.question
        zone = self._expansions.zones.get(world.tenant.time_zone)
        months = months_touched(question.window, zone)
        spans = [month_span(year, month, zone) for year, month in months]
        offered = []
        for resource in kept:
            lane = world.lane(resource.id, question.now, keep=not search.bypass)
            offered.append(
                [
                    offered_days(self._expansions.month(lane.pattern, span, zone), lane.leave)
                    for span in spans
                ]
            )
        return [f"{year:04d}-{month:02d}" for year, month in months], offered

    def _rejected(self, search: Search, kept: Sequence[Resource], most: int) -> Sequence[Rejection]:
        free = frozenset(resource.id for resource in kept)
        found = rejections(
            search.whole,
            search.question,
            _contenders(search),
            free,
            expansions=self._expansions,
        )
        return list(islice(found, most))

    def _counted(self, search: Search) -> Counted:
        return rejection_counts(
            search.whole, search.question, _contenders(search), expansions=self._expansions
        )

    def _outcome(
        self,
        search: Search,
        look: Look,
        rest: Continuation | None,
        *,
        complete: bool,
        counted: Counted | None = None,
    ) -> Outcome:
        if rest is not None:
            return Outcome(rest.starts, rest.first, complete=rest.complete)
        if look.starts:
            return Outcome(look.starts, look.first, complete=complete)
        return self._nothing(search, counted)

    def _nothing(self, search: Search, counted: Counted | None = None) -> Outcome:
        contenders = _contenders(search) if counted is None else ()
        return outcome_of_nothing(
            search.whole, search.question, contenders, self._expansions, counted=counted
        )


def _contenders(search: Search) -> list[Contender]:
    question = search.question
    return search.whole.contenders(question.wanted, question.now, keep=not search.bypass)


def _more(search: Search, table: SlotTable, shown: int, paging: Paging, outcome: Outcome) -> str:
    """Gives the token of the page that follows, if there is one."""
    if len(table) <= shown:
        return ""
    following = Continuation(
        window=search.question.window,
        next_start=int(table.starts[shown]),
        starts=outcome.starts,
        first=outcome.first or 0,
        complete=outcome.complete,
    )
    return page_token(paging.question, following)


def _rows(search: Search, table: SlotTable, count: int, candidates_max: int) -> list[Slot]:
    duration, ranked = search.question.shape.duration, search.world.roster.ranked
    rows, position = [], 0
    candidates = table.candidates.tolist()
    for start, capacity in zip(
        table.starts[:count].tolist(), table.capacities[:count].tolist(), strict=True
    ):
        listed = min(capacity, candidates_max)
        names = tuple(ranked[rank] for rank in candidates[position : position + listed])
        position += listed
        rows.append(Slot(start, start + duration, capacity, names))
    return rows
