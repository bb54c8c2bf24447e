"""Joint plans whose options take several resources or lie apart: equal to exhaustive search."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from services.matching.engine.batch.greedy import fair_greedy, greedy
from services.matching.engine.batch.model import crowds, rushes
from services.matching.engine.batch.parting import parted
from services.matching.engine.batch.prices import bound
from services.matching.engine.batch.problem import (
    NOT_SERVED,
    Further,
    Objective,
    Roads,
    clashes,
    total,
    unfairness,
)
from services.matching.tests.test_batch import column, random_problem, served, solved, value


def joined(random, problem, share=0.5):
    """Lets some options take one or two further resources, whose day may count too."""
    rows = []
    for option in range(len(problem.points)):
        if random.random() < share:
            others = [one for one in range(problem.width) if one != problem.resources[option]]
            size = int(random.integers(1, len(others) + 1))
            for other in sorted(random.choice(others, size, replace=False).tolist()):
                day = int(problem.starts[option]) // 4 if random.random() < 0.8 else -1
                rows.append((option, other, day))
    return replace(problem, further=Further(*map(column, zip(*rows, strict=True))))


def spread_out(random, problem, places=3):
    """Puts most requests somewhere; ways back need not be as long."""
    sites = random.integers(-1, places, problem.count)
    ways = random.integers(0, 4, (places, places))
    np.fill_diagonal(ways, 0)
    return replace(problem, roads=Roads(column(sites), column(ways)))


def apart(problem, a, b):
    """Whether two options leave each other the time, in the most obvious way."""
    first, second = sorted((a, b), key=lambda one: problem.starts[one])
    taken = [
        {int(problem.resources[one])}
        | {
            int(resource)
            for option, resource in zip(
                problem.further.options, problem.further.resources, strict=True
            )
            if option == one
        }
        for one in (a, b)
    ]
    if not taken[0] & taken[1]:
        return True
    way = 0
    if problem.roads is not None:
        owners = problem.owners
        way = problem.roads.apart(int(owners[first]), int(owners[second]))
        back = problem.roads.apart(int(owners[second]), int(owners[first]))
        if problem.starts[first] == problem.starts[second]:
            way = max(way, back)
    return problem.starts[second] >= problem.ends[first] + way


def plans(problem):
    choices = [
        [NOT_SERVED, *range(int(problem.offsets[one]), int(problem.offsets[one + 1]))]
        for one in range(problem.count)
    ]
    fits = {
        pair: apart(problem, *pair)
        for pair in itertools.combinations(range(len(problem.points)), 2)
    }
    for combination in itertools.product(*choices):
        taken = sorted(option for option in combination if option != NOT_SERVED)
        if all(fits[pair] for pair in itertools.combinations(taken, 2)):
            yield column(combination)


def variants(seed, **size):
    random = np.random.default_rng(seed)
    problem = random_problem(random, width=3, **size)
    merged = joined(random, problem)
    return merged, spread_out(random, problem), spread_out(random, merged)


@pytest.mark.parametrize("objective", list(Objective))
@pytest.mark.parametrize("variant", [0, 1, 2], ids=["merges", "ways", "both"])
@pytest.mark.parametrize("seed", range(500, 506))
def test_equal_to_exhaustive_search(seed, variant, objective):
    problem = variants(seed, requests=5, options=4)[variant]
    everything = list(plans(problem))
    assert all(clashes(problem, chosen) == 0 for chosen in everything)
    found, _ = solved(problem, objective)
    assert clashes(problem, found.chosen) == 0
    best = max(value(problem, chosen, objective) for chosen in everything)
    assert value(problem, found.chosen, objective) == best
    assert found.served_bound == best[0]
    assert found.unfairness == unfairness(problem, found.chosen)
    if objective is Objective.SERVED_QUALITY_FAIRNESS:
        assert found.optimal


@pytest.mark.parametrize("variant", [0, 1, 2], ids=["merges", "ways", "both"])
@pytest.mark.parametrize("seed", range(600, 608))
def test_clashes_crowds_and_bounds_agree_with_the_obvious(seed, variant):
    problem = variants(seed, requests=4, options=4)[variant]
    together = {
        tuple(sorted(pair))
        for several in itertools.chain(crowds(problem), rushes(problem))
        for pair in itertools.combinations(several, 2)
    }
    owners = problem.owners
    for a, b in itertools.combinations(range(len(problem.points)), 2):
        if owners[a] != owners[b]:
            chosen = np.full(problem.count, NOT_SERVED, dtype=np.int64)
            chosen[owners[a]], chosen[owners[b]] = a, b
            assert (clashes(problem, chosen) > 0) is not apart(problem, a, b)
            assert ((a, b) in together) is not apart(problem, a, b)
    everything = list(plans(problem))
    most = max(map(served, everything))
    ones = np.ones(len(problem.points), dtype=np.int64)
    assert bound(problem, ones, least=0, all_served=False).value >= most
    points = max(total(problem.points, chosen) for chosen in everything)
    assert bound(problem, problem.points, least=0, all_served=False).value >= points


@pytest.mark.parametrize("variant", [0, 1, 2], ids=["merges", "ways", "both"])
@pytest.mark.parametrize("seed", range(700, 706))
def test_whoever_greedy_leaves_out_has_no_free_option(seed, variant):
    problem = variants(seed, requests=14, horizon=24, options=9)[variant]
    for chosen in (greedy(problem, problem.points), fair_greedy(problem)):
        assert clashes(problem, chosen) == 0
        for request in np.flatnonzero(chosen == NOT_SERVED).tolist():
            for option in range(int(problem.offsets[request]), int(problem.offsets[request + 1])):
                tried = chosen.copy()
                tried[request] = option
                assert clashes(problem, tried) > 0


@pytest.mark.parametrize("variant", [0, 2], ids=["merges", "both"])
@pytest.mark.parametrize("seed", range(900, 912))
def test_no_merge_is_left_where_one_is_free_alone(seed, variant):
    problem = variants(seed, requests=8, horizon=12, options=9)[variant]
    merged = set(problem.further.options.tolist())
    # What is worth most here are merges, so that a plan has some that it need not have.
    worth = np.isin(np.arange(len(problem.points)), list(merged)).astype(np.int64)
    plan = greedy(problem, worth)
    found = parted(problem, plan)
    assert clashes(problem, found) == 0
    assert served(found) == served(plan)
    for request in np.flatnonzero(found != NOT_SERVED).tolist():
        option = int(found[request])
        same = [
            one
            for one in range(int(problem.offsets[request]), int(problem.offsets[request + 1]))
            if problem.starts[one] == problem.starts[option] and one not in merged
        ]
        for one in same if option in merged else ():
            tried = found.copy()
            tried[request] = one
            assert clashes(problem, tried) > 0
    assert (found != plan).any() or seed != 900


@pytest.mark.parametrize("seed", range(800, 804))
def test_fewer_options_are_the_same_problem(seed):
    problem = variants(seed, requests=5, options=5)[2]
    kept = np.flatnonzero(np.random.default_rng(seed).random(len(problem.points)) < 0.6)
    fewer = problem.kept(kept)
    for a, b in itertools.combinations(range(len(kept)), 2):
        assert apart(fewer, a, b) == apart(problem, int(kept[a]), int(kept[b]))
