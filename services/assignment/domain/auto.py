"""Runs of automatic assignment, what became of them, and gaps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from services.assignment.domain.ledger import BookingRequest, Candidate


@dataclass(frozen=True, slots=True)
class AutoRun:
    """One call of AutoAssign: how many requests it has; `replayed` if it was begun before."""

    id: str
    total: int
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class AutoTask:
    """One request of a run, to be assigned in the actor's name."""

    tenant: str
    run_id: str
    request_id: str
    actor: str
    policy: str


class AutoOutcome(StrEnum):
    """What became of a task."""

    ASSIGNED = "ASSIGNED"
    SKIPPED = "SKIPPED"


@dataclass(frozen=True, slots=True)
class AutoResult:
    """What became of one request of a run, and why; reasons are counted."""

    request_id: str
    outcome: AutoOutcome
    explanation: str
    assignment_id: str = ""
    reasons: Mapping[str, int] = field(default_factory=dict)
    attempts: int = 0
    # Whether the request stays open because nobody could serve it.
    is_gap: bool = False


@dataclass(frozen=True, slots=True)
class Gap:
    """An open request that could not be served, and why when it was tried last."""

    request: BookingRequest
    reasons: Mapping[str, int]
    explanation: str
    attempts: int
    # None: never, its window went by.
    tried_at: datetime | None


@dataclass(frozen=True, slots=True)
class Ranking:
    """Matching's candidates for a request, best first, and why resources were left out, counted."""

    candidates: tuple[Candidate, ...]
    rejections: Mapping[str, int]
    result: str = ""
