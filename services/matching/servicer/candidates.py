"""Writes candidates."""

from fairslot.matching.v1 import matching_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from services.matching.domain import Candidate

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
