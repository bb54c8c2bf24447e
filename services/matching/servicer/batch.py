"""Reads what PlanBatch is asked and writes what it answers."""

from fairslot.matching.v1 import matching_pb2 as pb
from google.protobuf.duration_pb2 import Duration

from services.matching.engine.batch import (
    DEFAULT_SECONDS,
    BatchCall,
    Moving,
    Objective,
    Outcome,
    Tally,
)
from services.matching.servicer.candidates import candidate_message

Optimality = pb.RankCandidatesResponse.Optimality
State = pb.BatchItem.State


def batch_call(request: pb.PlanBatchRequest) -> BatchCall:
    """Returns what is asked."""
    objective = Objective.SERVED_QUALITY_FAIRNESS
    if request.objective:
        objective = Objective(pb.PlanBatchRequest.Objective.Name(request.objective))
    seconds = DEFAULT_SECONDS
    if request.HasField("time_budget"):
        seconds = request.time_budget.ToTimedelta().total_seconds()
    return BatchCall(
        booking_request_ids=tuple(request.booking_request_ids),
        objective=objective,
        seconds=seconds,
        policy=request.policy,
        apply=request.apply,
        at_least_as_fresh=request.at_least_as_fresh,
        key=request.request_id,
    )


def batch_message(said: Moving | Outcome | Tally) -> pb.PlanBatchResponse:
    """Returns one message of the stream."""
    if isinstance(said, Moving):
        return pb.PlanBatchResponse(progress=_progress(said))
    if isinstance(said, Outcome):
        return pb.PlanBatchResponse(item=_item(said))
    return pb.PlanBatchResponse(summary=_summary(said))


def _progress(moving: Moving) -> pb.BatchProgress:
    progress = moving.progress
    return pb.BatchProgress(
        stage=progress.stage,
        served=progress.served,
        served_bound=progress.served_bound,
        points=progress.points,
        points_bound=progress.points_bound,
        elapsed=_duration(progress.seconds),
        round=moving.round,
    )


def _item(outcome: Outcome) -> pb.BatchItem:
    state = State.UNSERVED
    if outcome.assignment_id:
        state = State.ASSIGNED
    elif outcome.candidate is not None:
        state = State.PLANNED
    elif outcome.refused:
        state = State.REFUSED
    return pb.BatchItem(
        booking_request_id=outcome.booking_request_id,
        state=state,
        candidate=candidate_message(outcome.candidate) if outcome.candidate else None,
        reason=outcome.reason,
        assignment_id=outcome.assignment_id,
    )


def _summary(tally: Tally) -> pb.BatchSummary:
    solution = tally.first
    assert solution is not None
    assigned = sum(1 for one in tally.outcomes.values() if one.assignment_id)
    return pb.BatchSummary(
        served=solution.served,
        served_bound=solution.served_bound,
        points=solution.points,
        points_bound=solution.points_bound,
        gap_percent=round(solution.gap_percent, 3),
        optimality=Optimality.OPTIMAL if solution.optimal else Optimality.BOUNDED,
        greedy_served=solution.greedy_served,
        greedy_points=solution.greedy_points,
        assigned=assigned,
        conflicts=tally.conflicts,
        rounds=tally.rounds,
        policy=tally.policy,
        elapsed=_duration(tally.seconds),
        freshness=tally.freshness,
        result=_sentence(tally, assigned),
    )


def _sentence(tally: Tally, assigned: int) -> str:
    solution, asked = tally.first, len(tally.outcomes)
    assert solution is not None
    most = "which is the most possible"
    if solution.served < solution.served_bound:
        most = f"and no plan serves more than {solution.served_bound:,}"
    quality = "nothing suits better"
    if solution.points < solution.points_bound:
        quality = f"it suits to within {solution.gap_percent:.2f} % of the best conceivable"
    done = f" {assigned:,} are committed." if assigned else ""
    return f"{solution.served:,} of {asked:,} requests have a place, {most}; {quality}.{done}"


def _duration(seconds: float) -> Duration:
    return Duration(seconds=int(seconds), nanos=int((seconds % 1) * 1000) * 1_000_000)
