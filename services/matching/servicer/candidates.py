"""Writes candidates, and what could be done where there are none."""

from fairslot.matching.v1 import matching_pb2
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.interval_pb2 import Interval

from services.matching.domain import Candidate, NextStep

SECONDS_PER_MINUTE = 60


def candidate_message(candidate: Candidate) -> matching_pb2.Candidate:
    """Returns a candidate with its terms."""
    return matching_pb2.Candidate(
        resource_ids=candidate.resource_ids,
        start=Timestamp(seconds=candidate.start * SECONDS_PER_MINUTE),
        end=Timestamp(seconds=candidate.end * SECONDS_PER_MINUTE),
        match_percent=candidate.match_percent,
        terms=[
            matching_pb2.Term(
                rule=term.rule,
                points=term.points,
                max_points=term.max_points,
                reason=term.reason,
            )
            for term in candidate.terms
        ],
        explanation=candidate.explanation,
    )


def next_step_message(step: NextStep) -> matching_pb2.NextStep:
    """Returns something a person can do."""
    message = matching_pb2.NextStep(
        kind=matching_pb2.NextStep.Kind.Value(step.kind),
        sentence=step.sentence,
        resource_ids=step.resource_ids,
    )
    if step.slot is not None:
        start, end = (Timestamp(seconds=minute * SECONDS_PER_MINUTE) for minute in step.slot)
        message.slot.CopyFrom(Interval(start_time=start, end_time=end))
    return message
