"""Ranks candidates: asks availability and assignment once each, then scores and explains."""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from kit.fault import Invalid
from services.matching.domain import (
    Candidate,
    Question,
    Ranking,
    Rejection,
    Window,
    ceil_minute,
    day_start,
    floor_minute,
    moment_of,
)
from services.matching.engine.explaining import Scene
from services.matching.engine.layout import Scope, lay_out
from services.matching.engine.outside import Assignment, Availability, Matrix
from services.matching.engine.people import pools
from services.matching.engine.scoring import Tables, best, tabulate
from services.matching.rules.filters import Asked, failures
from services.matching.rules.preferences import POLICIES, policy_named
from services.matching.rules.sentences import nothing_sentence

DEFAULT_LIMIT = 10
DEFAULT_MAX_REJECTIONS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class RankCall:
    """Asks for ranked candidates: for a stored booking request or for a question of its own."""

    booking_request_id: str = ""
    question: Question | None = None
    # Only this slot, in the place of the question's window; a missing end is start + duration.
    slot: Window | None = None
    # In the place of the question's, unless empty.
    resource_ids: tuple[str, ...] = ()
    # Empty: the deciding one.
    policy: str = ""
    limit: int = DEFAULT_LIMIT
    max_rejections: int = DEFAULT_MAX_REJECTIONS
    at_least_as_fresh: str = ""
    as_if_now: datetime | None = None


async def rank(call: RankCall, availability: Availability, assignment: Assignment) -> Ranking:
    """Ranks who could serve, best first. Nobody is an answer too, never an error.

    Raises Invalid for an unknown policy or a slot without a start; faults of the two other contexts
    pass through.
    """
    policy = policy_named(call.policy)
    if policy is None:
        known = ", ".join(one.name for one in POLICIES)
        raise Invalid.field("policy", f"there is no policy {call.policy!r}; there are {known}")
    question = await _question(call, availability, assignment)
    matrix = await availability.slots(
        question,
        max_rejections=call.max_rejections,
        at_least_as_fresh=call.at_least_as_fresh,
        as_if_now=call.as_if_now,
    )
    asked = Asked(
        question=question,
        window_start=matrix.window_start,
        window_end=matrix.window_end,
        duration=matrix.duration,
        slot_start=_slot_start(call.slot),
    )
    zone = ZoneInfo(matrix.time_zone)
    layout = lay_out(asked, matrix, zone)
    scope = Scope(asked, matrix, layout, policy, zone)
    rejections = _merged(matrix.rejections, layout.rejections, most=call.max_rejections)
    rejected_count = matrix.rejected_count + len(layout.rejections)
    candidates: tuple[Candidate, ...] = ()
    result = _nothing(matrix, rejections, rejected_count)
    if not layout.empty:
        tables = await _tables(call, scope, availability, assignment)
        # Where only some were asked for, one alone says nothing.
        alone = len(layout.resources) == 1 and not question.resource_ids
        scene = Scene(scope, tables, alone=alone)
        # The best is explained even where none is wanted, for the sentence.
        choices = best(scope, tables, limit=max(call.limit, 1))
        found = tuple(scene.candidate(choice) for choice in choices)
        candidates, result = found[: call.limit], scene.headline(found[0])
    return Ranking(
        candidates=candidates,
        rejections=rejections,
        rejected_count=rejected_count,
        policy=policy.name,
        freshness=matrix.freshness,
        result=result,
    )


async def _question(call: RankCall, availability: Availability, assignment: Assignment) -> Question:
    question = call.question
    if question is None:
        question = await assignment.question_of(call.booking_request_id)
    if call.resource_ids:
        question = replace(question, resource_ids=call.resource_ids)
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


async def _tables(
    call: RankCall, scope: Scope, availability: Availability, assignment: Assignment
) -> Tables:
    """Asks for the work that the policy weighs: whole months of everybody, or the slots' days."""
    matrix, layout = scope.matrix, scope.layout
    compared = scope.compared
    # Whom fairness compares is not known yet, so it asks about everybody.
    names = () if compared else tuple(matrix.resources[row].id for row in layout.resources)
    first_day, end_day = int(layout.first_days.min()), int(layout.last_days.max()) + 1
    if compared:
        first_day, end_day = layout.months[0].first_day, layout.months[-1].end_day
    workload, shared = await asyncio.gather(
        assignment.workload(
            Window(*(moment_of(day_start(day, scope.zone)) for day in (first_day, end_day))),
            time_zone=matrix.time_zone,
            resource_ids=names,
        ),
        pools(
            availability,
            layout.months if compared else (),
            matrix.required_skills,
            at_least_as_fresh=call.at_least_as_fresh,
        ),
    )
    return tabulate(scope, workload, shared, first_day=first_day, end_day=end_day)


def _merged(
    theirs: tuple[Rejection, ...], ours: tuple[Rejection, ...], *, most: int
) -> tuple[Rejection, ...]:
    return tuple(sorted((*theirs, *ours), key=lambda one: one.resource_id)[:most])


def _nothing(matrix: Matrix, rejections: tuple[Rejection, ...], rejected_count: int) -> str:
    counts = failures(rejections)
    if counts and len(rejections) == rejected_count:
        return nothing_sentence(counts)
    # Without all the reasons at hand, availability's own sentence counts them better.
    return f"There is no candidate. {matrix.result}".strip()
