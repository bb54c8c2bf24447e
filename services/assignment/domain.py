"""What the ledger speaks of: booking requests, allocations, plans, refusals and outcomes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
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
class Wish:
    """What a hold or an assignment is asked for; no resource_ids: any one free resource."""

    start: datetime
    resource_ids: tuple[str, ...] = ()
    booking_request_id: str = ""
    service_type_id: str = ""
    party_size: int = 0
    customer_hash: str = ""
    reason: str = ""
    alternatives: int = 5
    at_least_as_fresh: str = ""
    # How long to hold; None takes the tenant's default.
    ttl: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of availability and matching on behalf of a wish."""

    service_type_id: str
    booking_request_id: str = ""
    party_size: int = 0
    required_skills: tuple[str, ...] = ()
    resource_ids: tuple[str, ...] = ()
    zone: str = ""
    customer_hash: str = ""
    place: Place | None = None
    window: Span | None = None


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One thing that keeps a resource from serving a slot, as availability names it."""

    code: str
    blocking_id: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a resource takes on at most, in days and weeks of its own zone; 0: not limited."""

    zone: str
    per_day: int = 0
    per_week: int = 0
    minutes_per_day: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What keeps one resource from serving a slot; nothing if `obstacles` is empty."""

    resource_id: str
    obstacles: tuple[Obstacle, ...]
    # How often the ledger had changed its time when this was said.
    generation: int = 0
    limits: Limits | None = None


@dataclass(frozen=True, slots=True)
class CheckedPlan:
    """Availability's word on a plan: the slot with its end, what it occupies, and the verdicts."""

    slot: Span
    occupied: Span
    verdicts: tuple[Verdict, ...]
    # The catalog's revision that was read.
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Checks:
    """What a plan was checked against; the ledger checks it again where it commits."""

    # The request's; 0: there is none.
    edition: int = 0
    # The catalog's; 0: not known.
    revision: int = 0
    # Of resources whose neighbours in time mattered, for travel between them.
    generations: Mapping[str, int] = field(default_factory=dict)
    limits: Mapping[str, Limits] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Choice:
    """Who could serve a slot alone, best static priority first, and what each would occupy; if
    nobody could, why not.
    """

    slot: Span
    occupied: Span
    resource_ids: tuple[str, ...]
    rejections: tuple[Verdict, ...] = ()
    revision: int = 0
    # Whether some have limits or must travel: then they are checked one by one before a commit.
    limited: bool = False


@dataclass(frozen=True, slots=True)
class Placing:
    """A plan ready to be committed; with `any_of` one of its resources will do, best first."""

    allocation_id: str
    question: Question
    resource_ids: tuple[str, ...]
    any_of: bool
    slot: Span
    occupied: Span
    # Why: one for the plan, or one for each resource any of which will do.
    reasons: tuple[str, ...] = ("",)
    checks: Checks = Checks()


@dataclass(frozen=True, slots=True)
class HoldTerms:
    """How long a hold lives, what its secret hashes to, and how many its customer may have."""

    seconds: float
    token_hash: bytes
    max_live_holds: int


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
