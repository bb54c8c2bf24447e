"""Joint plans: equal to exhaustive search where that is possible, bounded and legal everywhere."""

import itertools

import numpy as np
import pytest

from services.matching.engine.batch.greedy import by_deadline, fair_greedy, greedy
from services.matching.engine.batch.model import crowds
from services.matching.engine.batch.prices import bound
from services.matching.engine.batch.problem import (
    NOT_SERVED,
    Credit,
    Objective,
    Problem,
    clashes,
    total,
    unfairness,
)
from services.matching.engine.batch.solving import OPTIONS_WHOLE, solve


def column(values) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def random_problem(random, *, requests=5, width=2, horizon=8, options=5, lengths=(1, 4)) -> Problem:
    """Requests with up to so many options; one pool of fairness over everybody, days of 4."""
    rows, offsets = [], [0]
    for _ in range(requests):
        length = int(random.integers(*lengths))
        for _ in range(int(random.integers(0, options + 1))):
            start = int(random.integers(horizon))
            day = start // 4 if random.random() < 0.8 else -1
            points = int(random.integers(100))
            rows.append((int(random.integers(width)), start, start + length, points, day))
        offsets.append(len(rows))
    resources, starts, ends, points, days = map(
        column, zip(*rows, strict=True) if rows else ((),) * 5
    )
    # Two pools: everybody on all days, and all but the first on the first two days.
    shares = []
    for first, end_day in ((0, 1_000), (1, 2)):
        members = range(first, width)
        given = random.integers(0, 3, len(members)).tolist()
        offered = random.integers(1, 9, len(members)).tolist()
        shares.append(
            Credit(
                first_day=0,
                end_day=end_day,
                members=tuple(members),
                given=tuple(given),
                offered=tuple(offered),
                given_all=sum(given) + 2,
                offered_all=sum(offered) + 3,
            )
        )
    return Problem(
        width=width,
        offsets=column(offsets),
        resources=resources,
        starts=starts,
        ends=ends,
        points=points,
        days=days,
        shares=tuple(shares),
    )


def plans(problem: Problem):
    """All plans without a clash, by trying everything."""
    choices = [
        [NOT_SERVED, *range(int(problem.offsets[one]), int(problem.offsets[one + 1]))]
        for one in range(problem.count)
    ]
    for combination in itertools.product(*choices):
        chosen = column(combination)
        taken = [option for option in combination if option != NOT_SERVED]
        if not any(
            problem.resources[a] == problem.resources[b]
            and problem.starts[a] < problem.ends[b]
            and problem.starts[b] < problem.ends[a]
            for a, b in itertools.combinations(taken, 2)
        ):
            yield chosen


def served(chosen) -> int:
    return int((chosen != NOT_SERVED).sum())


def value(problem, chosen, objective):
    points, fair = total(problem.points, chosen), -unfairness(problem, chosen)
    order = (points, fair) if objective is Objective.SERVED_QUALITY_FAIRNESS else (fair, points)
    return served(chosen), *order


def solved(problem, objective=Objective.SERVED_QUALITY_FAIRNESS, seconds=20.0):
    told = []
    found = solve(problem, objective=objective, seconds=seconds, workers=1, tell=told.append)
    return found, told


@pytest.mark.parametrize("objective", list(Objective))
@pytest.mark.parametrize("seed", range(12))
def test_equal_to_exhaustive_search(seed, objective):
    problem = random_problem(np.random.default_rng(seed))
    found, _ = solved(problem, objective)
    assert clashes(problem, found.chosen) == 0
    best = max(value(problem, chosen, objective) for chosen in plans(problem))
    assert value(problem, found.chosen, objective) == best
    assert (found.served, found.points) == (
        served(found.chosen),
        total(problem.points, found.chosen),
    )
    assert found.unfairness == unfairness(problem, found.chosen)
    assert found.served_bound == best[0]
    if objective is Objective.SERVED_QUALITY_FAIRNESS:
        assert found.optimal
        assert found.unfairness_bound == found.unfairness


@pytest.mark.parametrize("seed", range(25))
def test_no_plan_is_worth_more_than_the_prices_say(seed):
    problem = random_problem(np.random.default_rng(100 + seed))
    everything = list(plans(problem))
    most = max(served(chosen) for chosen in everything)
    ones = np.ones(len(problem.points), dtype=np.int64)
    assert bound(problem, ones, least=0, all_served=False).value >= most
    points = max(total(problem.points, chosen) for chosen in everything)
    assert bound(problem, problem.points, least=0, all_served=False).value >= points
    if most == problem.servable:
        whole = [one for one in everything if served(one) == most]
        points = max(total(problem.points, chosen) for chosen in whole)
        assert bound(problem, problem.points, least=0, all_served=True).value >= points


@pytest.mark.parametrize("seed", range(10))
def test_greedy_and_clashes_agree_with_the_obvious(seed):
    random = np.random.default_rng(200 + seed)
    problem = random_problem(random, requests=12, width=3, horizon=20, options=9)
    chosen = greedy(problem, problem.points)
    assert clashes(problem, chosen) == 0
    # Whoever was left out has no free option left.
    for request in np.flatnonzero(chosen == NOT_SERVED).tolist():
        for option in range(int(problem.offsets[request]), int(problem.offsets[request + 1])):
            tried = chosen.copy()
            tried[request] = option
            assert clashes(problem, tried) > 0


@pytest.mark.parametrize("seed", range(10))
def test_fixed_times_are_all_placed_where_there_are_rooms_enough(seed):
    random = np.random.default_rng(400 + seed)
    count, rooms = 120, 9
    starts, lengths = random.integers(0, 200, count), random.integers(1, 30, count)
    # Of all times, those that leave at most so many at one moment.
    live = np.zeros(260, dtype=np.int64)
    kept = []
    for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
        if live[start : start + length].max() < rooms:
            live[start : start + length] += 1
            kept.append((start, start + length))
    begins, ends = (np.repeat(column(edge), rooms) for edge in zip(*kept, strict=True))
    problem = Problem(
        width=rooms,
        offsets=np.arange(0, len(kept) * rooms + 1, rooms, dtype=np.int64),
        resources=np.tile(np.arange(rooms, dtype=np.int64), len(kept)),
        starts=begins,
        ends=ends,
        points=np.zeros(len(begins), dtype=np.int64),
        days=np.full(len(begins), -1, dtype=np.int64),
    )
    chosen = greedy(problem, problem.points, order=by_deadline(problem))
    assert served(chosen) == len(kept)
    assert clashes(problem, chosen) == 0


def test_fair_greedy_gives_part_timers_their_share():
    # Thirty days of work that three can do; one offers half of what the others do.
    rows = [(member, 10 * day, 10 * day + 9, day) for day in range(30) for member in range(3)]
    resources, starts, ends, days = map(column, zip(*rows, strict=True))
    share = Credit(0, 30, (0, 1, 2), (0, 0, 0), (20, 20, 10), given_all=0, offered_all=50)
    problem = Problem(
        width=3,
        offsets=np.arange(0, 91, 3, dtype=np.int64),
        resources=resources,
        starts=starts,
        ends=ends,
        points=column([member for member, *_ in rows]),
        days=days,
        shares=(share,),
    )
    chosen = fair_greedy(problem)
    assert clashes(problem, chosen) == 0
    assert np.bincount(problem.resources[chosen]).tolist() == [12, 12, 6]
    assert unfairness(problem, chosen) == 0
    assert unfairness(problem, greedy(problem, problem.points)) > 0


@pytest.mark.parametrize("seed", range(10))
def test_crowds_are_the_pairs_that_clash(seed):
    problem = random_problem(np.random.default_rng(300 + seed), requests=8, options=6)
    together = {pair for crowd in crowds(problem) for pair in itertools.combinations(crowd, 2)}
    obvious = {
        (a, b)
        for a, b in itertools.combinations(range(len(problem.points)), 2)
        if problem.resources[a] == problem.resources[b]
        and problem.starts[a] < problem.ends[b]
        and problem.starts[b] < problem.ends[a]
    }
    assert {tuple(sorted(pair)) for pair in together} == obvious


def test_a_large_problem_is_thinned_out_and_still_bounded():
    random = np.random.default_rng(7)
    problem = random_problem(random, requests=60, width=8, horizon=400, options=900, lengths=(3, 9))
    assert len(problem.points) > OPTIONS_WHOLE
    found, told = solved(problem, seconds=2.0)
    assert clashes(problem, found.chosen) == 0
    assert found.served == found.served_bound == problem.servable
    assert found.greedy_points <= found.points <= found.points_bound
    assert found.gap_percent < 2.0
    assert [one.served for one in told] == sorted(one.served for one in told)


def test_nothing_to_do():
    problem = random_problem(np.random.default_rng(0), requests=3, options=0)
    found, _ = solved(problem)
    assert (found.served, found.served_bound, found.points, found.optimal) == (0, 0, 0, True)
