"""Bounds how many of a month's people could have been within tolerance, whoever had decided.

With hindsight: the courses given in the month are given again, each on any day of its own window in
the month, by anybody who can and offered that day. CP-SAT finds the most people within tolerance;
nothing that knows less can do better with the same courses in the same month.
"""

from dataclasses import dataclass

from ortools.sat.python import cp_model

from bench.matching.year import Played, question_of, span
from services.matching.domain import Month
from services.matching.rules.fairness import Share

SECONDS = 20.0
WORKERS = 2


@dataclass(frozen=True)
class Bounded:
    """One month: how many offered days, how many were within, and the most that could have been."""

    month: Month
    people: int
    within: int
    most: int
    # Whether `most` is proven; else it is an upper bound that may be too high.
    proven: bool


def bounded(played: Played, month: Month) -> Bounded:
    """Bounds one month of a year that was played."""
    shares = {name: share for (name, when), share in played.shares().items() if when == month}
    within = sum(share.within_tolerance for share in shares.values())
    model = cp_model.CpModel()
    by_day: dict[tuple[str, object], list[cp_model.IntVar]] = {}
    by_name: dict[str, list[cp_model.IntVar]] = {name: [] for name in shares}
    wanted = {one.number: one for one in played.story.wanted}
    days = span(month)
    for number, (_, when) in played.given.items():
        if when not in days:
            continue
        one = wanted[number]
        window = question_of(one, one.known).window
        assert window.start is not None
        assert window.end is not None
        first, end = window.start.date(), window.end.date()
        places = []
        for trainer in played.story.trainers:
            if one.topic not in trainer.topics or trainer.name not in shares:
                continue
            for day in trainer.offered & days:
                if (first <= day < end or day == when) and (
                    trainer.name,
                    day,
                ) not in played.story.sick:
                    literal = model.new_bool_var("")
                    places.append(literal)
                    by_day.setdefault((trainer.name, day), []).append(literal)
                    by_name[trainer.name].append(literal)
        model.add_exactly_one(places)
    for several in by_day.values():
        model.add_at_most_one(several)
    reached = []
    for name, share in shares.items():
        low, high = room(share)
        inside = model.new_bool_var("")
        count = cp_model.LinearExpr.sum(by_name[name])
        model.add(count >= low).only_enforce_if(inside)
        model.add(count <= high).only_enforce_if(inside)
        reached.append(inside)
    model.maximize(cp_model.LinearExpr.sum(reached))
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = SECONDS
    solver.parameters.num_workers = WORKERS
    status = solver.solve(model)
    return Bounded(
        month=month,
        people=len(shares),
        within=within,
        most=int(solver.best_objective_bound + 0.5),
        proven=status == cp_model.OPTIMAL,
    )


def room(share: Share) -> tuple[int, int]:
    """Gives the fewest and the most days that are within tolerance; none where low > high."""
    counts = [
        count
        for count in range(share.given_all + 1)
        if Share(share.offered, share.offered_all, count, share.given_all).within_tolerance
    ]
    return (counts[0], counts[-1]) if counts else (1, 0)
