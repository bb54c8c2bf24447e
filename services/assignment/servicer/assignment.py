"""Serves AssignmentService."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
from fairslot.assignment.v1 import assignment_pb2 as pb
from fairslot.assignment.v1 import assignment_pb2_grpc

from kit.call import current_caller
from kit.fault import Invalid
from kit.idempotency import mark_replayed
from kit.localtime import zone
from services.assignment.domain import AllocationState, Outcome, Span, Wish
from services.assignment.engine import Assignments, AutoAssigning, Holds, Placements, Records
from services.assignment.servicer import auditing, legacy, reading, writing
from services.assignment.servicer.refusals import answered

Context = grpc.aio.ServicerContext[Any, Any]
ALTERNATIVES = 5


class AssignmentServicer(assignment_pb2_grpc.AssignmentServiceServicer):
    """Translates; decides nothing."""

    def __init__(
        self,
        *,
        placements: Placements,
        holds: Holds,
        assignments: Assignments,
        auto: AutoAssigning,
        records: Records,
    ) -> None:
        """Keeps the parts of the engine that answer."""
        self._records = records
        self._auto = auto
        self._placements = placements
        self._holds = holds
        self._assignments = assignments

    async def PlaceHold(  # noqa: N802
        self, request: pb.PlaceHoldRequest, context: Context
    ) -> pb.PlaceHoldResponse:
        """Reserves a plan in a slot for a short time, exclusively."""
        key = reading.write_key(request)
        wish = Wish(
            start=reading.whole_minute(request.start, "start"),
            resource_ids=tuple(request.resource_ids),
            booking_request_id=request.booking_request_id,
            service_type_id=request.service_type_id,
            party_size=request.party_size,
            customer_hash=request.customer_hash,
            alternatives=_alternatives(request),
            at_least_as_fresh=request.at_least_as_fresh,
            ttl=reading.duration(request.ttl, "ttl") if request.HasField("ttl") else None,
        )
        outcome = await answered(self._placements.hold(key, wish))
        assert outcome.allocation is not None
        token = self._holds.token(key.tenant, outcome.allocation.id)
        return pb.PlaceHoldResponse(hold=writing.hold(outcome, token=token))

    async def ValidateHold(  # noqa: N802
        self, request: pb.ValidateHoldRequest, context: Context
    ) -> pb.ValidateHoldResponse:
        """Says whether a hold is still live."""
        tenant = current_caller().tenant
        outcome, now = await answered(self._holds.validate(tenant, request.hold_token))
        assert outcome.allocation is not None
        assert outcome.allocation.expires_at is not None
        remaining = outcome.allocation.expires_at - now
        return pb.ValidateHoldResponse(hold=writing.hold(outcome, ttl_remaining=remaining))

    async def ConfirmHold(  # noqa: N802
        self, request: pb.ConfirmHoldRequest, context: Context
    ) -> pb.ConfirmHoldResponse:
        """Turns a live hold into an assignment."""
        key = reading.write_key(request)
        outcome = await answered(
            self._holds.confirm(key, token=request.hold_token, reason=request.reason)
        )
        return pb.ConfirmHoldResponse(assignment=_assignment(outcome))

    async def ExtendHold(  # noqa: N802
        self, request: pb.ExtendHoldRequest, context: Context
    ) -> pb.ExtendHoldResponse:
        """Gives a live hold more time."""
        key = reading.write_key(request)
        ttl = reading.duration(request.ttl, "ttl") if request.HasField("ttl") else None
        outcome = await answered(self._holds.extend(key, token=request.hold_token, ttl=ttl))
        return pb.ExtendHoldResponse(hold=writing.hold(outcome))

    async def ReleaseHold(  # noqa: N802
        self, request: pb.ReleaseHoldRequest, context: Context
    ) -> pb.ReleaseHoldResponse:
        """Gives a hold back."""
        key = reading.write_key(request)
        outcome = await answered(self._holds.release(key, token=request.hold_token))
        return pb.ReleaseHoldResponse(hold=writing.hold(outcome))

    async def ListHolds(  # noqa: N802
        self, request: pb.ListHoldsRequest, context: Context
    ) -> pb.ListHoldsResponse:
        """Lists live holds by start."""
        page = await self._assignments.listed(
            current_caller().tenant,
            window=None,
            resource_ids=request.resource_ids,
            states=[AllocationState.HELD],
            booking_request_id="",
            at_risk=False,
            limit=reading.page_size(request.page_size),
            after=reading.page_after(request.page_token),
        )
        return pb.ListHoldsResponse(
            holds=[writing.listed_hold(item) for item in page.items],
            next_page_token=reading.page_token(page.last),
        )

    async def Assign(self, request: pb.AssignRequest, context: Context) -> pb.AssignResponse:  # noqa: N802
        """Commits a plan to a booking request without a hold."""
        key = reading.write_key(request)
        wish = Wish(
            start=reading.whole_minute(request.start, "start"),
            resource_ids=tuple(request.resource_ids),
            booking_request_id=request.booking_request_id,
            reason=request.reason,
            alternatives=_alternatives(request),
            at_least_as_fresh=request.at_least_as_fresh,
        )
        outcome = await answered(self._placements.assign(key, wish))
        return pb.AssignResponse(assignment=_assignment(outcome))

    async def CancelAssignment(  # noqa: N802
        self, request: pb.CancelAssignmentRequest, context: Context
    ) -> pb.CancelAssignmentResponse:
        """Cancels an assignment and frees its time."""
        outcome = await answered(
            self._assignments.cancel(
                reading.write_key(request),
                assignment_id=request.assignment_id,
                version=reading.version_of(request.etag),
                reason=request.reason,
                close_request=request.close_request,
            )
        )
        return pb.CancelAssignmentResponse(assignment=_assignment(outcome))

    async def Reassign(self, request: pb.ReassignRequest, context: Context) -> pb.ReassignResponse:  # noqa: N802
        """Gives an assignment another plan, another start, or both."""
        start = reading.whole_minute(request.start, "start") if request.HasField("start") else None
        outcome = await answered(
            self._placements.reassign(
                reading.write_key(request),
                assignment_id=request.assignment_id,
                version=reading.version_of(request.etag),
                resource_ids=tuple(request.resource_ids),
                start=start,
                reason=request.reason,
                alternatives=_alternatives(request),
                at_least_as_fresh=request.at_least_as_fresh,
            )
        )
        return pb.ReassignResponse(assignment=_assignment(outcome))

    async def CompleteAssignment(  # noqa: N802
        self, request: pb.CompleteAssignmentRequest, context: Context
    ) -> pb.CompleteAssignmentResponse:
        """Says that an assignment was served."""
        outcome = await answered(
            self._assignments.complete(
                reading.write_key(request),
                assignment_id=request.assignment_id,
                version=reading.version_of(request.etag),
                reason=request.reason,
            )
        )
        return pb.CompleteAssignmentResponse(assignment=_assignment(outcome))

    async def AutoAssign(  # noqa: N802
        self, request: pb.AutoAssignRequest, context: Context
    ) -> AsyncIterator[pb.AutoAssignResponse]:
        """Assigns booking requests and streams what becomes of each, as it comes."""
        tenant = current_caller().tenant
        run = await self._auto.begin(
            reading.write_key(request), request.booking_request_ids, policy=request.policy
        )
        if run.replayed:
            mark_replayed()
        done = 0
        async for result in self._auto.results(tenant, run):
            done += 1
            made = None
            if result.assignment_id:
                made = await self._assignments.get(tenant, result.assignment_id)
            yield writing.auto_result(result, made, done=done, total=run.total)

    async def GetAssignment(  # noqa: N802
        self, request: pb.GetAssignmentRequest, context: Context
    ) -> pb.GetAssignmentResponse:
        """Reads one assignment."""
        outcome = await self._assignments.get(current_caller().tenant, request.id)
        return pb.GetAssignmentResponse(assignment=_assignment(outcome))

    async def ListAssignments(  # noqa: N802
        self, request: pb.ListAssignmentsRequest, context: Context
    ) -> pb.ListAssignmentsResponse:
        """Lists assignments by start."""
        states = [AllocationState(pb.Assignment.State.Name(request.state))] if request.state else []
        page = await self._assignments.listed(
            current_caller().tenant,
            window=_listed_window(request),
            resource_ids=request.resource_ids,
            states=states,
            booking_request_id=request.booking_request_id,
            at_risk=request.flag == pb.Assignment.AT_RISK,
            limit=reading.page_size(request.page_size),
            after=reading.page_after(request.page_token),
        )
        return pb.ListAssignmentsResponse(
            assignments=[writing.assignment(item, {}) for item in page.items],
            next_page_token=reading.page_token(page.last),
        )

    async def GetWorkload(  # noqa: N802
        self, request: pb.GetWorkloadRequest, context: Context
    ) -> pb.GetWorkloadResponse:
        """Counts committed work per resource and local day."""
        rows, cutover = await self._assignments.workload(
            current_caller().tenant,
            _whole_window(request),
            zone=zone(request.time_zone, field="time_zone").key,
            resource_ids=request.resource_ids,
        )
        return writing.workload(rows, cutover)

    async def ImportLegacy(  # noqa: N802
        self, request: pb.ImportLegacyRequest, context: Context
    ) -> pb.ImportLegacyResponse:
        """Takes over records of another system, each with a result of its own."""
        report = await self._records.import_legacy(
            reading.write_key(request),
            [legacy.record_in(record) for record in request.records],
            dry_run=request.dry_run,
            cutover=legacy.date_in(request.cutover_date)
            if request.HasField("cutover_date")
            else None,
        )
        return legacy.report(report)

    async def ListAudit(  # noqa: N802
        self, request: pb.ListAuditRequest, context: Context
    ) -> pb.ListAuditResponse:
        """Lists the audit log."""
        named = bool(request.assignment_id or request.booking_request_id)
        page = await self._records.audit(
            current_caller().tenant,
            assignment_id=request.assignment_id,
            booking_request_id=request.booking_request_id,
            window=auditing.window_in(request, now=self._records.now(), named=named),
            actor=request.actor,
            limit=reading.page_size(request.page_size),
            after=auditing.page_after(request.page_token),
        )
        return pb.ListAuditResponse(
            entries=map(auditing.entry, page.items),
            next_page_token=auditing.page_token(page.last),
        )


def _alternatives(
    request: pb.PlaceHoldRequest | pb.AssignRequest | pb.ReassignRequest,
) -> int:
    return request.alternatives if request.HasField("alternatives") else ALTERNATIVES


def _assignment(outcome: Outcome) -> pb.Assignment:
    return writing.assignment(outcome.allocation, outcome.generations)


def _whole_window(request: pb.GetWorkloadRequest | pb.ListAssignmentsRequest) -> Span:
    start, end = reading.ends(request.window, "window")
    if start is None or end is None:
        raise Invalid.field("window", "needs both of its ends")
    return reading.checked(Span(start, end), "window")


def _listed_window(request: pb.ListAssignmentsRequest) -> Span | None:
    return _whole_window(request) if request.HasField("window") else None
