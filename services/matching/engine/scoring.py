"""Scores all pairs of a layout at once and picks the best; nothing is left to chance."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from services.matching.engine.accounts import account_of, spread
from services.matching.engine.layout import Layout, Scope
from services.matching.engine.outside import Column, Mask, Matrix, Workload
from services.matching.engine.people import Pool, Totals
from services.matching.rules.facts import DayFacts, PairFacts, SlotFacts
from services.matching.rules.fairness import Share

if TYPE_CHECKING:
    from services.matching.rules.facts import Whole

# Keys are made of points, slot and rank; together they must fit a signed 64-bit number.
KEY_MAX = 2**63 - 1
# Room for the units of one month in a number that joins offered and given units.
UNITS_MAX = 2**20


@dataclass(frozen=True, slots=True)
class Tables:
    """What the preferences look at: rows are resources, columns are groups of slots."""

    day: DayFacts
    slot: SlotFacts
    # Beside the pairs; None where nothing is known of them.
    pair: PairFacts | None
    # Units each group would add to its month, per resource.
    added: Column
    # Units given and offered per resource and month, who is compared, and with what in all.
    given: Column
    offered: Column
    people: Mask
    totals: Totals | None
    tolerance_percent: int

    def facts(self, row: int, group: int) -> DayFacts:
        """Gives the facts of one resource on the days of one group, as plain numbers."""
        day = self.day
        return replace(
            day,
            is_person=bool(self.people[row]),
            given_after=_cell(day.given_after, row, group),
            offered=_cell(day.offered, row, group),
            fairest_given_after=_cell(day.fairest_given_after, 0, group),
            fairest_offered=_cell(day.fairest_offered, 0, group),
            bookings=_cell(day.bookings, row, group),
            priority_rank=_cell(day.priority_rank, row, 0),
            capacity_max=_cell(day.capacity_max, row, 0),
            served_before=_cell(day.served_before, row, 0),
            spare_skills=_cell(day.spare_skills, row, 0),
        )

    def share(self, row: int, month: int) -> Share | None:
        """Gives what one person was given among all people compared, before any assignment."""
        if self.totals is None:
            return None
        return Share(
            offered=int(self.offered[row, month]),
            offered_all=self.totals.offered[month],
            given=int(self.given[row, month]),
            given_all=self.totals.given[month],
            tolerance_percent=self.tolerance_percent,
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """One pair that was picked: a slot and a resource by their numbers, and its points."""

    slot: int
    resource: int
    points: int


def tabulate(
    scope: Scope, workload: Workload, shared: Sequence[Pool], *, first_day: int, end_day: int
) -> Tables:
    """Turns work and offers into the facts of every resource on every group of days.

    `first_day` and `end_day` bound the days of the workload: whole months where fairness counts.
    """
    matrix, layout = scope.matrix, scope.layout
    bookings = spread(matrix, workload, workload.bookings, first_day, end_day)
    account = account_of(scope, workload, shared, first_day=first_day, end_day=end_day)
    given, offered, added = account.given, account.offered, account.added
    people = np.array([resource.is_person for resource in matrix.resources], dtype=np.bool_)
    given_after = given[:, layout.group_months] + added
    offered_then = offered[:, layout.group_months]
    fairest = _fairest(layout, people, given_after, offered_then)
    ranks, levels = _priority_ranks(matrix, layout)
    capacities = [resource.capacity_max for resource in matrix.resources]
    skills = np.array([one.skill_count for one in matrix.resources], dtype=np.int64)
    spare = skills - skills[layout.resources].min(initial=skills.max(initial=0))
    served = np.array([workload.familiar.get(one.id, 0) for one in matrix.resources], np.int64)
    day = DayFacts(
        is_person=people[:, None],
        given_after=given_after,
        offered=offered_then,
        fairest_given_after=fairest[None, layout.group_months, 0],
        fairest_offered=fairest[None, layout.group_months, 1],
        bookings=bookings[:, layout.first_days - first_day],
        priority_rank=ranks[:, None],
        priority_levels=levels,
        party_size=scope.asked.question.party_size,
        capacity_max=np.array(capacities, dtype=np.int64)[:, None],
        served_before=served[:, None],
        customer_known=bool(served[layout.resources].any()),
        spare_skills=spare[:, None],
        skills_differ=bool(spare[layout.resources].any()),
    )
    slot = SlotFacts(
        wait=layout.starts - matrix.window_start,
        room=matrix.window_end - matrix.duration - matrix.window_start,
    )
    return Tables(
        day=day,
        slot=slot,
        pair=_pairs(layout),
        added=added,
        given=given,
        offered=offered,
        people=people,
        totals=account.totals,
        tolerance_percent=scope.settings.tolerance_percent,
    )


def best(scope: Scope, tables: Tables, *, limit: int) -> list[Choice]:
    """Picks the best: most points, then earlier start, lower priority, fewest bookings, id."""
    matrix, layout, policy = scope.matrix, scope.layout, scope.policy
    if layout.empty or limit <= 0:
        return []
    by_day: Column = np.zeros(layout.used.shape, dtype=np.int64)
    for rule in policy.by_day:
        by_day += np.where(rule.applies(tables.day), rule.points(rule.weight, tables.day), 0)
    by_slot: Column = np.zeros(len(layout.starts), dtype=np.int64)
    for rule_ in policy.by_slot:
        by_slot += np.where(rule_.applies(tables.slot), rule_.points(rule_.weight, tables.slot), 0)
    # A pair's key: points missed, then the slot's number, then the resource's rank in the group.
    # Cell and slot contribute to it apart, so that a pair costs one addition.
    count, width = len(layout.starts), len(matrix.resources)
    most_by_day, most_by_slot = int(by_day.max()), int(by_slot.max())
    most_by_pair = sum(rule.weight for rule in policy.by_pair)
    if (most_by_day + most_by_slot + most_by_pair + 1) * count * width > KEY_MAX:
        raise OverflowError("more pairs than one ranking can tell apart")
    by_cell = (most_by_day - by_day) * (count * width) + _ranks(matrix, tables)
    of_slot = ((most_by_slot - by_slot) * count + np.arange(count, dtype=np.int64)) * width
    keys = by_cell.reshape(-1)[layout.cells]
    keys += np.repeat(of_slot, layout.capacities)
    by_pair = pair_points(scope, tables)
    if by_pair is not None:
        keys += (int(by_pair.max()) - by_pair) * (count * width)
    if limit < len(keys):
        top = np.argpartition(keys, limit - 1)[:limit]
        top = top[np.argsort(keys[top])]
    else:
        top = np.argsort(keys)
    slots = np.searchsorted(np.cumsum(layout.capacities), top, side="right")
    rows = layout.pairs[top]
    points = by_day[rows, layout.slot_groups[slots]] + by_slot[slots]
    if by_pair is not None:
        points += by_pair[top]
    return [
        Choice(*picked)
        for picked in zip(slots.tolist(), rows.tolist(), points.tolist(), strict=True)
    ]


def pair_points(scope: Scope, tables: Tables) -> Column | None:
    """Gives the points of every pair by what depends on the resource and the time of day; None
    where nothing is known of that.
    """
    facts = tables.pair
    if facts is None or not scope.policy.by_pair:
        return None
    found: Column = np.zeros(len(scope.layout.pairs), dtype=np.int64)
    for rule in scope.policy.by_pair:
        found += np.where(rule.applies(facts), rule.points(rule.weight, facts), 0)
    return found


def _pairs(layout: Layout) -> PairFacts | None:
    if layout.suits is None and layout.travel_minutes is None:
        return None
    return PairFacts(
        suits=0 if layout.suits is None else layout.suits,
        wishes_known=layout.suits is not None,
        travel_minutes=-1 if layout.travel_minutes is None else layout.travel_minutes,
    )


def _cell(table: "Whole", row: int, column: int) -> int:
    return int(np.asarray(table)[row, column])


def _fairest(layout: Layout, people: Mask, given_after: Column, offered: Column) -> Column:
    """Gives per month the (given after, offered) whose quotient is least among the pairs.

    Zeros where no person of the pairs offers anything. Fractions are compared by cross products.
    """
    used = layout.used & people[:, None] & (offered > 0)
    found = np.zeros((len(layout.months), 2), dtype=np.int64)
    rows, groups = np.nonzero(used)
    units = np.unique(
        (layout.group_months[groups] * UNITS_MAX + offered[rows, groups]) * UNITS_MAX
        + given_after[rows, groups]
    )
    for code in units.tolist():
        rest, given = divmod(code, UNITS_MAX)
        month, offer = divmod(rest, UNITS_MAX)
        if found[month, 1] == 0 or given * int(found[month, 1]) < int(found[month, 0]) * offer:
            found[month] = given, offer
    return found


def _priority_ranks(matrix: Matrix, layout: Layout) -> tuple[Column, int]:
    """Gives each resource's place among the distinct priorities of the pairs, and their number."""
    priorities = np.array([resource.priority for resource in matrix.resources], dtype=np.int64)
    levels = np.unique(priorities[layout.resources])
    return np.searchsorted(levels, priorities), len(levels)


def _ranks(matrix: Matrix, tables: Tables) -> Column:
    """Numbers the resources of each group by priority, bookings that day and id."""
    resources = matrix.resources
    by_id = np.zeros(len(resources), dtype=np.int64)
    by_id[sorted(range(len(resources)), key=lambda row: resources[row].id)] = np.arange(
        len(resources), dtype=np.int64
    )
    shape = tables.added.shape
    bookings = np.asarray(tables.day.bookings)
    order = np.lexsort(
        (
            np.broadcast_to(by_id[:, None], shape),
            bookings,
            np.broadcast_to(np.asarray(tables.day.priority_rank), shape),
        ),
        axis=0,
    )
    ranks = np.empty(shape, dtype=np.int64)
    np.put_along_axis(ranks, order, np.arange(len(resources), dtype=np.int64)[:, None], axis=0)
    return ranks
