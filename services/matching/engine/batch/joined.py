"""Merges as options of a joint plan: what a request can have beside all who serve it alone."""

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from services.matching.domain import Candidate
from services.matching.engine.explaining import Scene
from services.matching.engine.layout import Scope
from services.matching.engine.merging import Joined, best_merges, merging_of
from services.matching.engine.outside import Column
from services.matching.engine.scoring import Tables
from services.matching.rules.merges import Terms
from services.matching.rules.preferences import FAIRNESS

# Merges of one request that are looked at, and taken as options, per slot and in all.
LOOKED_AT_MAX = 20_000
SLOT_MAX, EACH_MAX = 24, 2_000


@dataclass(frozen=True, slots=True)
class Together:
    """The merges of one request; their points leave fairness out."""

    scope: Scope
    tables: Tables
    party: int
    plans: tuple[Joined, ...]
    # Whether there are no others.
    whole: bool

    def candidate(self, number: int) -> Candidate:
        """Gives the candidate that a merge stands for, with its reasons."""
        scene = Scene(self.scope, self.tables, alone=False)
        return scene.joint_candidate(self.plans[number], self.party)

    def points(self, alone: Column) -> Column:
        """Gives the points of each merge, so few that any who serves alone brings more."""
        points = np.array([plan.points for plan in self.plans], dtype=np.int64)
        if len(alone) and len(points):
            points -= max(int(points.max()) - int(alone.min()) + 1, 0)
        return points

    @property
    def starts(self) -> Column:
        """When each merge starts."""
        slots = np.array([plan.slot for plan in self.plans], dtype=np.int64)
        return self.scope.layout.starts[slots]

    def day(self, number: int, row: int) -> int:
        """Gives the day that a merge makes one that this member works, or -1."""
        layout = self.scope.layout
        group = int(layout.slot_groups[self.plans[number].slot])
        new = self.tables.people[row] and self.tables.added[row, group] > 0
        return int(layout.first_days[group]) if new else -1


def together_of(scope: Scope, tables: Tables, party: int, terms: Terms) -> Together:
    """Finds the merges that suit a party, the best of each slot."""
    rules = tuple(rule for rule in scope.policy.by_day if rule.name != FAIRNESS.name)
    plain = replace(scope, policy=replace(scope.policy, by_day=rules))
    merging = merging_of(plain, party, terms)
    found = best_merges(merging, tables, without=frozenset(), limit=LOOKED_AT_MAX)
    seen: Counter[int] = Counter()
    kept: list[Joined] = []
    for plan in found:
        seen[plan.slot] += 1
        if seen[plan.slot] <= SLOT_MAX and len(kept) < EACH_MAX:
            kept.append(plan)
    whole = merging.found.complete and len(kept) == len(found) < LOOKED_AT_MAX
    return Together(scope, tables, party, tuple(kept), whole)
