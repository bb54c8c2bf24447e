"""The joint plan as a CP-SAT model: one literal per option, at most one per request and moment."""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from ortools.sat.python import cp_model

from services.matching.engine.batch.problem import NOT_SERVED, Chosen, Problem, Stage

# The same choices among equals in every run; only the time limit may cut differently.
SEED = 1

Better = Callable[[Chosen], object]


@dataclass(frozen=True, slots=True)
class Aim:
    """What a stage improves: from what there is, towards what cannot be passed."""

    goal: "cp_model.LinearExprT"
    have: int
    limit: int
    more: bool = True


class Model:
    """One model for all stages: each stage's result becomes a constraint of the next."""

    def __init__(self, problem: Problem, workers: int) -> None:
        """Builds the literals, the walls between them, and the days that fairness counts."""
        self._problem = problem
        self._workers = workers
        self._model = cp_model.CpModel()
        self._taken = [self._model.new_bool_var("") for _ in range(len(problem.points))]
        for request in range(problem.count):
            span = problem.of(request)
            if span.stop - span.start > 1:
                self._model.add_at_most_one(self._taken[span])
        for several in itertools.chain(crowds(problem), rushes(problem)):
            self._model.add_at_most_one([self._taken[option] for option in several])
        self._served = cp_model.LinearExpr.sum(self._taken)
        self._points = cp_model.LinearExpr.weighted_sum(self._taken, problem.points.tolist())
        self._unfairness = self._fairness_expression()

    def improve(
        self,
        stage: Stage,
        hint: Chosen,
        *,
        seconds: float,
        standing: tuple[int, int, int],
        limits: tuple[int, int],
        better: Better,
    ) -> int | None:
        """Searches for more of what the stage is about, beginning at `hint`.

        `standing` is what the hint reaches (served, points, unfairness), `limits` what no plan
        exceeds. Calls `better` with each better plan. Returns the bound it proved, if it searched.
        """
        served, points, unfairness = standing
        aim = {
            Stage.SERVED: Aim(self._served, served, limits[0]),
            Stage.QUALITY: Aim(self._points, points, limits[1]),
            Stage.FAIRNESS: Aim(self._unfairness, unfairness, 0, more=False),
        }[stage]
        have, proven = aim.have, aim.limit if aim.have == aim.limit else None
        if proven is None and seconds > 0:
            have, proven = self._search(aim, hint, seconds, better)
        # What was reached is not given up again by later stages.
        self._model.add(aim.goal >= have if aim.more else aim.goal <= have)
        return proven

    def _search(
        self, aim: Aim, hint: Chosen, seconds: float, better: Better
    ) -> tuple[int, int | None]:
        model = self._model
        model.clear_hints()  # type: ignore[no-untyped-call]
        wanted = set(hint.tolist())
        for option, literal in enumerate(self._taken):
            model.add_hint(literal, option in wanted)
        if aim.more:
            model.add(aim.goal <= aim.limit)
            model.maximize(aim.goal)
        else:
            model.minimize(aim.goal)
        solver = cp_model.CpSolver()
        solver.parameters.max_time_in_seconds = seconds
        solver.parameters.num_workers = self._workers
        solver.parameters.random_seed = SEED
        watch = Watch(self, aim, better)
        status = solver.solve(model, watch)
        model.clear_objective()  # type: ignore[no-untyped-call]
        if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            return aim.have, None
        bound = solver.best_objective_bound
        proven = int(np.floor(bound + 1e-6)) if aim.more else int(np.ceil(bound - 1e-6))
        return watch.have, proven

    def chosen(self, value: Callable[["cp_model.IntVar"], bool]) -> Chosen:
        """Reads a plan off the literals."""
        taken = np.array([value(literal) for literal in self._taken], dtype=np.bool_)
        found = np.full(self._problem.count, NOT_SERVED, dtype=np.int64)
        options = np.flatnonzero(taken)
        found[self._problem.owners[options]] = options
        return found

    def _fairness_expression(self) -> "cp_model.LinearExprT":
        """Sums how far everybody's days are from their share, in cross-multiplied units."""
        problem, model = self._problem, self._model
        doing: dict[tuple[int, int], list[int]] = defaultdict(list)
        for option, resource, day in zip(*map(np.ndarray.tolist, problem.everything), strict=True):
            if day >= 0:
                doing[resource, day].append(option)
        worked: dict[int, list[tuple[int, cp_model.IntVar]]] = defaultdict(list)
        for (member, day), options in sorted(doing.items()):
            literal = model.new_bool_var("")
            model.add_max_equality(literal, [self._taken[option] for option in options])
            worked[member].append((day, literal))
        gaps = []
        for share in problem.shares:
            days = {
                member: [
                    literal
                    for day, literal in worked[member]
                    if share.first_day <= day < share.end_day
                ]
                for member in share.members
            }
            every = [literal for found in days.values() for literal in found]
            most = len(every)
            given_all = cp_model.LinearExpr.sum(every) + share.given_all
            for member, given, offered in zip(
                share.members, share.given, share.offered, strict=True
            ):
                mine = cp_model.LinearExpr.sum(days[member]) + given
                gap = model.new_int_var(0, (given + most + share.given_all) * share.offered_all, "")
                model.add_abs_equality(gap, mine * share.offered_all - given_all * offered)
                gaps.append(gap)
        return cp_model.LinearExpr.sum(gaps)


class Watch(cp_model.CpSolverSolutionCallback):
    """Hands on each plan that is better than what there was."""

    def __init__(self, model: Model, aim: Aim, better: Better) -> None:
        """Keeps what there is, and whether more of it is better."""
        super().__init__()
        self._model = model
        self.have = aim.have
        self._more = aim.more
        self._better = better

    def on_solution_callback(self) -> None:
        """Called by the solver with each plan it finds."""
        found = round(self.objective_value)
        if (found > self.have) if self._more else (found < self.have):
            self.have = found
            self._better(self._model.chosen(self.boolean_value))


def crowds(problem: Problem) -> Iterator[list[int]]:
    """Yields the options that would hold one resource at one moment; each largest crowd once."""
    for row in _rows(problem):
        live: list[int] = []
        grown = False
        for option in row:
            start = int(problem.starts[option])
            left = [one for one in live if int(problem.ends[one]) > start]
            if len(left) < len(live) and grown:
                if len(live) > 1:
                    yield live
                grown = False
            live = [*left, option]
            grown = True
        if len(live) > 1:
            yield live


def rushes(problem: Problem) -> Iterator[list[int]]:
    """Yields each option with those of another request that come too soon after it, elsewhere."""
    roads = problem.roads
    if roads is None:
        return
    owners, longest = problem.owners, int(roads.ways.max(initial=0))
    for row in _rows(problem):
        starts = problem.starts[row]
        for option in row:
            end = int(problem.ends[option])
            low, high = np.searchsorted(starts, (end, end + longest)).tolist()
            soon: dict[int, list[int]] = defaultdict(list)
            for other in row[low:high]:
                soon[int(owners[other])].append(other)
            own = int(owners[option])
            for request, others in soon.items():
                way = roads.apart(own, request)
                late = [other for other in others if int(problem.starts[other]) < end + way]
                if late and request != own:
                    yield [option, *late]


def _rows(problem: Problem) -> Iterator[list[int]]:
    """Yields the options that take each resource, by start."""
    options, resources, _ = problem.everything
    order = np.lexsort((problem.starts[options], resources))
    edges = np.flatnonzero(np.diff(resources[order])) + 1
    for row in np.split(options[order], edges):
        yield row.tolist()
