"""What the ledger tells of its past: the audit log, and records of another system."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from services.assignment.domain.ledger import Span


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One step: who, what, why, before and after. Its hash covers the row and the hash before."""

    aggregate: str
    seq: int
    at: datetime
    actor: str
    action: str
    reason: str
    state_before: str
    state_after: str
    # None before the first step.
    before: Mapping[str, Any] | None
    after: Mapping[str, Any]
    previous_hash: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class AuditPlace:
    """A place in the order of the audit log."""

    at: datetime
    aggregate: str
    seq: int


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Some steps, and after which one the next page begins, if there is one."""

    items: tuple[AuditEntry, ...]
    last: AuditPlace | None


@dataclass(frozen=True, slots=True)
class LegacyRecord:
    """One record of another system."""

    legacy_id: str
    resource_ids: tuple[str, ...]
    service_type_id: str
    slot: Span | None
    # ASSIGNED, CANCELLED, COMPLETED; empty: by the clock.
    state: str = ""
    party_size: int = 0
    customer_hash: str = ""
    reason: str = ""
    # Why it cannot be imported, found before the ledger was asked.
    refused: str = ""
    detail: str = ""


class LegacyOutcome(StrEnum):
    """What became of a record."""

    IMPORTED = "IMPORTED"
    UNCHANGED = "UNCHANGED"
    REJECTED = "REJECTED"


@dataclass(frozen=True, slots=True)
class LegacyResult:
    """What became of one record, by its row in the call."""

    row: int
    legacy_id: str
    outcome: LegacyOutcome
    assignment_id: str = ""
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class LegacyReport:
    """What became of an import, row by row, and from which day on fairness counts."""

    results: tuple[LegacyResult, ...]
    cutover_date: date | None
    replayed: bool = False
