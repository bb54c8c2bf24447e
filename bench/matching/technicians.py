"""Technician days of a public benchmark: routes put together by CP-SAT beside the greedy ones.

A greedy plan inserts request after request where it costs the least way. Ours makes many such plans
in other orders, takes every technician's route of every plan as an option, and lets CP-SAT choose:
most requests served, then the least way. Parts are left out: they can be fetched at the depot.
"""

import gzip
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

from ortools.sat.python import cp_model

from bench.table import Bench, Row

DATA = Path(__file__).parents[3] / "shared" / "data" / "field_service"
FILE = DATA / "trsp_solomon_crew25.json.gz"
DAYS = ("C101", "R101", "RC101")
SEED, PLANS, SECONDS, WORKERS = 25, 300, 6.0, 2
# Of the requests of a plan, how many are taken out and put back in another order.
TAKEN_OUT = 0.35
# Ways are added as whole hundredths.
HUNDREDTHS = 100


@dataclass(frozen=True)
class Stop:
    """A place with its hours: a request, or a technician's home."""

    id: int
    x: float
    y: float
    open: float
    close: float
    service: float
    skills: frozenset[int]
    tools: frozenset[int]


@dataclass(frozen=True)
class Day:
    """One day's technicians and requests."""

    name: str
    technicians: tuple[Stop, ...]
    requests: tuple[Stop, ...]


Route = tuple[Stop, ...]
Plan = dict[int, Route]


def days() -> list[Day]:
    """Reads the days that are measured."""
    with gzip.open(FILE) as file:
        found = json.load(file)
    return [
        Day(
            one["name"],
            tuple(map(_stop, one["technicians"])),
            tuple(map(_stop, one["requests"])),
        )
        for one in found
        if one["name"].split(".")[0] in DAYS
    ]


def _stop(value: dict[str, Any]) -> Stop:
    plain = {key: value[key] for key in ("id", "x", "y", "open", "close", "service")}
    return Stop(
        **plain,
        skills=frozenset(value["skills"]),
        tools=frozenset(value["tools"]),
    )


def way(one: Stop, other: Stop) -> float:
    """Gives the straight line between two stops; a unit of way takes a unit of time."""
    return math.hypot(one.x - other.x, one.y - other.y)


def able(technician: Stop, request: Stop) -> bool:
    """Whether a technician has the skills and carries the tools."""
    return request.skills <= technician.skills and request.tools <= technician.tools


def length(home: Stop, route: Route) -> float:
    """Gives the way of a route from home and back."""
    stops = (home, *route, home)
    return sum(way(one, other) for one, other in pairwise(stops))


def in_time(home: Stop, route: Route) -> bool:
    """Whether every stop of a route is reached within its hours, and home in the end."""
    now, here = home.open, home
    for stop in route:
        now = max(now + way(here, stop), stop.open)
        if now > stop.close:
            return False
        now, here = now + stop.service, stop
    return now + way(here, home) <= home.close


def insert_all(day: Day, plan: Plan, requests: list[Stop]) -> Plan:
    """Puts request after request where it costs the least way; who fits nowhere is left out."""
    plan = dict(plan)
    for request in requests:
        best: tuple[float, int, Route] | None = None
        for home in day.technicians:
            if not able(home, request):
                continue
            route = plan.get(home.id, ())
            before = length(home, route)
            for place in range(len(route) + 1):
                longer = (*route[:place], request, *route[place:])
                cost = length(home, longer) - before
                if (best is None or cost < best[0]) and in_time(home, longer):
                    best = cost, home.id, longer
        if best is not None:
            plan[best[1]] = best[2]
    return plan


def worth(day: Day, plan: Plan) -> tuple[int, float]:
    """Gives how many are served and the whole way."""
    homes = {home.id: home for home in day.technicians}
    served = sum(map(len, plan.values()))
    return served, sum(length(homes[name], route) for name, route in plan.items())


def chosen(day: Day, routes: set[tuple[int, Route]], hint: Plan) -> Plan:
    """Chooses at most one route per technician, so that most are served, then the way is least."""
    model = cp_model.CpModel()
    options = sorted(routes, key=lambda one: (one[0], [stop.id for stop in one[1]]))
    taken = [model.new_bool_var("") for _ in options]
    homes = {home.id: home for home in day.technicians}
    by_name: dict[int, list[cp_model.IntVar]] = {}
    by_request: dict[int, list[cp_model.IntVar]] = {}
    costs = []
    for (name, route), literal in zip(options, taken, strict=True):
        model.add_hint(literal, hint.get(name) == route)
        by_name.setdefault(name, []).append(literal)
        for stop in route:
            by_request.setdefault(stop.id, []).append(literal)
        costs.append(round(HUNDREDTHS * length(homes[name], route)))
    for several in (*by_name.values(), *by_request.values()):
        model.add_at_most_one(several)
    # One more served outweighs any way.
    more = HUNDREDTHS * 10_000
    worths = [more * len(route) - cost for (_, route), cost in zip(options, costs, strict=True)]
    model.maximize(cp_model.LinearExpr.weighted_sum(taken, worths))
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = SECONDS
    solver.parameters.num_workers = WORKERS
    solver.parameters.random_seed = SEED
    if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return hint
    picked = zip(options, taken, strict=True)
    return {name: route for (name, route), one in picked if solver.boolean_value(one)}


def planned(day: Day, first: Plan) -> Plan:
    """Improves a plan: many plans near the best one, whose routes CP-SAT puts together anew."""
    random = Random(SEED)
    best = first
    routes = set(first.items())
    for _ in range(PLANS):
        out = {one.id for one in day.requests if random.random() < TAKEN_OUT}
        rest = {
            name: tuple(stop for stop in route if stop.id not in out)
            for name, route in best.items()
        }
        inside = {stop.id for route in rest.values() for stop in route}
        waiting = [one for one in day.requests if one.id not in inside]
        random.shuffle(waiting)
        plan = insert_all(day, rest, waiting)
        routes.update((name, route) for name, route in plan.items() if route)
        if _better(day, plan, best):
            best = plan
    return chosen(day, {(name, route) for name, route in routes if route}, best)


def _better(day: Day, one: Plan, other: Plan) -> bool:
    (served, length_one), (served_other, length_other) = worth(day, one), worth(day, other)
    return (served, -length_one) > (served_other, -length_other)


def broken(day: Day, plan: Plan) -> int:
    """Counts what a plan breaks: skills, tools, hours, and requests served twice."""
    homes = {home.id: home for home in day.technicians}
    served = [stop.id for route in plan.values() for stop in route]
    unable = sum(not able(homes[name], stop) for name, route in plan.items() for stop in route)
    late = sum(not in_time(homes[name], route) for name, route in plan.items())
    return unable + late + len(served) - len(set(served))


def rows_of(bench: Bench) -> Iterator[Row]:
    """Plans the days, if they are at hand."""
    if not FILE.exists():
        bench.say(f"{FILE} is not there: no technicians")
        return
    for day in days():
        bench.say(f"planning the technicians' day {day.name}")
        begun = time.perf_counter()
        first = insert_all(day, {}, sorted(day.requests, key=lambda one: (one.close, one.id)))
        first = {name: route for name, route in first.items() if route}
        plan = planned(day, first)
        seconds = time.perf_counter() - begun
        (served, ours), (greedy_served, theirs) = worth(day, plan), worth(day, first)
        failures = broken(day, plan)
        better = (served, -ours) >= (greedy_served, -theirs)
        yield Row(
            name=f"technicians {day.name}: unserved",
            value=len(day.requests) - served,
            unit="requests",
            against="greedy insertion",
            against_value=len(day.requests) - greedy_served,
            goal="no rule broken; more served, or as many by a shorter way",
            reached=failures == 0 and better,
            note=(
                f"{len(day.requests)} requests, 25 technicians; way {ours:,.0f}, greedy "
                f"{theirs:,.0f} ({ours / served:.1f} and {theirs / greedy_served:.1f} a request); "
                f"{failures} rules broken; {seconds:.1f} s"
            ),
        )
