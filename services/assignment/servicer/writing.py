"""Puts what the engine answers into messages."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from fairslot.assignment.v1 import assignment_pb2, request_pb2
from fairslot.type.v1 import type_pb2
from google.type.date_pb2 import Date
from google.type.latlng_pb2 import LatLng

from kit import position
from services.assignment.domain import (
    Allocation,
    AllocationState,
    AutoResult,
    BookingRequest,
    Gap,
    Outcome,
    Risk,
    WorkloadRow,
)
from services.assignment.peers.moments import interval, timestamp
from services.assignment.rules import by_count

HOLD_STATES = {
    AllocationState.HELD: assignment_pb2.Hold.HELD,
    AllocationState.RELEASED: assignment_pb2.Hold.RELEASED,
    AllocationState.EXPIRED: assignment_pb2.Hold.EXPIRED,
}
ASSIGNMENT_STATES = {
    AllocationState.ASSIGNED: assignment_pb2.Assignment.ASSIGNED,
    AllocationState.CANCELLED: assignment_pb2.Assignment.CANCELLED,
    AllocationState.COMPLETED: assignment_pb2.Assignment.COMPLETED,
}


def freshness(generations: Mapping[str, int]) -> str:
    """Returns the token of a write that left these resources at these generations."""
    if not generations:
        return ""
    return position.encode({f"r/{name}": number for name, number in generations.items()})


def hold(
    outcome: Outcome, *, token: str = "", ttl_remaining: timedelta | None = None
) -> assignment_pb2.Hold:
    """Returns a hold; what remains of it is counted from when it was placed unless given."""
    allocation = outcome.allocation
    assert allocation is not None
    message = assignment_pb2.Hold(
        id=allocation.id,
        token=token,
        resource_ids=allocation.resource_ids,
        start=timestamp(allocation.slot.start),
        end=timestamp(allocation.slot.end),
        state=HOLD_STATES.get(allocation.state, assignment_pb2.Hold.CONFIRMED),
        booking_request_id=allocation.booking_request_id,
        service_type_id=allocation.service_type_id,
        party_size=allocation.party_size,
        held_by=allocation.held_by,
        freshness=freshness(outcome.generations),
    )
    if allocation.expires_at is not None and allocation.held_at is not None:
        message.expires_at.FromDatetime(allocation.expires_at)
        if allocation.state is AllocationState.HELD:
            remaining = ttl_remaining or allocation.expires_at - allocation.held_at
            message.ttl_remaining.FromTimedelta(remaining)
    return message


def listed_hold(allocation: Allocation) -> assignment_pb2.Hold:
    """Returns a hold as others may see it: no token, and when it ends but not how long that is."""
    message = hold(Outcome(allocation=allocation))
    message.ClearField("ttl_remaining")
    return message


def assignment(
    allocation: Allocation | None, generations: Mapping[str, int]
) -> assignment_pb2.Assignment:
    """Returns an assignment."""
    assert allocation is not None
    message = assignment_pb2.Assignment(
        id=allocation.id,
        state=ASSIGNMENT_STATES[allocation.state],
        resource_ids=allocation.resource_ids,
        start=timestamp(allocation.slot.start),
        end=timestamp(allocation.slot.end),
        occupied=interval(allocation.occupied),
        booking_request_id=allocation.booking_request_id,
        service_type_id=allocation.service_type_id,
        party_size=allocation.party_size,
        assignment_reason=allocation.reason,
        assigned_by=allocation.assigned_by,
        cancel_reason=allocation.cancel_reason,
        etag=str(allocation.version),
        freshness=freshness(generations),
        flags=[assignment_pb2.Assignment.AT_RISK] if allocation.risks else [],
        risks=map(_risk, allocation.risks),
        legacy=allocation.legacy,
    )
    if allocation.assigned_at is not None:
        message.assigned_at.FromDatetime(allocation.assigned_at)
    return message


def _risk(found: Risk) -> assignment_pb2.Risk:
    return assignment_pb2.Risk(
        resource_id=found.resource_id,
        code=type_pb2.Obstacle.Code.Value(found.code),
        blocking_id=found.blocking_id,
        detail=found.detail,
    )


def booking_request(
    request: BookingRequest | None, generations: Mapping[str, int] | None = None
) -> request_pb2.BookingRequest:
    """Returns a booking request."""
    assert request is not None
    message = request_pb2.BookingRequest(
        id=request.id,
        service_type_id=request.service_type_id,
        window=interval(request.window),
        party_size=request.party_size,
        customer_hash=request.customer_hash,
        required_skills=request.required_skills,
        resource_ids=request.resource_ids,
        zone=request.zone,
        labels=dict(request.labels),
        state=request_pb2.BookingRequest.State.Value(request.state.value),
        assignment_id=request.assignment_id,
        etag=request.etag,
        freshness=freshness(generations or {}),
    )
    if request.place is not None:
        place = LatLng(latitude=request.place.latitude, longitude=request.place.longitude)
        message.place.CopyFrom(place)
    if request.created_at is not None:
        message.created_at.FromDatetime(request.created_at)
    return message


def workload(
    rows: Iterable[WorkloadRow], cutover: date | None
) -> assignment_pb2.GetWorkloadResponse:
    """Returns committed work in columns."""
    message = assignment_pb2.GetWorkloadResponse(cutover_date=day(cutover) if cutover else None)
    indexes: dict[str, int] = {}
    for row in rows:
        message.resource_indexes.append(indexes.setdefault(row.resource_id, len(indexes)))
        message.days.append(row.day)
        message.bookings.append(row.bookings)
        message.minutes.append(row.minutes)
        message.delivered.append(int(row.delivered))
        message.legacy.append(row.legacy)
    message.resource_ids.extend(indexes)
    return message


def gap(found: Gap) -> request_pb2.Gap:
    """Returns a gap."""
    message = request_pb2.Gap(
        request=booking_request(found.request),
        reasons=reason_counts(found.reasons),
        explanation=found.explanation or "Its window is over and nobody was assigned.",
        attempts=found.attempts,
    )
    if found.tried_at is not None:
        message.tried_at.FromDatetime(found.tried_at)
    return message


def reason_counts(reasons: Mapping[str, int]) -> list[request_pb2.ReasonCount]:
    """Returns counted reasons, the most frequent first."""
    return [
        request_pb2.ReasonCount(reason=reason, count=count) for reason, count in by_count(reasons)
    ]


def auto_result(
    result: AutoResult, made: Outcome | None, *, done: int, total: int
) -> assignment_pb2.AutoAssignResponse:
    """Returns what became of one request of a run, with its assignment if there is one."""
    return assignment_pb2.AutoAssignResponse(
        booking_request_id=result.request_id,
        outcome=assignment_pb2.AutoAssignResponse.Outcome.Value(result.outcome.value),
        assignment=assignment(made.allocation, made.generations) if made else None,
        reasons=reason_counts(result.reasons),
        explanation=result.explanation,
        attempts=result.attempts,
        done=done,
        total=total,
    )


def day(found: date) -> Date:
    """Returns a day."""
    return Date(year=found.year, month=found.month, day=found.day)
