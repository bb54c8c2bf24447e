"""What the ledger keeps: booking requests, allocations, refusals and outcomes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Span:
    """Time from `start` up to, not including, `end`; both aware and in UTC."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Place:
    """A point on the earth, in degrees."""

    latitude: float
    longitude: float


class RequestState(StrEnum):
    """Where a booking request stands."""

    OPEN = "OPEN"
    HELD = "HELD"
    ASSIGNED = "ASSIGNED"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"


class AllocationState(StrEnum):
    """Where an allocation stands: a hold first, then, with the same id, an assignment."""

    HELD = "HELD"
    ASSIGNED = "ASSIGNED"
    RELEASED = "RELEASED"
    EXPIRED = "EXPIRED"
    CANCELLED = "CANCELLED"
    COMPLETED = "COMPLETED"


# An allocation in one of these was committed: it is, or was, an assignment.
COMMITTED = frozenset(
    {AllocationState.ASSIGNED, AllocationState.CANCELLED, AllocationState.COMPLETED}
)


@dataclass(frozen=True, slots=True)
class BookingRequest:
    """What somebody wants: a service type inside a window, for a party, at a place."""

    id: str
    service_type_id: str
    window: Span
    party_size: int = 0
    place: Place | None = None
    customer_hash: str = ""
    required_skills: tuple[str, ...] = ()
    resource_ids: tuple[str, ...] = ()
    zone: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    state: RequestState = RequestState.OPEN
    assignment_id: str = ""
    created_at: datetime | None = None
    etag: str = ""
    # How often it was edited; a plan is checked for one edition.
    edition: int = 0


@dataclass(frozen=True, slots=True)
class Risk:
    """Something that has come into the way of an allocation since it was placed."""

    resource_id: str
    code: str
    blocking_id: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Allocation:
    """A plan that took a slot."""

    id: str
    version: int
    state: AllocationState
    resource_ids: tuple[str, ...]
    slot: Span
    occupied: Span
    service_type_id: str
    booking_request_id: str = ""
    party_size: int = 0
    held_at: datetime | None = None
    expires_at: datetime | None = None
    held_by: str = ""
    reason: str = ""
    assigned_by: str = ""
    assigned_at: datetime | None = None
    cancel_reason: str = ""
    risks: tuple[Risk, ...] = ()
    legacy: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """A plan in a slot that could be taken instead, as matching ranked it."""

    resource_ids: tuple[str, ...]
    slot: Span
    match_percent: int
    explanation: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A definitive no: its reason, what is known about it, and what could be had instead.

    `alternatives` is None until it was looked for.
    """

    reason: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    alternatives: tuple[Candidate, ...] | None = None


class CheckAgain(Exception):
    """Raised where what a plan was checked against moved before it was committed; nothing was
    done.
    """

    def __init__(self, positions: Mapping[str, int]) -> None:
        """Keeps the positions that availability must have seen to be asked again."""
        super().__init__("what the plan was checked against moved")
        self.positions = positions


class LedgerRefused(Exception):
    """Raised for a refusal that the ledger stored, or would store again."""

    def __init__(self, refusal: Refusal) -> None:
        """Keeps the refusal, for the edge to say."""
        super().__init__(refusal.reason)
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a write came to, now or when its key was first used."""

    allocation: Allocation | None = None
    request: BookingRequest | None = None
    # Each resource's generation after the write; from it the freshness token is made.
    generations: Mapping[str, int] = field(default_factory=dict)
    refusal: Refusal | None = None
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class WriteKey:
    """Whose write it is and under which key: the same key and payload have one outcome."""

    tenant: str
    actor: str
    method: str
    key: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class WorkloadRow:
    """Committed work of one resource on one local day."""

    resource_id: str
    # Days since 1970-01-01.
    day: int
    bookings: int
    minutes: int
    # Whether all of it has ended.
    delivered: bool
    # How many of the bookings are legacy records.
    legacy: int = 0
