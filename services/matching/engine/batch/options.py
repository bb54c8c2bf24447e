"""Turns what two contexts answered into one joint problem, and its solution into candidates."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from services.matching.domain import (
    Candidate,
    Month,
)
from services.matching.engine.batch.problem import (
    NOT_SERVED,
    Chosen,
    Credit,
    Further,
    Problem,
)
from services.matching.engine.batch.ways import Map
from services.matching.engine.batch.wishes import Group, Wish, wish_of
from services.matching.engine.layout import Scope
from services.matching.engine.outside import Column
from services.matching.engine.ranking import known_policy
from services.matching.engine.scoring import Tables
from services.matching.rules.fairness import Share

# Whom fairness compares: per pool of people and month, each member's share before the batch.
Shares: TypeAlias = dict[tuple[tuple[str, ...], Month], dict[int, Share]]


@dataclass(frozen=True, slots=True)
class Joint:
    """A joint problem and the requests behind its numbers, in the same order."""

    problem: Problem
    wishes: tuple[Wish, ...]

    @property
    def whole(self) -> bool:
        """Whether the problem has all that could be chosen."""
        return all(wish.whole for wish in self.wishes)

    def candidate(self, chosen: Chosen, request: int) -> Candidate | None:
        """Gives the place of a request in a plan, if it has one."""
        option = int(chosen[request])
        if option == NOT_SERVED:
            return None
        return self.wishes[request].candidate(option - int(self.problem.offsets[request]))


@dataclass(slots=True)
class Options:
    """The columns of a problem while its requests are laid out one after the other."""

    number_of: dict[str, int]
    shares: Shares
    columns: list[tuple[Column, ...]]
    further: list[tuple[int, int, int]]
    count: int = 0


def joint(groups: Sequence[Group], policy_name: str, places: Map) -> Joint:
    """Lays all requests out as one problem; fairness is left to the solver, all else is points."""
    policy = known_policy(policy_name)
    names = sorted(
        {
            one.id
            for group in groups
            for inputs in (group.inputs, group.inputs.parts)
            if inputs is not None
            for one in inputs.matrix.resources
        }
    )
    laid = Options({name: number for number, name in enumerate(names)}, defaultdict(dict), [], [])
    wishes: list[Wish] = []
    edges = [0]
    for group in groups:
        for member in group.members:
            wish = wish_of(group, member, policy)
            wishes.append(wish)
            _lay_alone(laid, group, wish)
            _lay_together(laid, group, wish)
            edges.append(laid.count)
    resources, starts, ends, points, days = (
        np.concatenate(column) for column in zip(*laid.columns, strict=True)
    )
    more = np.array(laid.further, dtype=np.int64).reshape(-1, 3)
    problem = Problem(
        width=len(names),
        offsets=np.array(edges, dtype=np.int64),
        resources=resources,
        starts=starts,
        ends=ends,
        points=points,
        days=days,
        shares=_shares(laid.shares),
        further=Further(more[:, 0], more[:, 1], more[:, 2]),
        roads=places.roads(
            [group.inputs.question.place for group in groups for _ in group.members]
        ),
    )
    return Joint(problem, tuple(wishes))


def _lay_alone(laid: Options, group: Group, wish: Wish) -> None:
    """Adds the options of those who serve alone, and notes whom fairness compares."""
    scope, tables, slots, rows = wish.scope, wish.tables, wish.slots, wish.rows
    if tables is None:
        none = np.zeros(0, dtype=np.int64)
        laid.columns.append((none, none, none, none, none))
        return
    layout = scope.layout
    groups = layout.slot_groups[slots]
    days = np.full(len(slots), -1, dtype=np.int64)
    if tables.totals is not None:
        new_day = tables.people[rows] & (tables.added[rows, groups] > 0)
        days = np.where(new_day, layout.first_days[groups], -1)
    _note_shares(laid, scope, tables)
    numbers = _numbers(laid, scope)
    starts = layout.starts[slots]
    laid.columns.append(
        (
            numbers[rows],
            starts - group.buffer_before,
            starts + scope.matrix.duration + group.buffer_after,
            wish.points,
            days,
        )
    )
    laid.count += len(slots)


def _lay_together(laid: Options, group: Group, wish: Wish) -> None:
    """Adds the options of those who serve together."""
    together = wish.together
    if together is None or not together.plans:
        return
    scope, first = together.scope, laid.count
    compared = together.tables.totals is not None
    _note_shares(laid, scope, together.tables)
    numbers = _numbers(laid, scope)
    leaders, days = [], []
    for number, plan in enumerate(together.plans):
        worked = [together.day(number, row) if compared else -1 for row in plan.members]
        leaders.append(int(numbers[plan.members[0]]))
        days.append(worked[0])
        laid.further.extend(
            (first + number, int(numbers[row]), day)
            for row, day in zip(plan.members[1:], worked[1:], strict=True)
        )
    starts = together.starts
    laid.columns.append(
        (
            np.array(leaders, dtype=np.int64),
            starts - group.buffer_before,
            starts + scope.matrix.duration + group.buffer_after,
            together.points(wish.points),
            np.array(days, dtype=np.int64),
        )
    )
    laid.count += len(together.plans)


def _numbers(laid: Options, scope: Scope) -> Column:
    return np.array([laid.number_of[one.id] for one in scope.matrix.resources], dtype=np.int64)


def _note_shares(laid: Options, scope: Scope, tables: Tables) -> None:
    """Notes whom fairness compares."""
    if tables.totals is None:
        return
    numbers = _numbers(laid, scope)
    for row in scope.layout.resources.tolist():
        for number, month in enumerate(scope.layout.months):
            share = tables.share(row, number)
            if share is not None and tables.people[row]:
                pool = laid.shares[scope.matrix.required_skills, month]
                pool.setdefault(int(numbers[row]), share)


def _shares(shares: Shares) -> tuple[Credit, ...]:
    found = []
    for (_, month), members in sorted(shares.items()):
        rows = sorted(members.items())
        found.append(
            Credit(
                first_day=month.first_day,
                end_day=month.end_day,
                members=tuple(member for member, _ in rows),
                given=tuple(share.given for _, share in rows),
                offered=tuple(share.offered for _, share in rows),
                given_all=max(share.given_all for _, share in rows),
                offered_all=max(share.offered_all for _, share in rows),
            )
        )
    return tuple(found)
