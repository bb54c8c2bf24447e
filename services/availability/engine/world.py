"""One tenant in memory: its catalog, schedules and allocations, and what is derived from them."""

from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from weakref import WeakValueDictionary

from services.availability.domain import (
    BLOCKING_STATES,
    Allocation,
    ObstacleCode,
    Resource,
    Schedule,
    Wanted,
    floor_minute,
)
from services.availability.rules.eligibility import ineligibility, qualified_until
from services.availability.rules.lane import Lane, lane_of
from services.availability.rules.slots import Contender
from services.availability.rules.working import Pattern, pattern_of
from services.availability.store import Difference, Everything

# What ended before this long ago no longer matters to anybody who looks ahead; limits per week
# count from last Monday on.
KEPT_BEHIND = timedelta(days=10)
# Sets of eligible resources kept, one per question's form.
ELIGIBLE_MAX = 4_096
# Versions remembered of allocations that ended, against events that come late.
ENDED_MAX = 50_000


@dataclass(slots=True)
class Eligible:
    """Who may serve a form of question, best static priority first, and why others may not."""

    ids: tuple[str, ...]
    untils: tuple[int, ...]
    # How many are kept out by what; counted when first asked.
    ineligible: Counter[ObstacleCode] | None = None


@dataclass(slots=True)
class Index:
    """Resources in the order of static priority, and which of them have a skill or a zone."""

    ranked: list[str] = field(default_factory=list)
    rank: dict[str, int] = field(default_factory=dict)
    by_skill: dict[str, list[str]] = field(default_factory=dict)
    by_zone: dict[str, list[str]] = field(default_factory=dict)


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
        self._known: dict[str, Allocation] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._taken: dict[str, dict[str, Allocation]] = {}
        self._lanes: dict[str, Lane] = {}
        self._patterns: dict[str, Pattern] = {}
        self._same: WeakValueDictionary[Pattern, Pattern] = WeakValueDictionary()
        self._eligible: OrderedDict[Wanted, Eligible] = OrderedDict()
        self._index: Index | None = None
        for allocation in everything.allocations:
            self.allocate(allocation, {})

    def change(self, difference: Difference) -> None:
        """Takes over what changed in the catalog and schedules."""
        self.revision = max(self.revision, difference.revision)
        for type_id in difference.service_type_ids:
            self.service_types.pop(type_id, None)
        self.service_types.update(difference.service_types)
        if difference.tenant is not None:
            self.tenant = difference.tenant
            # A resource without a zone of its own is read in the tenant's.
            self._lanes.clear()
            self._patterns.clear()
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
            self._eligible.clear()
            self._index = None

    def allocate(self, allocation: Allocation, generations: Mapping[str, int]) -> None:
        """Takes over an event of the ledger, unless a later one of the allocation is known."""
        for resource_id, generation in generations.items():
            if generation > self.generations.get(resource_id, 0):
                self.generations[resource_id] = generation
        known = self._known.get(allocation.id)
        if known is not None:
            if known.version >= allocation.version:
                return
            for resource_id in known.resource_ids:
                self._taken.get(resource_id, {}).pop(allocation.id, None)
                self._lanes.pop(resource_id, None)
        self._known[allocation.id] = allocation
        if allocation.state in BLOCKING_STATES:
            for resource_id in allocation.resource_ids:
                self._taken.setdefault(resource_id, {})[allocation.id] = allocation
                self._lanes.pop(resource_id, None)
            return
        self._ended[allocation.id] = None
        if len(self._ended) > ENDED_MAX:
            self._known.pop(self._ended.popitem(last=False)[0], None)

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
        eligible = self.eligible(wanted)
        return [
            Contender(self.lane(resource_id, now, keep=keep), until)
            for resource_id, until in zip(eligible.ids, eligible.untils, strict=True)
        ]

    def eligible(self, wanted: Wanted) -> Eligible:
        """Gives who may serve a form of question; the resources asked about must exist."""
        known = self._eligible.get(wanted)
        if known is not None:
            self._eligible.move_to_end(wanted)
            return known
        ids = tuple(
            resource_id
            for resource_id in self._narrowed(wanted)
            if not ineligibility(self.resources[resource_id], wanted)
        )
        untils = tuple(qualified_until(self.resources[one], wanted) for one in ids)
        made = self._eligible[wanted] = Eligible(ids, untils)
        if len(self._eligible) > ELIGIBLE_MAX:
            self._eligible.popitem(last=False)
        return made

    def ineligible(self, wanted: Wanted) -> Counter[ObstacleCode]:
        """Counts those asked about who may not serve, each for its first reason."""
        eligible = self.eligible(wanted)
        if eligible.ineligible is None:
            eligible.ineligible = Counter(
                reasons[0].code
                for resource in self.asked(wanted)
                if (reasons := ineligibility(resource, wanted))
            )
        return eligible.ineligible

    def asked(self, wanted: Wanted) -> Iterator[Resource]:
        """Gives the resources a question is about, by id: those named, or all."""
        for resource_id in sorted(set(wanted.resource_ids) or self.resources):
            yield self.resources[resource_id]

    def count_asked(self, wanted: Wanted) -> int:
        """Counts the resources a question is about."""
        return len(set(wanted.resource_ids)) or len(self.resources)

    def _narrowed(self, wanted: Wanted) -> list[str]:
        """Gives the shortest list by rank that holds all who may serve."""
        index = self._ranks()
        if wanted.resource_ids:
            return sorted(set(wanted.resource_ids), key=index.rank.__getitem__)
        lists = [index.ranked]
        lists.extend(index.by_skill.get(skill.name, []) for skill in wanted.skills)
        if wanted.zone:
            lists.append(index.by_zone.get(wanted.zone, []))
        return min(lists, key=len)

    def _ranks(self) -> Index:
        if self._index is not None:
            return self._index
        made = self._index = Index()
        order = sorted(self.resources.values(), key=lambda one: (one.priority, one.id))
        for rank, resource in enumerate(order):
            made.ranked.append(resource.id)
            made.rank[resource.id] = rank
            made.by_zone.setdefault(resource.zone, []).append(resource.id)
            for name in {skill.name for skill in resource.skills}:
                made.by_skill.setdefault(name, []).append(resource.id)
        return made

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
