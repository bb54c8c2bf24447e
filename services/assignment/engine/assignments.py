"""Cancels and completes assignments, reads them, and counts committed work."""

from collections.abc import Sequence
from datetime import date, datetime

from kit.fault import NotFound
from services.assignment.domain import (
    COMMITTED,
    Allocation,
    AllocationState,
    Outcome,
    Span,
    WorkloadRow,
    WriteKey,
)
from services.assignment.engine.parts import Parts, granted
from services.assignment.rules import short
from services.assignment.store import Page


class Assignments:
    """What can be done with an assignment, and asked about all of them."""

    def __init__(self, parts: Parts) -> None:
        """Keeps what the engine is made of."""
        self._parts = parts

    async def cancel(
        self, key: WriteKey, *, assignment_id: str, version: int, reason: str, close_request: bool
    ) -> Outcome:
        """Cancels an assignment and frees its time; version 0 accepts any."""
        return granted(
            await self._parts.ledger.cancel(
                key,
                assignment_id=assignment_id,
                version=version,
                reason=reason,
                close_request=close_request,
            )
        )

    async def complete(
        self, key: WriteKey, *, assignment_id: str, version: int, reason: str
    ) -> Outcome:
        """Says that an assignment was served; version 0 accepts any."""
        return granted(
            await self._parts.moves.complete(
                key, assignment_id=assignment_id, version=version, reason=reason
            )
        )

    async def get(self, tenant: str, assignment_id: str) -> Outcome:
        """Returns an assignment; a hold is none yet."""
        found = await self._parts.reads.allocation(tenant, assignment_id)
        allocation = found.outcome.allocation if found else None
        if found is None or allocation is None or allocation.state not in COMMITTED:
            raise NotFound(
                "NOT_FOUND",
                f"there is no assignment {short(assignment_id)!r}",
                assignment_id=short(assignment_id),
            )
        return found.outcome

    async def listed(
        self,
        tenant: str,
        *,
        window: Span | None,
        resource_ids: Sequence[str],
        states: Sequence[AllocationState],
        booking_request_id: str,
        at_risk: bool,
        limit: int,
        after: tuple[datetime, str] | None,
    ) -> Page[Allocation]:
        """Lists assignments by start."""
        return await self._parts.reads.assignments(
            tenant,
            window=window,
            resource_ids=resource_ids,
            states=states,
            booking_request_id=booking_request_id,
            at_risk=at_risk,
            limit=limit,
            after=after,
        )

    async def workload(
        self, tenant: str, window: Span, *, zone: str, resource_ids: Sequence[str]
    ) -> tuple[list[WorkloadRow], date | None]:
        """Counts committed work by resource and local day; with it, the tenant's cutover date."""
        reads = self._parts.reads
        rows = await reads.workload(tenant, window, zone=zone, resource_ids=resource_ids)
        return rows, await reads.cutover_date(tenant)
