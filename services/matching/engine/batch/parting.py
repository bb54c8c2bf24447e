"""Takes merges apart again where somebody serves alone: a single that is free beats any merge."""

from collections import defaultdict

import numpy as np

from services.matching.engine.batch.problem import NOT_SERVED, Chosen, Problem


def parted(problem: Problem, chosen: Chosen) -> Chosen:
    """Gives the plan with every merge replaced by who is free alone in its slot, best first."""
    merged = set(problem.further.options.tolist())
    if not merged.intersection(chosen.tolist()):
        return chosen
    jobs: dict[int, set[int]] = defaultdict(set)
    options, resources, _ = problem.uses(chosen[chosen != NOT_SERVED])
    for option, resource in zip(options.tolist(), resources.tolist(), strict=True):
        jobs[resource].add(option)
    owners, found = problem.owners, chosen.copy()
    for request in np.flatnonzero(np.isin(chosen, list(merged))).tolist():
        old = int(chosen[request])
        span = problem.of(request)
        same = span.start + np.flatnonzero(problem.starts[span] == problem.starts[old])
        for option in same[np.argsort(-problem.points[same], kind="stable")].tolist():
            resource = int(problem.resources[option])
            others = jobs[resource] - {old}
            if option in merged or not all(
                _apart(problem, owners, option, other) for other in others
            ):
                continue
            found[request] = option
            for several in jobs.values():
                several.discard(old)
            jobs[resource].add(option)
            break
    return found


def _apart(problem: Problem, owners: Chosen, one: int, other: int) -> bool:
    """Whether two options of one resource leave it the time for both, and for the way."""
    first, second = sorted((one, other), key=lambda option: int(problem.starts[option]))
    way = 0
    if problem.roads is not None:
        way = problem.roads.apart(int(owners[first]), int(owners[second]))
    return int(problem.starts[second]) >= int(problem.ends[first]) + way
