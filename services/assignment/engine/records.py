"""Tells the audit log, and takes over records of another system."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from kit.fault import NotFound
from services.assignment.domain import (
    AuditPage,
    AuditPlace,
    LegacyRecord,
    LegacyReport,
    Span,
    WriteKey,
)
from services.assignment.engine.parts import Parts

SLOT_MAX = timedelta(days=31)


class Records:
    """The ledger's past."""

    def __init__(self, parts: Parts) -> None:
        """Keeps what the engine is made of."""
        self._parts = parts

    def now(self) -> datetime:
        """Returns the moment that a window without an end reaches to."""
        return self._parts.clock.now()

    async def audit(
        self,
        tenant: str,
        *,
        assignment_id: str,
        booking_request_id: str,
        window: Span,
        actor: str,
        limit: int,
        after: AuditPlace | None,
    ) -> AuditPage:
        """Lists steps by when they were taken."""
        return await self._parts.records.audit(
            tenant,
            assignment_id=assignment_id,
            booking_request_id=booking_request_id,
            window=window,
            actor=actor,
            limit=limit,
            after=after,
        )

    async def import_legacy(
        self,
        key: WriteKey,
        records: Sequence[LegacyRecord],
        *,
        dry_run: bool,
        cutover: date | None,
    ) -> LegacyReport:
        """Takes over what can be taken over; each record has a result of its own."""
        resources = {name for record in records for name in record.resource_ids}
        kinds = {record.service_type_id for record in records if record.service_type_id}
        unknown = await self._parts.availability.unknown_resources(sorted(resources))
        unknown_kinds = {kind for kind in sorted(kinds) if not await self._is_known(kind)}
        checked = [fit(record, unknown, unknown_kinds) for record in records]
        return await self._parts.records.import_legacy(
            key, checked, dry_run=dry_run, cutover=cutover
        )

    async def _is_known(self, service_type_id: str) -> bool:
        try:
            await self._parts.availability.duration(service_type_id)
        except NotFound:
            return False
        return True


def fit(record: LegacyRecord, unknown_resources: set[str], unknown_kinds: set[str]) -> LegacyRecord:
    """Returns the record, marked with why it cannot be taken over, if it cannot."""
    missing = sorted({*record.resource_ids} & unknown_resources)
    if record.refused:
        return record
    if missing:
        return replace(
            record, refused="NOT_FOUND", detail=f"there is no resource {', '.join(missing)}"
        )
    if record.service_type_id in unknown_kinds:
        detail = f"there is no service type {record.service_type_id}"
        return replace(record, refused="NOT_FOUND", detail=detail)
    if record.slot and record.slot.end - record.slot.start > SLOT_MAX:
        detail = f"its slot is longer than {SLOT_MAX.days} days"
        return replace(record, refused="INVALID_ARGUMENT", detail=detail)
    return record
