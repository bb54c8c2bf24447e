"""A plain Python scorer: the rules of v2 pair by pair, without columns; and CP-SAT as a scorer."""

from fractions import Fraction
from zoneinfo import ZoneInfo

from ortools.sat.python import cp_model

from services.matching.domain import Month, moment_of
from services.matching.engine.ranking import Inputs

Scored = tuple[int, int, str]


def scored(inputs: Inputs) -> list[Scored]:
    """Gives (points, start, resource) of every pair, best first, as v2 ranks plain visits."""
    matrix, work = inputs.matrix, inputs.work
    assert work is not None
    zone = ZoneInfo(matrix.time_zone)
    loads: dict[tuple[str, int], int] = {}
    given: dict[tuple[str, Month], int] = {}
    for index, day, bookings in zip(
        work.workload.indexes.tolist(),
        work.workload.days.tolist(),
        work.workload.bookings.tolist(),
        strict=True,
    ):
        name = work.workload.resource_ids[index]
        loads[name, day] = bookings
        given[name, Month.of_day(day)] = given.get((name, Month.of_day(day)), 0) + 1
    pairs = []
    place = 0
    for start, count in zip(matrix.starts.tolist(), matrix.capacities.tolist(), strict=True):
        day = moment_of(start).astimezone(zone).date().toordinal() - 719163
        for row in matrix.pairs[place : place + count].tolist():
            pairs.append((start, day, Month.of_day(day), row))
        place += count
    offers = {
        (one.id, month): int(matrix.offered[row, column])
        for row, one in enumerate(matrix.resources)
        for column, month in enumerate(matrix.months)
    }
    levels = sorted({matrix.resources[row].priority for *_, row in pairs})
    after: dict[tuple[int, int], int] = {}
    fairest: dict[Month, tuple[int, int]] = {}
    for _, day, month, row in pairs:
        name = matrix.resources[row].id
        if (row, day) in after:
            continue
        after[row, day] = given.get((name, month), 0) + ((name, day) not in loads)
        offered = offers[name, month]
        least = fairest.get(month)
        if offered and (
            least is None or Fraction(after[row, day], offered) < Fraction(least[0], least[1])
        ):
            fairest[month] = after[row, day], offered
    counts = [matrix.resources[row].skill_count for *_, row in pairs]
    least_skills, most_skills = min(counts, default=0), max(counts, default=0)
    room = matrix.window_end - matrix.duration - matrix.window_start
    found = []
    for start, day, month, row in pairs:
        one = matrix.resources[row]
        load = loads.get((one.id, day), 0)
        best_given, best_offered = fairest.get(month, (0, 0))
        fair = (best_given * offers[one.id, month]) ** 2
        here = (after[row, day] * best_offered) ** 2
        points = 50 if here == 0 else 50 * fair // (here + 0)
        points += 20 // (load + 1) + 10 * (room - (start - matrix.window_start)) // max(room, 1)
        rank = levels.index(one.priority)
        if len(levels) > 1:
            points += 5 * (len(levels) - 1 - rank) // (len(levels) - 1)
        if most_skills > least_skills:
            points += 20 * max(3 - (one.skill_count - least_skills), 0) // 3
        found.append((-points, start, rank, load, one.id))
    found.sort()
    return [(-points, start, name) for points, start, _, _, name in found]


def picked_by_cp_sat(pairs: list[Scored]) -> Scored:
    """Lets CP-SAT pick the best of pairs that are scored already: one literal each."""
    model = cp_model.CpModel()
    literals = [model.new_bool_var("") for _ in pairs]
    model.add_exactly_one(literals)
    # The first of the best, as the order of the pairs says.
    worth = [points * len(pairs) + len(pairs) - place for place, (points, *_) in enumerate(pairs)]
    model.maximize(cp_model.LinearExpr.weighted_sum(literals, worth))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.solve(model)
    return next(
        pair for pair, one in zip(pairs, literals, strict=True) if solver.boolean_value(one)
    )
