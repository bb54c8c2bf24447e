"""Solves a joint plan: greedy first, bounded by prices, improved and where possible proven."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from services.matching.engine.batch.greedy import by_deadline, fair_greedy, greedy
from services.matching.engine.batch.parting import parted
from services.matching.engine.batch.prices import Prices, bound
from services.matching.engine.batch.problem import (
    NOT_SERVED,
    STAGES,
    Chosen,
    Objective,
    Problem,
    Progress,
    Solution,
    Stage,
    total,
    unfairness,
)
from services.matching.engine.outside import Column

# Up to so many options the solver sees all of them and its proof holds for the whole problem;
# beyond, it sees the most promising of each request, and prices alone bound the whole.
OPTIONS_WHOLE = 12_000
OPTIONS_EACH_MAX = 40
# How many of those are the best of all; the others are the best of further resources.
BEST_EACH = 20
# Looked through for the best of further resources.
PROMISING_EACH = 400
# Of the whole time, what prices may take.
BOUND_SHARE = 0.5
# Of the time left, what a stage may take that is not the last one.
SHARES = {Stage.SERVED: 0.4, Stage.QUALITY: 0.75, Stage.FAIRNESS: 0.6}
# Below this a stage is not begun.
SECONDS_LEAST = 0.02

Tell = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Limits:
    """What is wanted, until when (monotonic), and by how many threads."""

    objective: Objective
    deadline: float
    workers: int


@dataclass(slots=True)
class Standing:
    """The best plan so far and what bounds it; filled in stage by stage."""

    objective: Objective
    chosen: Chosen
    served: int
    served_bound: int
    points: int
    points_bound: int
    unfairness: int
    unfairness_bound: int = 0

    def worth(self, served: int, points: int, unfairness: int) -> tuple[int, int, int]:
        """Gives what a plan is compared by, in the order of the objective."""
        if self.objective is Objective.SERVED_QUALITY_FAIRNESS:
            return served, points, -unfairness
        return served, -unfairness, points

    def take(self, problem: Problem, chosen: Chosen) -> None:
        """Takes another plan over."""
        self.chosen = chosen
        self.served = int((chosen != NOT_SERVED).sum())
        self.points = total(problem.points, chosen)
        self.unfairness = unfairness(problem, chosen)


def solve(
    problem: Problem, *, objective: Objective, seconds: float, workers: int, tell: Tell
) -> Solution:
    """Finds the best plan it can within the time; its answer says how good that is."""
    begun = time.monotonic()
    plain = greedy(problem, problem.points)
    standing = _standing(problem, plain, objective)
    if problem.shares:
        _offer(problem, standing, fair_greedy(problem))
    if standing.served < problem.servable:
        _offer(problem, standing, greedy(problem, problem.points, order=by_deadline(problem)))

    def told(stage: Stage) -> None:
        tell(
            Progress(
                stage=stage,
                served=standing.served,
                served_bound=standing.served_bound,
                points=standing.points,
                points_bound=standing.points_bound,
                seconds=time.monotonic() - begun,
            )
        )

    told(Stage.SERVED)
    reduced = _bounded(problem, standing, begun + BOUND_SHARE * seconds)
    told(Stage.QUALITY)
    deadline = begun + seconds
    if problem.servable and time.monotonic() < deadline:
        kept = _promising(problem, reduced, standing.chosen)
        limits = Limits(objective, deadline, workers)
        _improve(problem, kept, standing, limits, told)
    alone = parted(problem, standing.chosen)
    if total(problem.points, alone) > standing.points:
        standing.take(problem, alone)
    return Solution(
        chosen=standing.chosen,
        served=standing.served,
        served_bound=standing.served_bound,
        points=standing.points,
        points_bound=standing.points_bound,
        greedy_served=int((plain != NOT_SERVED).sum()),
        greedy_points=total(problem.points, plain),
        unfairness=standing.unfairness,
        unfairness_bound=standing.unfairness_bound,
        seconds=time.monotonic() - begun,
    )


def _standing(problem: Problem, chosen: Chosen, objective: Objective) -> Standing:
    return Standing(
        objective=objective,
        chosen=chosen,
        served=int((chosen != NOT_SERVED).sum()),
        served_bound=problem.servable,
        points=total(problem.points, chosen),
        points_bound=0,
        unfairness=unfairness(problem, chosen),
    )


def _bounded(problem: Problem, standing: Standing, until: float) -> Prices:
    """Bounds the plan by prices, and takes the plan that the prices suggest if it is better."""
    if not problem.servable:
        return np.zeros(0)
    if standing.served < problem.servable:
        ones = np.ones(len(problem.points), dtype=np.int64)
        counted = bound(problem, ones, least=standing.served, all_served=False, until=until)
        standing.served_bound = min(standing.served_bound, counted.value)
        _offer(problem, standing, greedy(problem, counted.reduced))
    everybody = standing.served == problem.servable
    priced = bound(
        problem, problem.points, least=standing.points, all_served=everybody, until=until
    )
    standing.points_bound = priced.value
    _offer(problem, standing, greedy(problem, priced.reduced))
    if standing.served == problem.servable and not everybody:
        priced = bound(problem, problem.points, least=standing.points, all_served=True, until=until)
        standing.points_bound = priced.value
    standing.points_bound = max(standing.points_bound, standing.points)
    return priced.reduced


def _offer(problem: Problem, standing: Standing, chosen: Chosen) -> None:
    """Takes a plan over if it is better."""
    served, points = int((chosen != NOT_SERVED).sum()), total(problem.points, chosen)
    there = standing.worth(served, points, unfairness(problem, chosen))
    if there > standing.worth(standing.served, standing.points, standing.unfairness):
        standing.take(problem, chosen)


def _promising(problem: Problem, reduced: Prices, chosen: Chosen) -> Column:
    """Gives the options that the solver will see, ascending; those chosen are among them."""
    if len(problem.points) <= OPTIONS_WHOLE:
        return np.arange(len(problem.points), dtype=np.int64)
    kept = [chosen[chosen != NOT_SERVED]]
    for request in range(problem.count):
        span = problem.of(request)
        gains = -reduced[span]
        if len(gains) > PROMISING_EACH:
            near = np.argpartition(gains, PROMISING_EACH)[:PROMISING_EACH]
        else:
            near = np.arange(len(gains), dtype=np.int64)
        near = span.start + near[np.argsort(gains[near], kind="stable")]
        _, firsts = np.unique(problem.resources[near], return_index=True)
        others = near[np.sort(firsts)]
        kept.append(near[:BEST_EACH])
        kept.append(others[: OPTIONS_EACH_MAX - BEST_EACH])
    return np.unique(np.concatenate(kept))


def _improve(
    problem: Problem,
    kept: Column,
    standing: Standing,
    limits: Limits,
    told: Callable[[Stage], None],
) -> None:
    """Improves stage by stage; what a stage reached is kept by those after it."""
    # Imported here: only the process that solves pays for the solver.
    from services.matching.engine.batch.model import Model

    smaller = problem.kept(kept)
    model = Model(smaller, limits.workers)
    whole = len(kept) == len(problem.points)
    place = {int(option): number for number, option in enumerate(kept)}

    stages = STAGES[limits.objective]
    for number, stage in enumerate(stages):
        left = limits.deadline - time.monotonic()
        share = SHARES[stage] if number < len(stages) - 1 else 1.0
        hint = np.array(
            [place.get(int(option), NOT_SERVED) for option in standing.chosen], dtype=np.int64
        )

        def better(chosen: Chosen, stage: Stage = stage) -> None:
            standing.take(problem, np.where(chosen == NOT_SERVED, NOT_SERVED, kept[chosen]))
            told(stage)

        found = model.improve(
            stage,
            hint,
            seconds=left * share if left > SECONDS_LEAST else 0.0,
            standing=(standing.served, standing.points, standing.unfairness),
            limits=(standing.served_bound, standing.points_bound),
            better=better,
        )
        if found is not None and whole:
            _proven(standing, stage, found, limits.objective)
        told(stage)


def _proven(standing: Standing, stage: Stage, limit: int, objective: Objective) -> None:
    """Takes over what the solver proved about the whole problem."""
    if stage is Stage.SERVED:
        standing.served_bound = max(min(standing.served_bound, limit), standing.served)
    elif stage is Stage.QUALITY and objective is Objective.SERVED_QUALITY_FAIRNESS:
        standing.points_bound = max(min(standing.points_bound, limit), standing.points)
    elif stage is Stage.FAIRNESS:
        standing.unfairness_bound = max(limit, 0)
