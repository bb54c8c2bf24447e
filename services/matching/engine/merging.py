"""Ranks merges: plans of several resources where none that is free takes the party alone."""

from dataclasses import dataclass, replace

import numpy as np

from services.matching.engine.layout import Scope
from services.matching.engine.outside import Column, Mask
from services.matching.engine.scoring import Tables
from services.matching.rules.facts import DayFacts
from services.matching.rules.merges import Found, Merge, Part, Terms, merges
from services.matching.rules.preferences import FIT, JOINTS

# More points than any preference gives: of a resource that a preference is not about.
NO_MATTER = 2**40


@dataclass(frozen=True, slots=True)
class Joined:
    """A merge in a slot: its resources by their numbers, its seats and its points."""

    slot: int
    members: tuple[int, ...]
    seats: int
    points: int


@dataclass(frozen=True, slots=True)
class Merging:
    """All merges that any slot of a scope could have, by the numbers of its resources."""

    scope: Scope
    party: int
    found: Found
    # The scope's resource behind each part.
    rows: tuple[int, ...]

    def members(self, merge: Merge) -> tuple[int, ...]:
        """Gives the resources of a merge by the scope's numbers, by id."""
        return tuple(self.rows[place] for place in merge.members)

    @property
    def usable(self) -> frozenset[str]:
        """The ids of all that are part of a merge."""
        resources = self.scope.matrix.resources
        return frozenset(
            resources[row].id for merge in self.found.merges for row in self.members(merge)
        )


def merging_of(scope: Scope, party: int, terms: Terms) -> Merging:
    """Finds the merges among all resources that are free at some slot."""
    resources = scope.matrix.resources
    rows = tuple(sorted(scope.layout.resources.tolist(), key=lambda row: resources[row].id))
    parts = [
        Part(
            id=resources[row].id,
            zone=resources[row].zone,
            seats=resources[row].capacity_max,
            adjacent=frozenset(resources[row].adjacent_ids),
            movable=resources[row].movable,
        )
        for row in rows
    ]
    return Merging(scope, party, merges(parts, party, terms), rows)


def best_merges(
    merging: Merging, tables: Tables, *, without: frozenset[int], limit: int
) -> list[Joined]:
    """Picks the best: most points, then earlier start, lower priority, fewest bookings, ids.

    `without` are the starts at which somebody serves alone: no merge beats a single. A plan is as
    good as the weakest of its resources, in every preference but fit, which looks at all seats.
    """
    scope, layout, found = merging.scope, merging.scope.layout, merging.found.merges
    if not found or limit <= 0:
        return []
    inside = _inside(merging)
    points = _points(merging, tables)
    by_slot = _slot_points(scope, tables)
    priority, bookings = _worst(merging, tables)
    columns: list[tuple[Column, ...]] = []
    first = 0
    for slot, capacity in enumerate(layout.capacities.tolist()):
        free = np.zeros(len(scope.matrix.resources), dtype=np.bool_)
        free[layout.pairs[first : first + capacity]] = True
        first += capacity
        if int(layout.starts[slot]) in without or capacity < 2:
            continue
        whole = np.flatnonzero(~(inside & ~free).any(axis=1))
        group = int(layout.slot_groups[slot])
        own = points[whole, group] + by_slot[slot]
        columns.append(
            (-own, np.full(len(whole), slot), priority[whole], bookings[whole, group], whole)
        )
    if not columns:
        return []
    missed, slots, ranks, counts, numbers = (
        np.concatenate(column) for column in zip(*columns, strict=True)
    )
    # The merges are numbered by their ids, so that their number is the last word.
    order = np.lexsort((_by_ids(merging)[numbers], counts, ranks, slots, missed))[:limit]
    return [
        Joined(
            slot=int(slots[place]),
            members=merging.members(found[int(numbers[place])]),
            seats=found[int(numbers[place])].seats,
            points=-int(missed[place]),
        )
        for place in order.tolist()
    ]


def joint_facts(day: DayFacts, *, party: int, seats: int, parts: int) -> DayFacts:
    """Gives what fit and joints look at: the plan as a whole."""
    return replace(day, party_size=party, capacity_max=seats, parts=parts)


def _inside(merging: Merging) -> Mask:
    """Says which resource is in which merge: bool[merges, resources]."""
    found = merging.found.merges
    inside = np.zeros((len(found), len(merging.scope.matrix.resources)), dtype=np.bool_)
    for number, merge in enumerate(found):
        inside[number, list(merging.members(merge))] = True
    return inside


def _padded(merging: Merging) -> Column:
    """Gives the resources of each merge, the first repeated where others have more."""
    found = merging.found.merges
    width = max(len(merge.members) for merge in found)
    rows = [merging.members(merge) for merge in found]
    return np.array([row + (row[0],) * (width - len(row)) for row in rows], dtype=np.int64)


def _points(merging: Merging, tables: Tables) -> Column:
    """Gives the points of each merge in each group of days: int64[merges, groups]."""
    scope, found = merging.scope, merging.found.merges
    shape = scope.layout.used.shape
    padded = _padded(merging)
    points: Column = np.zeros((len(found), shape[1]), dtype=np.int64)
    for rule in scope.policy.by_day:
        if rule.name in (FIT.name, JOINTS.name):
            plain = tables.facts(0, 0)
            whole = [
                joint_facts(plain, party=merging.party, seats=one.seats, parts=len(one.members))
                for one in found
            ]
            own = [int(rule.points(rule.weight, facts)) for facts in whole]
            points += np.array(own, dtype=np.int64)[:, None]
            continue
        worth = np.where(rule.applies(tables.day), rule.points(rule.weight, tables.day), NO_MATTER)
        least = np.broadcast_to(worth, shape)[padded].min(axis=1)
        points += np.where(least == NO_MATTER, 0, least)
    return points


def _slot_points(scope: Scope, tables: Tables) -> Column:
    points: Column = np.zeros(len(scope.layout.starts), dtype=np.int64)
    for rule in scope.policy.by_slot:
        points += np.where(rule.applies(tables.slot), rule.points(rule.weight, tables.slot), 0)
    return points


def _worst(merging: Merging, tables: Tables) -> tuple[Column, Column]:
    """Gives each merge's highest priority number, and all its bookings per group of days."""
    resources = merging.scope.matrix.resources
    priorities = np.array([one.priority for one in resources], dtype=np.int64)
    bookings = np.broadcast_to(np.asarray(tables.day.bookings), merging.scope.layout.used.shape)
    inside = _inside(merging)
    highest = np.where(inside, priorities[None, :], np.iinfo(np.int64).min).max(axis=1)
    total: Column = inside.astype(np.int64) @ bookings
    return highest, total


def _by_ids(merging: Merging) -> Column:
    """Numbers the merges by their resources' ids."""
    found = merging.found.merges
    order = sorted(range(len(found)), key=lambda number: found[number].members)
    numbers = np.empty(len(found), dtype=np.int64)
    numbers[order] = np.arange(len(found), dtype=np.int64)
    return numbers
