"""Serves request after request by its best option that is still free: quick, and where to begin."""

import numpy as np
import numpy.typing as npt

from services.matching.engine.batch.board import Board
from services.matching.engine.batch.problem import NOT_SERVED, Chosen, Problem
from services.matching.engine.outside import Column

# Lags that differ by less count as equal.
LAG_DECIMALS = 6


def greedy(
    problem: Problem,
    worth: npt.NDArray[np.float64] | Column,
    *,
    order: Column | None = None,
) -> Chosen:
    """Serves those first that have the fewest options, each by what is worth most to it.

    Of equals it takes the first option. `order` names another order of the requests.
    """
    if order is None:
        order = np.argsort(np.diff(problem.offsets), kind="stable")
    board = Board(problem)
    chosen = np.full(problem.count, NOT_SERVED, dtype=np.int64)
    for request in order.tolist():
        span = problem.of(request)
        free = board.free(request)
        if not free.any():
            continue
        gains = np.where(free, worth[span], -np.inf)
        chosen[request] = span.start + int(np.argmax(gains))
        board.take(int(chosen[request]))
    return chosen


def by_deadline(problem: Problem) -> Column:
    """Orders the requests by when their last option ends; where each has but one time, first fit
    in this order leaves nobody out that any plan serves.
    """
    ends = np.zeros(problem.count, dtype=np.int64)
    np.maximum.at(ends, problem.owners, problem.ends)
    begins = np.full(problem.count, np.iinfo(np.int64).max)
    np.minimum.at(begins, problem.owners, problem.starts)
    # One time only: by its start, as intervals are coloured; else by the end.
    lengths = np.zeros(problem.count, dtype=np.int64)
    np.maximum.at(lengths, problem.owners, problem.ends - problem.starts)
    latest = np.where(ends == 0, 0, ends - lengths)
    return np.lexsort((begins, latest))


def fair_greedy(problem: Problem) -> Chosen:
    """Serves those first that have the fewest options, each by whoever lags most behind their
    share of the day's month, and of equals by what brings most points.

    A person's lag is the days given, and half of the one to come, per day offered: the half keeps
    part-timers from always being last.
    """
    cells, given, offered = _months(problem)
    board = Board(problem)
    counted: set[tuple[int, int]] = set()
    most = int(problem.points.max(initial=0)) + 1
    chosen = np.full(problem.count, NOT_SERVED, dtype=np.int64)
    for request in np.argsort(np.diff(problem.offsets), kind="stable").tolist():
        span = problem.of(request)
        free = board.free(request)
        if not free.any():
            continue
        here = cells[span]
        lag = np.where(here < 0, 0.0, (given[here] + 0.5) / offered[here])
        order = np.round(lag, LAG_DECIMALS) - problem.points[span] / most / 10**LAG_DECIMALS
        option = span.start + int(np.argmin(np.where(free, order, np.inf)))
        chosen[request] = option
        board.take(option)
        # Of those who serve together, the first stands for all.
        day = (int(problem.resources[option]), int(problem.days[option]))
        if cells[option] >= 0 and day not in counted:
            counted.add(day)
            given[cells[option]] += 1
    return chosen


def _months(
    problem: Problem,
) -> tuple[Column, npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Gives per option the number of its person's share in the widest pool of its month, or -1,
    and per share the days given and offered.
    """
    cells = np.full(len(problem.points), NOT_SERVED, dtype=np.int64)
    given, offered = [0.0], [1.0]
    for share in sorted(problem.shares, key=lambda one: len(one.members)):
        number_of = np.full(problem.width, NOT_SERVED, dtype=np.int64)
        for member, days, offers in zip(share.members, share.given, share.offered, strict=True):
            number_of[member] = len(given)
            given.append(float(days))
            # Who offers nothing is asked last.
            offered.append(float(offers) or 1e-3)
        numbers = number_of[problem.resources]
        held = (problem.days >= share.first_day) & (problem.days < share.end_day) & (numbers >= 0)
        cells = np.where(held, numbers, cells)
    return cells, np.array(given), np.array(offered)
