"""Bounds what any plan can reach, by prices on time: who pays what others would, wants less of it.

For any prices >= 0 on the time of each resource, no plan is worth more than all prices together
plus, per request, its best option after paying for the time it takes (Lagrangian relaxation of
"one at a time"; ways between places are left out, which only raises the bound). Prices rise where
options crowd and fall where nobody goes (subgradient steps).
"""

import math
import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.matching.engine.batch.problem import NOT_SERVED, Problem
from services.matching.engine.outside import Column

Prices = npt.NDArray[np.float64]
ROUNDS_MAX = 300
# A step halves when the bound has not fallen for so many rounds.
PATIENCE = 12
STEP_FIRST = 1.0
STEP_LEAST = 0.02
# Sums of fractions lose a little; a bound is never lowered by that.
EPSILON = 1e-6


@dataclass(frozen=True, slots=True)
class Bound:
    """No plan is worth more than `value`; `reduced` is each option's worth after its price."""

    value: int
    reduced: Prices


@dataclass(frozen=True, slots=True)
class Axis:
    """Time cut at every start and end: option i takes the cells [first[i], last[i]) of a row.

    After all options come what they take further, in the order of the problem's rows.
    """

    width: int
    first: Column
    last: Column


def axis_of(problem: Problem) -> Axis:
    """Cuts time at every start and end of any option."""
    cuts = np.unique(np.concatenate((problem.starts, problem.ends)))
    # One more column, for sums that begin at 0.
    width = len(cuts) + 1
    row = problem.resources * width
    first, last = np.searchsorted(cuts, problem.starts), np.searchsorted(cuts, problem.ends)
    further = problem.further
    rows = further.resources * width
    return Axis(
        width=width,
        first=np.concatenate((row + first, rows + first[further.options])),
        last=np.concatenate((row + last, rows + last[further.options])),
    )


def bound(
    problem: Problem,
    worth: Column,
    *,
    least: int,
    all_served: bool,
    until: float = math.inf,
) -> Bound:
    """Bounds the worth of any plan from above; `least` is what some plan reaches.

    `all_served` speaks of plans that serve every request that has options: it bounds them closer.
    Prices are improved until that monotonic moment at most; any prices bound.
    """
    axis = axis_of(problem)
    gains = worth.astype(np.float64)
    prices = np.zeros(problem.width * axis.width)
    filled = np.flatnonzero(np.diff(problem.offsets) > 0)
    begins = problem.offsets[filled]
    best_value, best_reduced = np.inf, gains
    step, waited = STEP_FIRST, 0
    for _ in range(ROUNDS_MAX):
        reduced = gains - _paid(prices, axis, problem)
        tops = np.maximum.reduceat(reduced, begins)
        floor = tops if all_served else np.maximum(tops, 0.0)
        value = float(prices.sum() + floor.sum())
        if value < best_value - EPSILON:
            best_value, best_reduced, waited = value, reduced, 0
        else:
            waited += 1
        if waited >= PATIENCE:
            step, waited = step / 2, 0
        if best_value < least + 1 - EPSILON or step < STEP_LEAST or time.monotonic() > until:
            break
        picks = _firsts(reduced, tops, problem)[filled]
        if not all_served:
            picks = picks[tops > 0]
        slope = _crowding(picks, axis, prices, problem) - 1.0
        slope[(prices <= 0) & (slope < 0)] = 0.0
        norm = float((slope * slope).sum())
        if norm == 0:
            break
        prices = np.maximum(prices + step * (value - least) / norm * slope, 0.0)
    return Bound(value=max(int(np.floor(best_value + EPSILON)), least), reduced=best_reduced)


def _paid(prices: Prices, axis: Axis, problem: Problem) -> Prices:
    """Gives what each option pays for its cells."""
    sums = np.zeros(len(prices) + 1)
    np.cumsum(prices, out=sums[1:])
    each: Prices = sums[axis.last] - sums[axis.first]
    count, further = len(problem.points), problem.further.options
    if len(further):
        each[:count] += np.bincount(further, each[count:], minlength=count)
    return each[:count]


def _crowding(picks: Column, axis: Axis, prices: Prices, problem: Problem) -> Prices:
    """Counts how many of the picked options want each cell."""
    if len(problem.further.options):
        picks = np.concatenate((picks, len(problem.points) + problem.further.of(picks)))
    change = np.zeros(len(prices) + 1)
    np.add.at(change, axis.first[picks], 1.0)
    np.add.at(change, axis.last[picks], -1.0)
    crowd: Prices = np.cumsum(change)[:-1]
    return crowd


def _firsts(reduced: Prices, tops: Prices, problem: Problem) -> Column:
    """Gives per request its first best option, or NOT_SERVED where it has none."""
    counts = np.diff(problem.offsets)
    limits = np.full(problem.count, np.inf)
    limits[counts > 0] = tops
    at_top = np.flatnonzero(reduced >= np.repeat(limits, counts))
    found = np.full(problem.count, NOT_SERVED, dtype=np.int64)
    owners = problem.owners[at_top]
    # Written backwards, so that the first one stays.
    found[owners[::-1]] = at_top[::-1]
    return found
