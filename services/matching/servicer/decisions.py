"""Reads what ReplayDecisions and GetShadowReport are asked and writes what they answer."""

from fairslot.matching.v1 import matching_pb2 as pb
from google.protobuf.timestamp_pb2 import Timestamp

from services.matching.engine.decisions import DEFAULT_DIFFERENCES, Pick, Verdict
from services.matching.engine.decisions.verdicts import Compared

SECONDS_PER_MINUTE = 60


def comparison_message(
    found: Verdict, *, differences: int = DEFAULT_DIFFERENCES
) -> pb.PolicyComparison:
    """Returns what two policies came to, with the latest differences."""
    different = [one for one in found.compared if not one.comparison.same_pick]
    return pb.PolicyComparison(
        deciding_policy=found.deciding_policy,
        other_policy=found.other_policy,
        decisions=found.decisions,
        committed=found.committed,
        same_pick=found.same_pick,
        reproduced=found.reproduced,
        infeasible=found.infeasible,
        mean_score_difference=round(found.mean_score_difference, 3),
        max_score_difference=found.max_score_difference,
        deciding_p50_ms=found.deciding_ms[0],
        other_p50_ms=found.other_ms[0],
        deciding_p99_ms=found.deciding_ms[1],
        other_p99_ms=found.other_ms[1],
        reasons=[
            pb.PolicyComparison.ReasonCount(reason=reason, count=count)
            for reason, count in found.reasons
        ],
        safe_to_promote=found.safe,
        verdict=found.sentence,
        differences=[_difference(one) for one in different[:differences]],
    )


def _difference(compared: Compared) -> pb.PolicyComparison.Difference:
    comparison = compared.comparison
    made = pb.PolicyComparison.Difference(
        booking_request_id=compared.booking_request_id,
        deciding=_pick(comparison.deciding),
        other=_pick(comparison.other) if comparison.other else None,
        reason=comparison.sentence,
    )
    made.at.FromDatetime(compared.at)
    return made


def _pick(pick: Pick) -> pb.PolicyComparison.Pick:
    return pb.PolicyComparison.Pick(
        resource_ids=pick.resource_ids,
        start=Timestamp(seconds=pick.start * SECONDS_PER_MINUTE),
        match_percent=pick.match_percent,
    )
