"""What a plan that is being made has taken so far, and which options are still free beside it."""

from collections import defaultdict

import numpy as np

from services.matching.engine.batch.prices import axis_of
from services.matching.engine.batch.problem import Problem
from services.matching.engine.outside import Column, Mask


class Board:
    """Begins empty. Who looks whether a request's options are free and takes one has no clash."""

    def __init__(self, problem: Problem) -> None:
        """Lays the time of all resources out."""
        self._problem = problem
        self._axis = axis = axis_of(problem)
        # Cells taken before each cell, row after row, so that two looks tell whether a span is
        # free.
        self._sums = np.zeros((problem.width, axis.width), dtype=np.int64)
        self._flat = self._sums.reshape(-1)
        self._owners = problem.owners
        # Per resource, the jobs that somebody travels to and from.
        self._jobs: dict[int, list[int]] = defaultdict(list)
        self._ranges = self._by_resource() if problem.roads is not None else None

    def free(self, request: int) -> Mask:
        """Says which of a request's options are free."""
        problem, axis, flat = self._problem, self._axis, self._flat
        span = problem.of(request)
        found: Mask = flat[axis.last[span]] == flat[axis.first[span]]
        further = problem.further.options
        if len(further):
            low, high = np.searchsorted(further, (span.start, span.stop)).tolist()
            rows = slice(len(problem.points) + low, len(problem.points) + high)
            taken = flat[axis.last[rows]] != flat[axis.first[rows]]
            found[further[low:high][taken] - span.start] = False
        if problem.roads is not None and problem.roads.sites[request] >= 0:
            self._leave_time(request, span, found)
        return found

    def take(self, option: int) -> None:
        """Takes what an option takes."""
        problem, width = self._problem, self._axis.width
        resource = int(problem.resources[option])
        first = int(self._axis.first[option]) - resource * width
        last = int(self._axis.last[option]) - resource * width
        resources = [resource]
        if len(problem.further.options):
            rows = problem.further.of(np.array([option], dtype=np.int64))
            resources.extend(problem.further.resources[rows].tolist())
        for resource in resources:
            _occupy(self._sums[resource], first, last)
            if self._ranges is not None:
                self._jobs[resource].append(option)

    def _leave_time(self, request: int, span: slice, found: Mask) -> None:
        """Rules out what lies too near jobs elsewhere."""
        problem, roads = self._problem, self._problem.roads
        assert roads is not None
        assert self._ranges is not None
        options, resources, edges = self._ranges
        low, high = int(edges[request]), int(edges[request + 1])
        mine = resources[low:high]
        for resource, jobs in self._jobs.items():
            begin, end = np.searchsorted(mine, (resource, resource + 1)).tolist()
            own = options[low + begin : low + end]
            for job in jobs if begin < end else ():
                way = roads.apart(int(self._owners[job]), request)
                back = roads.apart(request, int(self._owners[job]))
                near = (problem.starts[own] < int(problem.ends[job]) + way) & (
                    problem.ends[own] + back > int(problem.starts[job])
                )
                found[own[near] - span.start] = False

    def _by_resource(self) -> tuple[Column, Column, Column]:
        """Gives options and resources of all uses, by request and resource, and where each
        request's begin.
        """
        options, resources, _ = self._problem.everything
        owners = self._owners[options]
        order = np.lexsort((resources, owners))
        edges = np.searchsorted(owners[order], np.arange(self._problem.count + 1))
        return options[order], resources[order], edges


def _occupy(row: Column, begin: int, end: int) -> None:
    """Notes in a row of sums that the cells from `begin` up to `end` are taken."""
    steps = np.arange(1, len(row) - begin, dtype=np.int64)
    row[begin + 1 :] += np.minimum(steps, end - begin)
