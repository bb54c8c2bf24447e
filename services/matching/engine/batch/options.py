"""Turns what two contexts answered into one joint problem, and its solution into candidates."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from services.matching.domain import (
    Candidate,
    Month,
    Question,
    Window,
    ceil_minute,
    floor_minute,
)
from services.matching.engine.batch.problem import (
    NOT_SERVED,
    Chosen,
    Credit,
    Problem,
)
from services.matching.engine.explaining import Scene
from services.matching.engine.layout import Scope
from services.matching.engine.outside import Column, Matrix
from services.matching.engine.ranking import Inputs, known_policy, scope_of, tables_of
from services.matching.engine.scoring import Choice, Tables, pair_points
from services.matching.rules.fairness import Share
from services.matching.rules.policies import Policy
from services.matching.rules.preferences import FAIRNESS

# Whom fairness compares: per pool of people and month, each member's share before the batch.
Shares: TypeAlias = dict[tuple[tuple[str, ...], Month], dict[int, Share]]
# A request's options beyond this many are thinned out evenly.
OPTIONS_EACH_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Member:
    """One booking request of a group, with its own window."""

    booking_request_id: str
    window: Window


@dataclass(frozen=True, slots=True)
class Group:
    """Requests that ask the same but for the window, and what was learnt for all of them."""

    inputs: Inputs
    # Minutes that each of them keeps free before and after its slot.
    buffer_before: int
    buffer_after: int
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Wish:
    """One request laid out: its scope, its facts, and the pair that each of its options is.

    Points leave fairness out, which the joint plan weighs as a whole.
    """

    booking_request_id: str
    scope: Scope
    tables: Tables | None
    # The slot and the resource of each option, by the scope's numbers.
    slots: Column
    rows: Column
    points: Column

    def candidate(self, option: int) -> Candidate:
        """Gives the candidate that an option stands for, with its reasons."""
        assert self.tables is not None
        choice = Choice(int(self.slots[option]), int(self.rows[option]), 0)
        return Scene(self.scope, self.tables, alone=False).candidate(choice)


@dataclass(frozen=True, slots=True)
class Joint:
    """A joint problem and the requests behind its numbers, in the same order."""

    problem: Problem
    wishes: tuple[Wish, ...]

    def candidate(self, chosen: Chosen, request: int) -> Candidate | None:
        """Gives the place of a request in a plan, if it has one."""
        option = int(chosen[request])
        if option == NOT_SERVED:
            return None
        return self.wishes[request].candidate(option - int(self.problem.offsets[request]))


def joint(groups: Sequence[Group], policy_name: str) -> Joint:
    """Lays all requests out as one problem; fairness is left to the solver, all else is points."""
    policy = known_policy(policy_name)
    names = sorted({one.id for group in groups for one in group.inputs.matrix.resources})
    number_of = {name: number for number, name in enumerate(names)}
    shares: Shares = defaultdict(dict)
    wishes: list[Wish] = []
    columns: list[tuple[Column, ...]] = []
    for group in groups:
        numbers = np.array(
            [number_of[one.id] for one in group.inputs.matrix.resources], dtype=np.int64
        )
        for member in group.members:
            wish = _wish(group, member, policy)
            wishes.append(wish)
            columns.append(_options(group, wish, numbers, shares))
    resources, starts, ends, points, days = (
        np.concatenate(column) for column in zip(*columns, strict=True)
    )
    offsets = np.zeros(len(wishes) + 1, dtype=np.int64)
    np.cumsum([len(wish.slots) for wish in wishes], out=offsets[1:])
    problem = Problem(
        width=len(names),
        offsets=offsets,
        resources=resources,
        starts=starts,
        ends=ends,
        points=points,
        days=days,
        shares=_shares(shares),
    )
    return Joint(problem, tuple(wishes))


def _wish(group: Group, member: Member, policy: Policy) -> Wish:
    inputs = group.inputs
    matrix = _clipped(inputs.matrix, member.window)
    question: Question = replace(inputs.question, window=member.window)
    scope = scope_of(replace(inputs, question=question, matrix=matrix), policy)
    layout = scope.layout
    if layout.empty or inputs.work is None:
        none = np.zeros(0, dtype=np.int64)
        return Wish(member.booking_request_id, scope, None, none, none, none)
    work = inputs.work
    if work.shared:
        # Pools were read for all months of the group; these are the request's own.
        at = {month: number for number, month in enumerate(_months(inputs, policy))}
        work = replace(work, shared=tuple(work.shared[at[month]] for month in layout.months))
    slots = np.repeat(np.arange(len(layout.starts), dtype=np.int64), layout.capacities)
    rows = layout.pairs
    tables = tables_of(scope, work)
    points = points_of(scope, tables, slots)
    if len(slots) > OPTIONS_EACH_MAX:
        even = np.linspace(0, len(slots) - 1, OPTIONS_EACH_MAX).astype(np.int64)
        slots, rows, points = slots[even], rows[even], points[even]
    return Wish(member.booking_request_id, scope, tables, slots, rows, points)


def _months(inputs: Inputs, policy: Policy) -> tuple[Month, ...]:
    return scope_of(inputs, policy).layout.months


def _clipped(matrix: Matrix, window: Window) -> Matrix:
    """Gives the part of a matrix that lies in a window."""
    low, high = matrix.window_start, matrix.window_end
    if window.start is not None:
        low = max(low, ceil_minute(window.start))
    if window.end is not None:
        high = max(min(high, floor_minute(window.end)), low)
    first = int(np.searchsorted(matrix.starts, low))
    last = max(int(np.searchsorted(matrix.starts, high - matrix.duration, side="right")), first)
    sums = np.zeros(len(matrix.capacities) + 1, dtype=np.int64)
    np.cumsum(matrix.capacities, out=sums[1:])
    pairs = slice(int(sums[first]), int(sums[last]))
    return replace(
        matrix,
        window_start=low,
        window_end=high,
        starts=matrix.starts[first:last],
        capacities=matrix.capacities[first:last],
        pairs=matrix.pairs[pairs],
        suits=None if matrix.suits is None else matrix.suits[pairs],
        travel_minutes=None if matrix.travel_minutes is None else matrix.travel_minutes[pairs],
    )


def _options(
    group: Group,
    wish: Wish,
    numbers: Column,
    shares: Shares,
) -> tuple[Column, ...]:
    """Gives resources, starts, ends, points and days of a request's options, and notes whom
    fairness compares.
    """
    scope, tables, slots, rows = wish.scope, wish.tables, wish.slots, wish.rows
    if tables is None:
        none = np.zeros(0, dtype=np.int64)
        return none, none, none, none, none
    layout = scope.layout
    groups = layout.slot_groups[slots]
    days = np.full(len(slots), -1, dtype=np.int64)
    if tables.totals is not None:
        new_day = tables.people[rows] & (tables.added[rows, groups] > 0)
        days = np.where(new_day, layout.first_days[groups], -1)
        for row in layout.resources.tolist():
            for number, month in enumerate(layout.months):
                share = tables.share(row, number)
                if share is not None and tables.people[row]:
                    pool = shares[scope.matrix.required_skills, month]
                    pool.setdefault(int(numbers[row]), share)
    starts = layout.starts[slots]
    return (
        numbers[rows],
        starts - group.buffer_before,
        starts + scope.matrix.duration + group.buffer_after,
        wish.points,
        days,
    )


def points_of(scope: Scope, tables: Tables, slots: Column) -> Column:
    """Gives the points of all pairs without fairness; `slots` names the slot of each."""
    layout, policy = scope.layout, scope.policy
    by_day: Column = np.zeros(layout.used.shape, dtype=np.int64)
    for rule in policy.by_day:
        if rule.name != FAIRNESS.name:
            by_day += np.where(rule.applies(tables.day), rule.points(rule.weight, tables.day), 0)
    by_slot: Column = np.zeros(len(layout.starts), dtype=np.int64)
    for rule_ in policy.by_slot:
        by_slot += np.where(rule_.applies(tables.slot), rule_.points(rule_.weight, tables.slot), 0)
    found: Column = by_day[layout.pairs, layout.slot_groups[slots]] + by_slot[slots]
    by_pair = pair_points(scope, tables)
    return found if by_pair is None else found + by_pair


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
