"""Lays one booking request of a batch out: who could serve it when, alone or together."""

from dataclasses import dataclass, replace

import numpy as np

from services.matching.domain import (
    Candidate,
    Month,
    Question,
    Window,
    ceil_minute,
    floor_minute,
)
from services.matching.engine.batch.joined import Together, together_of
from services.matching.engine.explaining import Scene
from services.matching.engine.layout import Scope
from services.matching.engine.outside import Column, Matrix
from services.matching.engine.ranking import Inputs, scope_of
from services.matching.engine.scoring import Choice, Tables, pair_points
from services.matching.engine.work import tables_of
from services.matching.rules.policies import Policy
from services.matching.rules.preferences import FAIRNESS

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
    # What can be put together for it; these options come after the others.
    together: Together | None = None
    # Whether nothing that it could have was left out.
    whole: bool = True

    def candidate(self, option: int) -> Candidate:
        """Gives the candidate that an option stands for, with its reasons."""
        if option >= len(self.slots):
            assert self.together is not None
            return self.together.candidate(option - len(self.slots))
        assert self.tables is not None
        choice = Choice(int(self.slots[option]), int(self.rows[option]), 0)
        return Scene(self.scope, self.tables, alone=False).candidate(choice)


def wish_of(group: Group, member: Member, policy: Policy) -> Wish:
    """Lays one request of a group out."""
    inputs = own(group.inputs, member, policy)
    scope, tables = _laid_out(inputs, policy)
    together = _together(inputs, policy)
    whole = together is None or together.whole
    if tables is None:
        none = np.zeros(0, dtype=np.int64)
        return Wish(member.booking_request_id, scope, None, none, none, none, together, whole)
    layout = scope.layout
    slots = np.repeat(np.arange(len(layout.starts), dtype=np.int64), layout.capacities)
    rows = layout.pairs
    points = points_of(scope, tables, slots)
    if len(slots) > OPTIONS_EACH_MAX:
        even = np.linspace(0, len(slots) - 1, OPTIONS_EACH_MAX).astype(np.int64)
        slots, rows, points, whole = slots[even], rows[even], points[even], False
    return Wish(member.booking_request_id, scope, tables, slots, rows, points, together, whole)


def own(inputs: Inputs, member: Member, policy: Policy) -> Inputs:
    """Gives what of a group's inputs is about one request."""
    question: Question = replace(inputs.question, window=member.window)
    mine = replace(
        inputs,
        question=question,
        matrix=_clipped(inputs.matrix, member.window),
        parts=None if inputs.parts is None else own(inputs.parts, member, policy),
    )
    work = inputs.work
    if work is None or not work.shared:
        return mine
    # Pools were read for all months of the group; these are the request's own.
    at = {month: number for number, month in enumerate(_months(inputs, policy))}
    pools = tuple(work.shared[at[month]] for month in _months(mine, policy))
    return replace(mine, work=replace(work, shared=pools))


def _laid_out(inputs: Inputs, policy: Policy) -> tuple[Scope, Tables | None]:
    """Lays a request's own inputs out; no facts where nobody is free."""
    scope = scope_of(inputs, policy)
    if scope.layout.empty or inputs.work is None:
        return scope, None
    return scope, tables_of(scope, inputs.work)


def _together(inputs: Inputs, policy: Policy) -> Together | None:
    terms = inputs.matrix.merging
    if inputs.parts is None or terms is None:
        return None
    scope, tables = _laid_out(inputs.parts, policy)
    if tables is None:
        return None
    return together_of(scope, tables, inputs.question.party_size, terms)


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
