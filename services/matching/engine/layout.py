"""Lays free slots out for scoring: filtered, numbered, and grouped by the local days they touch."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np

from services.matching.domain import (
    Month,
    Rejection,
    day_of,
    day_start,
    local_day,
    moment_of,
    months_between,
)
from services.matching.engine.outside import Column, Mask, Matrix
from services.matching.rules.filters import FILTERS, Asked, refusals
from services.matching.rules.policies import Policy
from services.matching.rules.settings import USUAL, Settings


@dataclass(frozen=True, slots=True)
class Layout:
    """All (slot, resource) pairs that pass the filters, and the days and months they touch."""

    # Starts of the slots, and how many pairs each has; pairs point to the matrix's resources, slot
    # after slot.
    starts: Column
    capacities: Column
    pairs: Column
    # Beside the pairs; None where nobody has wishes, and where no place was given.
    suits: Column | None
    travel_minutes: Column | None
    # Slots that touch the same local days form a group: the group of each slot, and each group's
    # first and last day since 1970-01-01.
    slot_groups: Column
    first_days: Column
    last_days: Column
    # Days among those that the zone never had.
    skipped_days: Column
    # The months of the groups' first days: all between the earliest and the latest.
    months: tuple[Month, ...]
    group_months: Column
    # What a preference of the day looks at is the same for all pairs of one resource and group: the
    # cell of each pair in a flat table of resources by groups, and which cells have a pair.
    cells: Column
    used: Mask
    # Left out by matching's own check.
    rejections: tuple[Rejection, ...]

    @property
    def empty(self) -> bool:
        """Whether nobody passes."""
        return not len(self.pairs)

    def pair_of(self, slot: int, resource: int) -> int:
        """Gives the place of a pair among all pairs."""
        first = int(self.capacities[:slot].sum())
        own = self.pairs[first : first + int(self.capacities[slot])]
        return first + int(np.flatnonzero(own == resource)[0])

    @property
    def count(self) -> int:
        """How many pairs there are."""
        return len(self.pairs)

    @property
    def resources(self) -> Column:
        """The resources that occur in any pair, ascending."""
        return np.flatnonzero(self.used.any(axis=1))


@dataclass(frozen=True, slots=True)
class Scope:
    """One question, who is free for it, and the policy that ranks them."""

    asked: Asked
    matrix: Matrix
    layout: Layout
    policy: Policy
    # The tenant's, whose days and months are meant.
    zone: ZoneInfo
    settings: Settings = USUAL

    @property
    def compared(self) -> bool:
        """Whether any candidate is a person whom the policy compares with others."""
        return self.policy.weighs_fairness and any(
            self.matrix.resources[row].is_person for row in self.layout.resources
        )


def lay_out(asked: Asked, matrix: Matrix, zone: ZoneInfo) -> Layout:
    """Filters the pairs of a matrix and groups its slots by the zone's days."""
    served, rejections = _served(asked, matrix)
    fitting = _fitting(asked, matrix.starts)
    pairs, capacities = matrix.pairs, matrix.capacities
    suits, travel = matrix.suits, matrix.travel_minutes
    if rejections or not fitting.all():
        slots = np.repeat(np.arange(len(capacities), dtype=np.int64), capacities)
        kept = served[pairs] & fitting[slots]
        pairs = pairs[kept]
        suits = None if suits is None else suits[kept]
        travel = None if travel is None else travel[kept]
        capacities = np.bincount(slots[kept], minlength=len(capacities))
    groups, first_days, last_days, skipped_days = _groups(matrix.starts, matrix.duration, zone)
    months, group_months = _months(first_days)
    cells = pairs * len(first_days) + np.repeat(groups, capacities)
    used = np.zeros((len(matrix.resources), len(first_days)), dtype=np.bool_)
    used.reshape(-1)[cells] = True
    return Layout(
        starts=matrix.starts,
        capacities=capacities,
        pairs=pairs,
        suits=suits,
        travel_minutes=travel,
        slot_groups=groups,
        first_days=first_days,
        last_days=last_days,
        skipped_days=skipped_days,
        months=months,
        group_months=group_months,
        cells=cells,
        used=used,
        rejections=rejections,
    )


def _served(asked: Asked, matrix: Matrix) -> tuple[Mask, tuple[Rejection, ...]]:
    served = np.ones(len(matrix.resources), dtype=np.bool_)
    rejections = []
    for row, resource in enumerate(matrix.resources):
        reasons = refusals(asked, resource)
        if reasons:
            served[row] = False
            rejections.append(Rejection(resource.id, reasons))
    return served, tuple(rejections)


def _fitting(asked: Asked, starts: Column) -> Mask:
    fitting = np.ones(len(starts), dtype=np.bool_)
    for rule in FILTERS:
        fitting &= rule.fits(asked, starts)
    return fitting


def _groups(starts: Column, duration: int, zone: ZoneInfo) -> tuple[Column, Column, Column, Column]:
    """Gives each slot's group, each group's first and last local day, and days that never were."""
    none = np.zeros(0, dtype=np.int64)
    if not len(starts):
        return none, none, none, none
    opening, closing = int(starts[0]), int(starts[-1]) + duration
    low = local_day(opening, moment_of(opening), zone)
    high = day_of(moment_of(closing).astimezone(zone).date()) + 1
    edges = np.array([day_start(day, zone) for day in range(low + 1, high + 1)], dtype=np.int64)
    first = np.searchsorted(edges, starts, side="right")
    last = np.searchsorted(edges, starts + (duration - 1), side="right")
    width = high - low + 1
    codes, groups = np.unique(first * width + (last - first), return_inverse=True)
    first_days = low + codes // width
    skipped = low + 1 + np.flatnonzero(np.diff(edges) == 0)
    return groups, first_days, first_days + codes % width, skipped


def _months(first_days: Column) -> tuple[tuple[Month, ...], Column]:
    """Gives all months from the earliest day to the latest, and which of them each day is in."""
    if not len(first_days):
        return (), first_days
    months = months_between(
        Month.of_day(int(first_days.min())), Month.of_day(int(first_days.max()))
    )
    ends = np.array([month.end_day for month in months], dtype=np.int64)
    return months, np.searchsorted(ends, first_days, side="right")
