"""Ranks candidates: asks availability and assignment once each, then scores and explains."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from kit.fault import Invalid
from services.matching.domain import (
    Question,
    Ranking,
    Rejection,
    Window,
    ceil_minute,
    floor_minute,
)
from services.matching.engine.calls import RankCall
from services.matching.engine.explaining import Scene
from services.matching.engine.hopeless import with_next_steps
from services.matching.engine.joint import Choices, joint_choices, unknown
from services.matching.engine.layout import Scope, lay_out
from services.matching.engine.merging import merging_of
from services.matching.engine.outside import (
    Assignment,
    Availability,
    Customers,
    Matrix,
)
from services.matching.engine.scoring import best
from services.matching.engine.work import STRANGERS, Work, tables_of, work_of
from services.matching.rules.filters import Asked, failures
from services.matching.rules.policies import POLICIES, Policy, policy_named
from services.matching.rules.sentences import nothing_sentence
from services.matching.rules.settings import USUAL, Settings


@dataclass(frozen=True, slots=True)
class Inputs:
    """All that a ranking was decided on: deciding on it again gives the same ranking."""

    question: Question
    matrix: Matrix
    slot_start: int | None = None
    # None where nobody is free, so that nothing was asked.
    work: Work | None = None
    settings: Settings = USUAL
    # The same question for whoever could be part of a merge; None where none was looked for.
    parts: "Inputs | None" = None


@dataclass(frozen=True, slots=True)
class Ranked:
    """A ranking and what it was decided on."""

    ranking: Ranking
    inputs: Inputs


async def rank(
    call: RankCall,
    availability: Availability,
    assignment: Assignment,
    settings: Settings = USUAL,
    customers: Customers = STRANGERS,
) -> Ranked:
    """Ranks who could serve, best first. Nobody is an answer too, never an error.

    Raises Invalid for an unknown policy or a slot without a start; faults of the two other contexts
    pass through.
    """
    policy = known_policy(call.policy)
    question = await _question(call, availability, assignment)
    matrix = await availability.slots(
        question,
        max_rejections=call.max_rejections,
        at_least_as_fresh=call.at_least_as_fresh,
        as_if_now=call.as_if_now,
    )
    inputs = Inputs(question, matrix, _slot_start(call.slot), settings=settings)
    scope = scope_of(inputs, policy)
    if not scope.layout.empty:
        work = await work_of(
            scope, availability, assignment, customers, fresh=call.at_least_as_fresh
        )
        inputs = replace(inputs, work=work)
    if wants_merges(inputs, scope, limit=call.limit):
        parts = await parts_of(
            scope,
            availability,
            assignment,
            customers,
            fresh=call.at_least_as_fresh,
            as_if_now=call.as_if_now,
        )
        inputs = replace(inputs, parts=parts)
    ranking = _decided(inputs, scope, limit=call.limit, max_rejections=call.max_rejections)
    # Who wants no reasons wants no advice either.
    if not ranking.candidates and call.limit and call.max_rejections and call.as_if_now is None:
        ranking = await with_next_steps(ranking, scope, availability, fresh=call.at_least_as_fresh)
    return Ranked(ranking, inputs)


def wants_merges(inputs: Inputs, scope: Scope, *, limit: int) -> bool:
    """Says whether merges could be among the candidates wanted: singles come before them."""
    party = inputs.question.party_size
    return scope.matrix.merging is not None and party > 1 and len(scope.layout.pairs) < limit


async def parts_of(
    whole: Scope,
    availability: Availability,
    assignment: Assignment,
    customers: Customers,
    *,
    fresh: str,
    as_if_now: datetime | None = None,
) -> Inputs:
    """Asks who is free whatever the party, and, where they can merge, for their work."""
    asked = whole.asked
    question = replace(asked.question, party_size=0)
    matrix = await availability.slots(
        question,
        max_rejections=0,
        at_least_as_fresh=fresh,
        as_if_now=as_if_now,
    )
    parts = Inputs(question, matrix, asked.slot_start, settings=whole.settings)
    scope = scope_of(parts, whole.policy)
    terms = whole.matrix.merging
    assert terms is not None
    if scope.layout.empty or not merging_of(scope, asked.question.party_size, terms).usable:
        return parts
    work = await work_of(scope, availability, assignment, customers, fresh=fresh)
    return replace(parts, work=work)


def known_policy(name: str) -> Policy:
    """Returns the policy of that name, the deciding one for no name; refuses an unknown one."""
    policy = policy_named(name)
    if policy is None:
        known = ", ".join(one.name for one in POLICIES)
        raise Invalid.field("policy", f"there is no policy {name!r}; there are {known}")
    return policy


def scope_of(inputs: Inputs, policy: Policy) -> Scope:
    """Lays out who is free for a question, to be ranked by a policy."""
    matrix = inputs.matrix
    asked = Asked(
        question=inputs.question,
        window_start=matrix.window_start,
        window_end=matrix.window_end,
        duration=matrix.duration,
        slot_start=inputs.slot_start,
    )
    zone = ZoneInfo(matrix.time_zone)
    weighed = policy.weighed(inputs.settings.weights)
    layout = lay_out(asked, matrix, zone)
    return Scope(asked, matrix, layout, weighed, zone, inputs.settings)


def decide(inputs: Inputs, policy: Policy, *, limit: int, max_rejections: int) -> Ranking:
    """Decides on given inputs alone. A policy that compares people needs inputs that do."""
    return _decided(inputs, scope_of(inputs, policy), limit=limit, max_rejections=max_rejections)


def _decided(inputs: Inputs, scope: Scope, *, limit: int, max_rejections: int) -> Ranking:
    matrix, layout = scope.matrix, scope.layout
    singles = _singles(inputs, scope, limit=limit)
    joint = _joint(inputs, scope, limit=limit - layout.count)
    left_out = [
        one
        for one in (*matrix.rejections, *layout.rejections)
        if one.resource_id not in joint.usable
    ]
    rejections = tuple(sorted(left_out, key=lambda one: one.resource_id)[:max_rejections])
    free = {matrix.resources[row].id for row in layout.resources.tolist()}
    rejected_count = matrix.rejected_count + len(layout.rejections) - len(joint.usable - free)
    result = singles.result or joint.result or _nothing(matrix, rejections, rejected_count)
    candidates = (*singles.candidates[:limit], *joint.candidates)
    return Ranking(
        candidates=candidates,
        rejections=rejections,
        rejected_count=rejected_count,
        policy=scope.policy.name,
        freshness=matrix.freshness,
        result=result,
        optimality=joint.optimality,
        gap_percent=joint.gap_percent,
    )


def _singles(inputs: Inputs, scope: Scope, *, limit: int) -> Choices:
    """Picks and explains the best resources that serve alone."""
    if inputs.work is None or scope.layout.empty:
        return Choices()
    layout = scope.layout
    tables = tables_of(scope, inputs.work)
    # Where only some were asked for, one alone says nothing.
    alone = len(layout.resources) == 1 and not inputs.question.resource_ids
    scene = Scene(scope, tables, alone=alone)
    # The best is explained even where none is wanted, for the sentence.
    choices = best(scope, tables, limit=max(limit, 1))
    found = tuple(scene.candidate(choice) for choice in choices)
    return Choices(found, scene.headline(found[0]))


def _joint(inputs: Inputs, scope: Scope, *, limit: int) -> Choices:
    """Picks and explains the best merges, after all who serve alone."""
    parts, terms = inputs.parts, scope.matrix.merging
    if parts is None or terms is None or limit <= 0:
        return Choices()
    theirs = scope_of(parts, scope.policy)
    merging = merging_of(theirs, inputs.question.party_size, terms)
    if parts.work is None:
        return Choices(optimality=unknown(merging))
    served = scope.layout.starts[scope.layout.capacities > 0]
    return joint_choices(
        merging,
        tables_of(theirs, parts.work),
        without=frozenset(served.tolist()),
        limit=limit,
    )


async def _question(call: RankCall, availability: Availability, assignment: Assignment) -> Question:
    question = call.question
    if question is None:
        question = await assignment.question_of(call.booking_request_id)
    if call.resource_ids:
        question = replace(question, resource_ids=call.resource_ids)
    if call.ignored_allocation_id:
        question = replace(question, ignored_allocation_id=call.ignored_allocation_id)
    if call.slot is None:
        return question
    start, end = call.slot.start, call.slot.end
    if start is None or ceil_minute(start) != floor_minute(start):
        raise Invalid.field("slot.start_time", "a slot starts on a whole minute")
    if end is None:
        minutes = await availability.duration_minutes(question.service_type_id)
        end = start + timedelta(minutes=minutes)
    return replace(question, window=Window(start, end))


def _slot_start(slot: Window | None) -> int | None:
    return None if slot is None or slot.start is None else floor_minute(slot.start)


def _nothing(matrix: Matrix, rejections: tuple[Rejection, ...], rejected_count: int) -> str:
    counts = failures(rejections)
    if counts and len(rejections) == rejected_count:
        return nothing_sentence(counts)
    # Without all the reasons at hand, availability's own sentence counts them better.
    return f"There is no candidate. {matrix.result}".strip()
