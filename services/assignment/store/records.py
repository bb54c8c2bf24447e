"""Reads the audit log and takes over records of another system."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

from psycopg.types.json import Jsonb

from kit.db import Pool, retrying
from services.assignment.domain import (
    AuditEntry,
    AuditPage,
    AuditPlace,
    LegacyOutcome,
    LegacyRecord,
    LegacyReport,
    LegacyResult,
    Span,
    WriteKey,
)
from services.assignment.store.ledger import KEY, named
from services.assignment.store.running import rows_of, told, value_of

LIST = (
    "SELECT (l.entry).aggregate, (l.entry).seq, (l.entry).at, (l.entry).actor, (l.entry).action,"
    " (l.entry).reason, (l.entry).state_before, (l.entry).state_after, l.before, (l.entry).after,"
    " (l.entry).prev, (l.entry).hash FROM assignment.list_audit(%s::text, %s::text, %s::text,"
    " %s::timestamptz, %s::timestamptz, %s::text, %s::timestamptz, %s::text, %s::bigint, %s::int)"
    " AS l"
)
IMPORT = f"SELECT assignment.import_legacy({KEY}, %s::jsonb, %s::bool, %s::date)"
START = AuditPlace(datetime(1, 1, 1, tzinfo=UTC), "", 0)


class Records:
    """The ledger's past, as it is told and as it is taken over."""

    def __init__(self, pool: Pool) -> None:
        """Takes a pool of connections that commit every statement by itself."""
        self._pool = pool

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
        place = after or START
        with told():
            rows = await rows_of(
                self._pool,
                LIST,
                tenant,
                assignment_id or None,
                booking_request_id or None,
                window.start,
                window.end,
                actor or None,
                place.at,
                place.aggregate,
                place.seq,
                limit + 1,
            )
        items = tuple(_entry(row) for row in rows[:limit])
        if len(rows) <= limit:
            return AuditPage(items, None)
        last = items[-1]
        return AuditPage(items, AuditPlace(last.at, last.aggregate, last.seq))

    async def import_legacy(
        self,
        key: WriteKey,
        records: Sequence[LegacyRecord],
        *,
        dry_run: bool,
        cutover: date | None,
    ) -> LegacyReport:
        """Takes over records, or only says what would happen; sets the cutover date if given."""
        said = Jsonb([_record_json(record) for record in records])
        with told():
            answer: Any = await retrying(
                partial(value_of, self._pool, IMPORT, *named(key), said, dry_run, cutover)
            )
        report = answer["report"]
        found = report.get("cutover_date")
        return LegacyReport(
            results=tuple(
                LegacyResult(
                    row=row,
                    legacy_id=record.legacy_id,
                    outcome=LegacyOutcome(result["outcome"]),
                    assignment_id=result.get("assignment_id", ""),
                    reason=result.get("reason", ""),
                    detail=result.get("detail", ""),
                )
                for row, (record, result) in enumerate(zip(records, report["results"], strict=True))
            ),
            cutover_date=date.fromisoformat(found) if found else None,
            replayed=bool(answer.get("replayed")),
        )


def _entry(row: tuple[Any, ...]) -> AuditEntry:
    aggregate, seq, at, actor, action, reason, state_before, state_after, *rest = row
    before, after, previous_hash, own_hash = rest
    return AuditEntry(
        aggregate,
        seq,
        at,
        actor,
        action,
        reason,
        state_before or "",
        state_after,
        before,
        after,
        previous_hash,
        own_hash,
    )


def _record_json(record: LegacyRecord) -> dict[str, Any]:
    """Returns a record as assignment.import_record() reads it."""
    said: dict[str, Any] = {
        "legacy_id": record.legacy_id,
        "resource_ids": sorted(record.resource_ids),
        "service_type_id": record.service_type_id,
        "slot_start": record.slot.start.isoformat() if record.slot else None,
        "slot_end": record.slot.end.isoformat() if record.slot else None,
        "state": record.state,
        "party_size": record.party_size,
        "customer_hash": record.customer_hash,
        "reason": record.reason,
    }
    if record.refused:
        said |= {"refused": record.refused, "detail": record.detail}
    return said
