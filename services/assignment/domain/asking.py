"""What is asked for, what availability says to it, and the plan that comes of both."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.assignment.domain.ledger import Place, Span


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
class Part:
    """What a merge needs to know of one resource; `capacity_max` 0: takes a party of any size."""

    resource_id: str
    zone: str
    movable: bool
    capacity_max: int
    adjacent_ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class Merge:
    """What resources that would serve together are like, and what the service type allows."""

    parts: tuple[Part, ...]
    # 0: as many as needed.
    size_max: int = 0
    seat_loss_per_joint: int = 0


@dataclass(frozen=True, slots=True)
class CheckedPlan:
    """Availability's word on a plan: the slot with its end, what it occupies, and the verdicts."""

    slot: Span
    occupied: Span
    verdicts: tuple[Verdict, ...]
    # The catalog's revision that was read.
    revision: int = 0
    # Set where several would serve together by the rules of merges.
    merge: Merge | None = None


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
    # How many are left out, by all that is in their way.
    left_out: Mapping[tuple[str, ...], int] = field(default_factory=dict)
    revision: int = 0
    # Whether some have limits or must travel: then they are checked one by one before a commit.
    limited: bool = False
    # Whether several could serve together where nobody serves alone.
    mergeable: bool = False


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
