"""Who a tenant has, in the order of static priority, and who of them may serve what."""

from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from services.availability.domain import LAST_MINUTE, ObstacleCode, Resource, Wanted
from services.availability.rules.bits import Words, row_of
from services.availability.rules.eligibility import ineligibility, ineligible_codes, qualified_until
from services.availability.rules.intervals import Minutes, minutes

# Sets of eligible resources kept, one per question's form.
ELIGIBLE_MAX = 4_096


@dataclass(slots=True)
class Eligible:
    """Who may serve a form of question, best static priority first, and why others may not."""

    ids: tuple[str, ...]
    # uint64[words], a bit per resource of the roster.
    mask: Words
    # int32[resources] for all of the roster, or none where nobody's skill ever runs out.
    untils: Minutes | None
    # Whether they are all the tenant has.
    everybody: bool
    # How many are kept out by what, all reasons together; counted when first asked.
    ineligible: Counter[tuple[ObstacleCode, ...]] | None = None
    until_of: Mapping[str, int] = field(default_factory=dict)

    def until(self, resource_id: str) -> int:
        """Gives the minute by which a slot of this resource must have ended."""
        return self.until_of.get(resource_id, LAST_MINUTE)


class Roster:
    """The resources of a tenant at one moment; a change of any of them makes a new one."""

    def __init__(self, resources: Mapping[str, Resource]) -> None:
        """Ranks the resources by priority, then id; the rank is the resource's column."""
        self.resources = resources
        # Whether an event may count for more than its own day.
        self.limited = any(resource.limits for resource in resources.values())
        self.ranked: list[str] = []
        self.rank: dict[str, int] = {}
        self._by_skill: dict[str, list[str]] = {}
        self._by_zone: dict[str, list[str]] = {}
        self._eligible: OrderedDict[Wanted, Eligible] = OrderedDict()
        order = sorted(resources.values(), key=lambda one: (one.priority, one.id))
        for rank, resource in enumerate(order):
            self.ranked.append(resource.id)
            self.rank[resource.id] = rank
            self._by_zone.setdefault(resource.zone, []).append(resource.id)
            for name in {skill.name for skill in resource.skills}:
                self._by_skill.setdefault(name, []).append(resource.id)

    def __len__(self) -> int:
        return len(self.ranked)

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
        until_of = {
            one: until
            for one in ids
            if (until := qualified_until(self.resources[one], wanted)) < LAST_MINUTE
        }
        made = self._eligible[wanted] = Eligible(
            ids=ids,
            mask=row_of([self.rank[one] for one in ids], len(self)),
            untils=self._untils(until_of) if until_of else None,
            everybody=len(ids) == len(self),
            until_of=until_of,
        )
        if len(self._eligible) > ELIGIBLE_MAX:
            self._eligible.popitem(last=False)
        return made

    def ineligible(self, wanted: Wanted) -> Counter[tuple[ObstacleCode, ...]]:
        """Counts those asked about who may not serve, by all their reasons, the first one first."""
        eligible = self.eligible(wanted)
        if eligible.ineligible is None:
            eligible.ineligible = Counter(
                codes
                for resource in self.asked(wanted)
                if (codes := ineligible_codes(resource, wanted))
            )
        return eligible.ineligible

    def asked(self, wanted: Wanted) -> Iterator[Resource]:
        """Gives the resources a question is about, by id: those named, or all."""
        for resource_id in sorted(set(wanted.resource_ids) or self.resources):
            if resource_id in self.resources:
                yield self.resources[resource_id]

    def count_asked(self, wanted: Wanted) -> int:
        """Counts the resources a question is about."""
        return len(set(wanted.resource_ids)) or len(self.resources)

    def _untils(self, until_of: Mapping[str, int]) -> Minutes:
        untils = np.full(len(self), LAST_MINUTE, dtype=np.int32)
        untils[[self.rank[one] for one in until_of]] = minutes(list(until_of.values()))
        return untils

    def _narrowed(self, wanted: Wanted) -> list[str]:
        """Gives the shortest list by rank that holds all who may serve."""
        if wanted.resource_ids:
            # One that was asked about may have gone meanwhile.
            known = set(wanted.resource_ids) & self.rank.keys()
            return sorted(known, key=self.rank.__getitem__)
        lists = [self.ranked]
        lists.extend(self._by_skill.get(skill.name, []) for skill in wanted.skills)
        if wanted.zone:
            lists.append(self._by_zone.get(wanted.zone, []))
        return min(lists, key=len)
