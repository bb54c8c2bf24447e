"""What each resource was given and offered, month by month, in the units that fairness counts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.matching.domain import Month, day_start
from services.matching.engine.layout import Scope
from services.matching.engine.outside import Column, Mask, Matrix, Workload
from services.matching.engine.people import Pool, Totals, given_units, totals
from services.matching.rules.settings import USUAL, Unit


@dataclass(frozen=True, slots=True)
class Account:
    """Rows are resources. `given` and `offered` have a column per month, `added` per group."""

    given: Column
    offered: Column
    # What each group of days would add to its month.
    added: Column
    # What all people compared were given and offered; None where nobody is compared.
    totals: Totals | None


def account_of(
    scope: Scope, workload: Workload, shared: Sequence[Pool], *, first_day: int, end_day: int
) -> Account:
    """Counts what the workload gave and what the pools offer."""
    matrix, layout, settings = scope.matrix, scope.layout, scope.settings
    units = spread(matrix, workload, given_units(workload, settings), first_day, end_day)
    given = _given(units, layout.months, first_day)
    offered = _offered(scope, shared)
    if settings.unit is Unit.HOURS:
        added = _added_minutes(scope)
    else:
        added = _added_days(scope, units > 0, first_day, end_day)
    return Account(
        given=given,
        offered=offered,
        added=added,
        totals=_totals(scope, workload, shared, offered) if scope.compared else None,
    )


def spread(
    matrix: Matrix, workload: Workload, values: Column, first_day: int, end_day: int
) -> Column:
    """Gives the values of a workload's entries per resource and day of `[first_day, end_day)`."""
    found = np.zeros((len(matrix.resources), end_day - first_day), dtype=np.int64)
    row_of = {resource.id: row for row, resource in enumerate(matrix.resources)}
    known = np.array([row_of.get(name, -1) for name in workload.resource_ids], dtype=np.int64)
    if not len(workload.indexes):
        return found
    rows = known[workload.indexes]
    held = (rows >= 0) & (workload.days >= first_day) & (workload.days < end_day)
    found[rows[held], workload.days[held] - first_day] = values[held]
    return found


def _added_days(scope: Scope, worked: Mask, first_day: int, end_day: int) -> Column:
    """Counts the days of each group in its own month that are not worked yet and do count."""
    layout = scope.layout
    free = ~worked
    skipped = layout.skipped_days
    free[:, skipped[(skipped >= first_day) & (skipped < end_day)] - first_day] = False
    counts_from = scope.settings.first_day
    if counts_from is not None:
        free[:, : max(counts_from - first_day, 0)] = False
    before = np.zeros((len(free), end_day - first_day + 1), dtype=np.int64)
    np.cumsum(free, axis=1, out=before[:, 1:])
    ends = np.minimum(layout.last_days + 1, _month_ends(scope)[layout.group_months])
    added: Column = before[:, ends - first_day] - before[:, layout.first_days - first_day]
    return added


def _added_minutes(scope: Scope) -> Column:
    """Gives the minutes of each group's first slot that lie in its month and after the cutover."""
    matrix, layout, zone = scope.matrix, scope.layout, scope.zone
    _, first = np.unique(layout.slot_groups, return_index=True)
    starts = layout.starts[first]
    ends = starts + matrix.duration
    month_ends = [day_start(month.end_day, zone) for month in layout.months]
    ends = np.minimum(ends, np.array(month_ends, dtype=np.int64)[layout.group_months])
    if scope.settings.first_day is not None:
        starts = np.maximum(starts, day_start(scope.settings.first_day, zone))
    added = np.maximum(ends - starts, 0)
    return np.broadcast_to(added, (len(matrix.resources), len(added)))


def _month_ends(scope: Scope) -> Column:
    return np.array([month.end_day for month in scope.layout.months], dtype=np.int64)


def _given(units: Column, months: tuple[Month, ...], first_day: int) -> Column:
    """Gives the units per resource and month, as far as the workload reaches."""
    columns = [
        units[:, max(month.first_day - first_day, 0) : max(month.end_day - first_day, 0)].sum(
            axis=1
        )
        for month in months
    ]
    return np.stack(columns, axis=1).astype(np.int64, copy=False)


def _offered(scope: Scope, shared: Sequence[Pool]) -> Column:
    """Gives what each resource offers per month: with its free slots said in days, else by pool."""
    matrix, months = scope.matrix, scope.layout.months
    column_of = {month: column for column, month in enumerate(matrix.months)}
    offered: Column = matrix.offered[:, [column_of[month] for month in months]]
    if (scope.settings.unit, scope.settings.cutover) == (USUAL.unit, USUAL.cutover) or not shared:
        return offered
    names = [resource.id for resource in matrix.resources]
    return np.array([[pool.get(name, 0) for pool in shared] for name in names], dtype=np.int64)


def _totals(scope: Scope, workload: Workload, shared: Sequence[Pool], offered: Column) -> Totals:
    """Sums over the pools; a candidate always belongs, even if the pool was read earlier."""
    layout, resources = scope.layout, scope.matrix.resources
    rows = [row for row in layout.resources.tolist() if resources[row].is_person]
    whole = [
        {**pool, **{resources[row].id: int(offered[row, month]) for row in rows}}
        for month, pool in enumerate(shared)
    ]
    return totals(layout.months, whole, workload, scope.settings)
