"""What is asked of matching, and what it answers."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open span of time; a missing edge is left to availability's defaults."""

    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A point on the earth, in degrees."""

    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class Question:
    """What somebody wants served; `party_size` 0 means not given, empty lists mean no limit."""

    service_type_id: str
    window: Window = Window()
    party_size: int = 0
    required_skills: tuple[str, ...] = ()
    resource_ids: tuple[str, ...] = ()
    zone: str = ""
    # Where the work is; None: not given.
    place: Place | None = None
    # Who asks; whoever served them before is preferred.
    customer_hash: str = ""
    # The time of this hold or assignment counts as free.
    ignored_allocation_id: str = ""


@dataclass(frozen=True, slots=True)
class Resource:
    """What is known of one that could serve; `capacity_max` 0 means not limited by size."""

    id: str
    display_name: str = ""
    is_person: bool = False
    priority: int = 0
    capacity_max: int = 0
    zone: str = ""
    movable: bool = False
    adjacent_ids: tuple[str, ...] = ()
    # Whatever is asked for.
    skill_count: int = 0

    @property
    def name(self) -> str:
        """What to call it in a sentence."""
        return self.display_name or self.id


@dataclass(frozen=True, slots=True)
class Term:
    """One preference's share of a candidate's points, with a sentence why."""

    rule: str
    points: int
    max_points: int
    reason: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A plan in a slot, scored and explained; `start` and `end` in minutes since the epoch."""

    resource_ids: tuple[str, ...]
    start: int
    end: int
    terms: tuple[Term, ...]
    explanation: str

    @property
    def points(self) -> int:
        """Points over all terms."""
        return sum(term.points for term in self.terms)

    @property
    def match_percent(self) -> int:
        """Points of the points possible, rounded down; 100 where no preference applies."""
        most = sum(term.max_points for term in self.terms)
        return 100 * self.points // most if most else 100


@dataclass(frozen=True, slots=True)
class Rejection:
    """A resource that was left out, with every reason."""

    resource_id: str
    reasons: tuple[str, ...]


class Optimality(StrEnum):
    """How good a ranking is."""

    OPTIMAL = "OPTIMAL"
    BOUNDED = "BOUNDED"
    BUDGET_EXHAUSTED = "BUDGET_EXHAUSTED"


@dataclass(frozen=True, slots=True)
class NextStep:
    """Something a person can do so that a request can be served; `slot` in minutes (UTC)."""

    kind: str
    sentence: str
    resource_ids: tuple[str, ...] = ()
    slot: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Ranking:
    """Ranked candidates, best first, and who was left out."""

    candidates: tuple[Candidate, ...]
    rejections: tuple[Rejection, ...]
    rejected_count: int
    policy: str
    freshness: str
    result: str
    optimality: Optimality = Optimality.OPTIMAL
    # Of a BOUNDED ranking: no plan suits better by more than so many percent.
    gap_percent: int = 0
    next_steps: tuple[NextStep, ...] = ()
