"""Joint plans of growing size: ours beside greedy and beside CP-SAT without either."""

import time
from collections.abc import Iterator

import numpy as np

from bench.table import Bench, Row
from services.matching.engine.batch.model import Model
from services.matching.engine.batch.problem import (
    NOT_SERVED,
    Chosen,
    Objective,
    Problem,
    Stage,
    clashes,
)
from services.matching.engine.batch.solving import solve

SEED = 500
# Requests, resources, days.
SIZES = ((25, 5, 3), (50, 10, 5), (100, 20, 5), (250, 30, 8), (500, 50, 10))
SECONDS, SECONDS_GOAL = 8.0, 10.0
GAP_GOAL_PERCENT = 2.0
WORKERS = 2
# Beyond so many options CP-SAT alone does not get to a first plan in the time.
ALONE_MAX = 30_000
# Quarter hours of a working day, and those of a visit with its buffers.
DAY_STEPS, VISIT_STEPS, CLOCK_STEPS = 32, 6, 96


def made(requests: int, width: int, days: int) -> Problem:
    """Makes requests with windows of two to five days, each for a part of the resources, which are
    free in four fifths of the time.
    """
    random = np.random.default_rng([SEED, requests, width, days])
    priority = random.integers(0, 5, width)
    offsets, resources, starts, points = [0], [], [], []
    for _ in range(requests):
        first = int(random.integers(0, max(1, days - 2)))
        last = min(days, first + int(random.integers(2, 6)))
        able = np.sort(random.permutation(width)[: int(random.integers(width // 4, width)) or 1])
        room = (last - first) * CLOCK_STEPS
        for day in range(first, last):
            for step in range(DAY_STEPS - VISIT_STEPS + 1):
                free = able[(able * 7 + day * 3 + step // 6) % 5 != 0]
                wait = (day - first) * CLOCK_STEPS + step
                resources.extend(free.tolist())
                starts.extend([day * CLOCK_STEPS + step] * len(free))
                worth = 20 + 10 * (room - wait) // room + 5 * (4 - priority[free]) // 4
                points.extend(worth.tolist())
        offsets.append(len(resources))
    begins = np.array(starts, dtype=np.int64)
    return Problem(
        width=width,
        offsets=np.array(offsets, dtype=np.int64),
        resources=np.array(resources, dtype=np.int64),
        starts=begins,
        ends=begins + VISIT_STEPS,
        points=np.array(points, dtype=np.int64),
        days=np.full(len(resources), -1, dtype=np.int64),
    )


def rows_of(bench: Bench) -> Iterator[Row]:
    """Measures size after size; the largest has the goal."""
    for requests, width, days in SIZES:
        problem = made(requests, width, days)
        bench.say(f"planning {requests} x {width}, {len(problem.points):,} options")
        begun = time.perf_counter()
        found = solve(
            problem,
            objective=Objective.SERVED_QUALITY_FAIRNESS,
            seconds=SECONDS,
            workers=WORKERS,
            tell=lambda _: None,
        )
        seconds = time.perf_counter() - begun
        alone, theirs = _alone(problem)
        largest = requests == SIZES[-1][0]
        good = seconds <= SECONDS_GOAL and found.gap_percent <= GAP_GOAL_PERCENT
        yield Row(
            name=f"plan {requests} requests x {width} resources",
            value=seconds,
            unit="s",
            against="CP-SAT alone" if alone else "CP-SAT alone: too many options",
            against_value=alone or None,
            ratio=alone / seconds if alone else None,
            goal=f"within 10 s, gap at most {GAP_GOAL_PERCENT:.0f} %" if largest else "",
            reached=good and clashes(problem, found.chosen) == 0 if largest else None,
            note=(
                f"{len(problem.points):,} options; {found.served} of {found.served_bound} served, "
                f"{found.points:,} of at most {found.points_bound:,} points "
                f"(gap {found.gap_percent:.2f} %); greedy {found.greedy_served} and "
                f"{found.greedy_points:,}; {theirs}"
            ),
        )


def _alone(problem: Problem) -> tuple[float, str]:
    """Lets CP-SAT search the whole problem without a first plan and without bounds from outside."""
    if len(problem.points) > ALONE_MAX:
        return 0.0, f"more than {ALONE_MAX:,} options are not tried alone"
    begun = time.perf_counter()
    model = Model(problem, WORKERS)
    best: Chosen = np.full(problem.count, NOT_SERVED, dtype=np.int64)

    def better(chosen: Chosen) -> None:
        nonlocal best
        best = chosen

    for stage in (Stage.SERVED, Stage.QUALITY):
        taken = best[best != NOT_SERVED]
        standing = (len(taken), int(problem.points[taken].sum()), 0)
        model.improve(
            stage,
            best,
            seconds=SECONDS / 2,
            standing=standing,
            limits=(problem.count, int(problem.points.max()) * problem.count),
            better=better,
        )
    taken = best[best != NOT_SERVED]
    text = f"alone {len(taken)} served with {int(problem.points[taken].sum()):,}"
    return time.perf_counter() - begun, text
