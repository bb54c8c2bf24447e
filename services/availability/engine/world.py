"""One tenant in memory: its catalog, schedules and allocations, and what is derived from them."""

import heapq
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from copy import copy
from datetime import datetime, timedelta
from weakref import WeakValueDictionary

from services.availability.domain import (
    BLOCKING_STATES,
    Allocation,
    AllocationState,
    Schedule,
    SlotShape,
    Span,
    Wanted,
    floor_minute,
)
from services.availability.engine.board import Board, generation_of
from services.availability.engine.demand import Demand
from services.availability.engine.roster import Roster
from services.availability.rules.expansions import Expansions
from services.availability.rules.lane import Lane, lane_of
from services.availability.rules.slots import Contender
from services.availability.rules.working import Pattern, pattern_of
from services.availability.store import Catalog, Difference, Everything, Position

# What ended before this long ago no longer matters to anybody who looks ahead; limits per week
# count from last Monday on.
KEPT_BEHIND = timedelta(days=10)
# Versions remembered of allocations that ended, against events that come late.
ENDED_MAX = 50_000
# Service classes with bits in memory; the one not asked for longest goes first.
BOARDS_MAX = 64


class World:
    """A tenant's state at a revision of its catalog; one changed resource refreshes only itself."""

    def __init__(self, everything: Everything) -> None:
        """Takes over what was read."""
        self.revision = everything.revision
        self.tenant = everything.tenant
        self.resources = dict(everything.resources)
        self.schedules = dict(everything.schedules)
        self.service_types = dict(everything.service_types)
        self.generations = dict(everything.generations)
        self.calendars_until = everything.calendars_until
        self.roster = Roster(self.resources)
        # Which days are asked for.
        self.demand = Demand()
        self._position = everything.position
        self._stamps = dict(everything.stamps)
        self._known: dict[str, Allocation] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._taken: dict[str, dict[str, Allocation]] = {}
        # Holds by when they end, with the version that ends then; and those still live, by id.
        self._expiries: list[tuple[datetime, str, int]] = []
        self._held: dict[str, Allocation] = {}
        self._lanes: dict[str, Lane] = {}
        self._patterns: dict[str, Pattern] = {}
        self._same: WeakValueDictionary[Pattern, Pattern] = WeakValueDictionary()
        self._boards: OrderedDict[SlotShape, Board] = OrderedDict()
        for allocation in everything.allocations:
            self.allocate(allocation, {})

    def change(self, difference: Difference) -> None:
        """Takes over what changed in the catalog and schedules."""
        self.revision = max(self.revision, difference.revision)
        self.calendars_until = difference.calendars_until
        for type_id in difference.service_type_ids:
            self.service_types.pop(type_id, None)
        self.service_types.update(difference.service_types)
        if difference.tenant is not None:
            self.tenant = difference.tenant
            # A resource without a zone of its own is read in the tenant's.
            self._lanes.clear()
            self._patterns.clear()
            self._boards.clear()
        listed = False
        for resource_id in difference.resource_ids:
            listed |= self.resources.get(resource_id) != difference.resources.get(resource_id)
            self.resources.pop(resource_id, None)
            self.schedules.pop(resource_id, None)
            self._lanes.pop(resource_id, None)
            self._patterns.pop(resource_id, None)
        self.resources.update(difference.resources)
        self.schedules.update(difference.schedules)
        if listed:
            before, self.roster = self.roster, Roster(self.resources)
            if before.ranked != self.roster.ranked:
                # Every resource's bit may be another now.
                self._boards.clear()
        for board in self._boards.values():
            for resource_id in difference.resource_ids & self.roster.rank.keys():
                board.touch_all(self.roster.rank[resource_id])

    def allocate(
        self, allocation: Allocation, generations: Mapping[str, int], at: Position | None = None
    ) -> None:
        """Takes over an event of the ledger, unless a later one of the allocation is known.

        `at` is the event's place in the ledger's stream.
        """
        for resource_id, generation in generations.items():
            if generation > self.generations.get(resource_id, 0):
                self.generations[resource_id] = generation
        known = self._known.get(allocation.id)
        if at is not None and not self._has_seen(at):
            self._position = at
            for one in (allocation, known):
                for day in () if one is None else one.occupied.days():
                    self._stamps[day] = at.stamp(at.number)
        if known is not None:
            if known.version >= allocation.version:
                return
            self._held.pop(known.id, None)
            for resource_id in known.resource_ids:
                if self._taken.get(resource_id, {}).pop(allocation.id, None) is not None:
                    self._lanes.pop(resource_id, None)
                    self._touch(resource_id, known.occupied)
        self._known[allocation.id] = allocation
        if allocation.state in BLOCKING_STATES:
            self._take(allocation)
            return
        self._ended[allocation.id] = None
        if len(self._ended) > ENDED_MAX:
            self._known.pop(self._ended.popitem(last=False)[0], None)

    def without(self, allocation_id: str) -> "World":
        """Gives the same state as if one allocation were not there, to be asked and not to be
        followed; itself where there is none with this id.
        """
        known = self._known.get(allocation_id)
        if known is None or known.state not in BLOCKING_STATES:
            return self
        view = copy(self)
        view._taken = dict(self._taken)
        for resource_id in known.resource_ids:
            others = dict(self._taken.get(resource_id, {}))
            others.pop(allocation_id, None)
            view._taken[resource_id] = others
        view._lanes = {k: v for k, v in self._lanes.items() if k not in known.resource_ids}
        view._boards = OrderedDict()
        view._expiries = list(self._expiries)
        view._held = {k: v for k, v in self._held.items() if k != allocation_id}
        return view

    def settle(self, now: datetime) -> None:
        """Lets go of the holds that have ended by now, as nobody tells when they do."""
        while self._expiries and self._expiries[0][0] <= now:
            _, allocation_id, version = heapq.heappop(self._expiries)
            known = self._held.get(allocation_id)
            if known is None or known.version != version:
                continue
            del self._held[allocation_id]
            for resource_id in known.resource_ids:
                self._touch(resource_id, known.occupied)

    def board(self, shape: SlotShape, expansions: Expansions) -> Board:
        """Gives the bits of a service class; made empty when first asked for."""
        board = self._boards.get(shape)
        if board is None:
            board = self._boards[shape] = Board(self, shape, expansions)
            if len(self._boards) > BOARDS_MAX:
                self._boards.popitem(last=False)
        else:
            self._boards.move_to_end(shape)
        return board

    def boards(self) -> Iterator[Board]:
        """Gives the bits that are in memory, by service class."""
        yield from self._boards.values()

    def catalog(self) -> Catalog:
        """Gives the catalog as it is shared with other processes."""
        return Catalog(
            revision=self.revision,
            tenant=self.tenant,
            resources=tuple(self.resources.values()),
            service_types=tuple(self.service_types.values()),
        )

    def generation(self, span: Span) -> str:
        """Names the state of all that is taken in a span: other names, and only those, may differ.

        It changes with every event of the ledger on a day the span touches, and with every change
        of the catalog.
        """
        return generation_of(self.revision, self._stamps, span)

    def first_expiry(self, span: Span) -> datetime | None:
        """Gives when the first live hold in a span ends, if there is one."""
        ends = (
            one.expires_at
            for one in self._held.values()
            if one.expires_at is not None and one.occupied.overlaps(span)
        )
        return min(ends, default=None)

    def lane(self, resource_id: str, now: datetime, *, keep: bool = True) -> Lane:
        """Gives the lane of a resource at a moment; kept until something in it changes."""
        lane = self._lanes.get(resource_id) if keep else None
        if lane is not None and lane.holds_at(now):
            return lane
        if keep:
            self._forget_past(resource_id, now)
        lane = lane_of(
            self.resources[resource_id],
            self.schedules.get(resource_id, Schedule()),
            self._taken.get(resource_id, {}).values(),
            pattern=self._pattern(resource_id),
            now=now,
        )
        if keep:
            self._lanes[resource_id] = lane
        return lane

    def contenders(self, wanted: Wanted, now: datetime, *, keep: bool = True) -> list[Contender]:
        """Gives who may serve, best static priority first."""
        eligible = self.roster.eligible(wanted)
        return [
            Contender(self.lane(one, now, keep=keep), eligible.until(one)) for one in eligible.ids
        ]

    def _has_seen(self, at: Position) -> bool:
        """Says whether the event was in what was read, or told already."""
        return at.made_at == self._position.made_at and at.number <= self._position.number

    def _take(self, allocation: Allocation) -> None:
        if allocation.state is AllocationState.HELD and allocation.expires_at is not None:
            entry = (allocation.expires_at, allocation.id, allocation.version)
            heapq.heappush(self._expiries, entry)
            self._held[allocation.id] = allocation
        for resource_id in allocation.resource_ids:
            self._taken.setdefault(resource_id, {})[allocation.id] = allocation
            lane = self._lanes.get(resource_id)
            if lane is not None:
                self._lanes[resource_id] = lane.also(allocation)
            self._touch(resource_id, allocation.occupied)

    def _touch(self, resource_id: str, occupied: Span) -> None:
        rank = self.roster.rank.get(resource_id)
        if rank is None:
            return
        for board in self._boards.values():
            board.touch(rank, occupied)

    def _pattern(self, resource_id: str) -> Pattern:
        pattern = self._patterns.get(resource_id)
        if pattern is None:
            made = pattern_of(
                self.resources[resource_id],
                self.schedules.get(resource_id, Schedule()),
                self.tenant,
            )
            # Equal patterns are one object, which makes comparing them free.
            pattern = self._patterns[resource_id] = self._same.setdefault(made, made)
        return pattern

    def _forget_past(self, resource_id: str, now: datetime) -> None:
        taken = self._taken.get(resource_id)
        if not taken:
            return
        bound = floor_minute(now - KEPT_BEHIND)
        for past in [one for one in taken.values() if one.occupied.end < bound]:
            del taken[past.id]
            if not any(past.id in self._taken.get(one, {}) for one in past.resource_ids):
                self._known.pop(past.id, None)
