"""Serves request after request by its best option that is still free: quick, and where to begin."""

import numpy as np
import numpy.typing as npt

from services.matching.engine.batch.prices import axis_of
from services.matching.engine.batch.problem import NOT_SERVED, Chosen, Problem
from services.matching.engine.outside import Column


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
    axis = axis_of(problem)
    # Cells taken before each cell, row after row, so that two looks tell whether a span is free.
    sums = np.zeros((problem.width, axis.width), dtype=np.int64)
    flat = sums.reshape(-1)
    chosen = np.full(problem.count, NOT_SERVED, dtype=np.int64)
    for request in order.tolist():
        span = problem.of(request)
        free = flat[axis.last[span]] == flat[axis.first[span]]
        if not free.any():
            continue
        gains = np.where(free, worth[span], -np.inf)
        option = span.start + int(np.argmax(gains))
        chosen[request] = option
        row = int(problem.resources[option])
        begin, end = (int(cut[option]) - row * axis.width for cut in (axis.first, axis.last))
        sums[row, begin + 1 :] += np.minimum(
            np.arange(1, axis.width - begin, dtype=np.int64), end - begin
        )
    return chosen
