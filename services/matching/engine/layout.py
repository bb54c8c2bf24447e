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


@dataclass(frozen=True, slots=True)
class Layout:
    """All (slot, resource) pairs that pass the filters, and the days and months they touch."""

    # Starts of the slots; pairs point into it and into the matrix's resources, slot after slot.
    starts: Column
    pair_slots: Column
    pair_resources: Column
    # Slots that touch the same local days form a group: the group of each slot, and each group's
    # first and last day since 1970-01-01.
    slot_groups: Column
    first_days: Column
    last_days: Column
    # The months of the groups' first days: all between the earliest and the latest.
    months: tuple[Month, ...]
    group_months: Column
    # Left out by matching's own check.
    rejections: tuple[Rejection, ...]

    @property
    def empty(self) -> bool:
        """Whether nobody passes."""
        return not len(self.pair_slots)

    @property
    def resources(self) -> Column:
        """The resources that occur in any pair, ascending."""
        return np.unique(self.pair_resources)


def lay_out(asked: Asked, matrix: Matrix, zone: ZoneInfo) -> Layout:
    """Filters the pairs of a matrix and groups its slots by the zone's days."""
    count = len(matrix.starts)
    slots = np.repeat(np.arange(count, dtype=np.int64), matrix.capacities)
    served, rejections = _served(asked, matrix)
    fitting = _fitting(asked, matrix.starts)
    pairs = matrix.pairs
    if rejections or not fitting.all():
        kept = served[pairs] & fitting[slots]
        slots, pairs = slots[kept], pairs[kept]
    groups, first_days, last_days = _groups(matrix.starts, matrix.duration, zone)
    months, group_months = _months(first_days)
    return Layout(
        starts=matrix.starts,
        pair_slots=slots,
        pair_resources=pairs,
        slot_groups=groups,
        first_days=first_days,
        last_days=last_days,
        months=months,
        group_months=group_months,
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


def _groups(starts: Column, duration: int, zone: ZoneInfo) -> tuple[Column, Column, Column]:
    """Gives the group of each slot, and the first and last local day of each group."""
    none = np.zeros(0, dtype=np.int64)
    if not len(starts):
        return none, none, none
    opening, closing = int(starts[0]), int(starts[-1]) + duration
    low = local_day(opening, moment_of(opening), zone)
    high = day_of(moment_of(closing).astimezone(zone).date()) + 1
    edges = np.array([day_start(day, zone) for day in range(low + 1, high + 1)], dtype=np.int64)
    first = np.searchsorted(edges, starts, side="right")
    last = np.searchsorted(edges, starts + (duration - 1), side="right")
    width = high - low + 1
    codes, groups = np.unique(first * width + (last - first), return_inverse=True)
    return groups, low + codes // width, low + codes // width + codes % width


def _months(first_days: Column) -> tuple[tuple[Month, ...], Column]:
    """Gives all months from the earliest day to the latest, and which of them each day is in."""
    if not len(first_days):
        return (), first_days
    months = months_between(
        Month.of_day(int(first_days.min())), Month.of_day(int(first_days.max()))
    )
    ends = np.array([month.end_day for month in months], dtype=np.int64)
    return months, np.searchsorted(ends, first_days, side="right")
