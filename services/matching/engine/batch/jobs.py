"""What a process of the pool does for a batch: lays it out, solves it, explains the plan."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from services.matching.domain import Candidate
from services.matching.engine.batch.options import Joint, joint
from services.matching.engine.batch.problem import Objective, Progress, Solution
from services.matching.engine.batch.solving import solve
from services.matching.engine.batch.ways import NOWHERE, Map
from services.matching.engine.batch.wishes import Group


@dataclass(frozen=True, slots=True)
class BatchJob:
    """One joint plan to make."""

    groups: tuple[Group, ...]
    policy: str
    objective: Objective
    seconds: float
    workers: int
    places: Map = NOWHERE


@dataclass(frozen=True, slots=True)
class Item:
    """A request's place in the plan, or why it has none."""

    booking_request_id: str
    candidate: Candidate | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """The plan, one item per request, and how good it is."""

    items: tuple[Item, ...]
    solution: Solution


def plan_batch(job: BatchJob, tell: Callable[[Progress], None]) -> BatchAnswer:
    """Makes a joint plan; tells how far it has come."""
    laid = joint(job.groups, job.policy, job.places)
    solution = solve(
        laid.problem,
        objective=job.objective,
        seconds=job.seconds,
        workers=job.workers,
        tell=tell,
    )
    solution = replace(solution, whole=laid.whole)
    items = tuple(_item(laid, solution, request) for request in range(laid.problem.count))
    return BatchAnswer(items, solution)


def _item(laid: Joint, solution: Solution, request: int) -> Item:
    name = laid.wishes[request].booking_request_id
    candidate = laid.candidate(solution.chosen, request)
    if candidate is not None:
        return Item(name, candidate)
    span = laid.problem.of(request)
    count = span.stop - span.start
    if not count:
        return Item(name, None, "Nobody who could serve it is free in its window.")
    others = f"Each of its {count:,} possible places is needed by other requests of the batch"
    if solution.served == solution.served_bound:
        return Item(name, None, f"{others}; no plan serves more than {solution.served}.")
    return Item(name, None, f"{others}; within the time no plan was found that serves more.")
