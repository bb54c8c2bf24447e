"""Reads records of another system, and says what became of each."""

from collections import Counter
from datetime import date

from fairslot.assignment.v1 import assignment_pb2 as pb
from google.type.date_pb2 import Date

from kit.fault import Fault, Invalid
from kit.idempotency import mark_replayed
from services.assignment.domain import LegacyOutcome, LegacyRecord, LegacyReport, Span
from services.assignment.servicer import reading
from services.assignment.servicer.writing import day

SECONDS_PER_MINUTE = 60


def date_in(message: Date) -> date:
    """Returns the day in a message; refuses one that no calendar has."""
    try:
        return date(message.year, message.month, message.day)
    except ValueError as error:
        raise Invalid.field("cutover_date", "is not a day") from error


def record_in(message: pb.LegacyRecord) -> LegacyRecord:
    """Returns a record; one that cannot be meant carries why, and refuses no other."""
    slot, refused, detail = None, "", ""
    try:
        slot = _slot(message)
    except Fault as fault:
        refused, detail = fault.reason, fault.message
    if not message.resource_ids or not message.service_type_id:
        refused, detail = "INVALID_ARGUMENT", "it names no resource or no service type"
    return LegacyRecord(
        legacy_id=message.legacy_id,
        resource_ids=tuple(message.resource_ids),
        service_type_id=message.service_type_id,
        slot=slot,
        state=pb.Assignment.State.Name(message.state) if message.state else "",
        party_size=message.party_size,
        customer_hash=message.customer_hash,
        reason=message.reason,
        refused=refused,
        detail=detail,
    )


def _slot(message: pb.LegacyRecord) -> Span:
    start, end = reading.ends(message.slot, "slot")
    if start is None or end is None:
        raise Invalid.field("slot", "needs both of its ends")
    if any(moment.timestamp() % SECONDS_PER_MINUTE for moment in (start, end)):
        raise Invalid.field("slot", "starts or ends within a minute")
    return reading.checked(Span(start, end), "slot")


def report(found: LegacyReport) -> pb.ImportLegacyResponse:
    """Returns what became of an import."""
    if found.replayed:
        mark_replayed()
    counts = Counter(result.outcome for result in found.results)
    return pb.ImportLegacyResponse(
        results=[
            pb.LegacyResult(
                row=result.row,
                legacy_id=result.legacy_id,
                outcome=pb.LegacyResult.Outcome.Value(result.outcome.value),
                assignment_id=result.assignment_id,
                reason=result.reason,
                detail=result.detail,
            )
            for result in found.results
        ],
        imported=counts[LegacyOutcome.IMPORTED],
        unchanged=counts[LegacyOutcome.UNCHANGED],
        rejected=counts[LegacyOutcome.REJECTED],
        cutover_date=day(found.cutover_date) if found.cutover_date else None,
    )
