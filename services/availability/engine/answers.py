"""Answers to slot questions as plain values: pages for people, columns for machines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from services.availability.domain import ObstacleCode, Question, Resource
from services.availability.engine.outcomes import Rejection
from services.availability.rules.bits import Index
from services.availability.rules.intervals import Minutes


class Cache(StrEnum):
    """How an answer came about."""

    HIT = "HIT"
    MISS = "MISS"
    BYPASS = "BYPASS"
    PARTIAL = "PARTIAL"


@dataclass(frozen=True, slots=True)
class Paging:
    """Which part of an answer somebody wants."""

    size: int
    token: str
    candidates_max: int
    # Stands for everything else in the question; a token of another one is refused.
    question: str


@dataclass(frozen=True, slots=True)
class Slot:
    """One row of a page."""

    start: int
    end: int
    capacity: int
    candidates: tuple[str, ...]
    # Nobody could serve it alone, but a merge could.
    mergeable: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a search: what it came to, how much was left after it, how long it took."""

    name: str
    detail: str
    count: int
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Trace:
    """How an answer came about; `rejections` may be cut, `rejected_count` counts them all."""

    steps: Sequence[Step]
    rejections: Sequence[Rejection]
    rejected_count: int


@dataclass(frozen=True, slots=True)
class SlotPage:
    """One page of slots."""

    question: Question
    slots: Sequence[Slot]
    result: str
    freshness: Mapping[str, int]
    cache: Cache
    next_page_token: str
    trace: Trace | None = None


@dataclass(frozen=True, slots=True)
class Matrix:
    """An answer in columns; `candidates` are indexes into `resources`, slot after slot.

    `capacities` counts all who are free, `listed` those of them that are among the candidates.
    """

    question: Question
    resources: Sequence[Resource]
    starts: Minutes
    capacities: Index
    candidates: Index
    months: Sequence[str]
    offered: Sequence[Sequence[int]]
    rejections: Sequence[Rejection]
    # Where there is no slot, if asked for: how many are left out, by all their reasons.
    rejection_counts: Mapping[tuple[ObstacleCode, ...], int]
    rejected_count: int
    tenant_time_zone: str
    result: str
    freshness: Mapping[str, int]
    cache: Cache
    next_page_token: str
    # How much each pair suits the candidate's own wishes; empty where nobody has any.
    preferences: Index
    # How long each pair's candidate travels to the work's place; empty without a place.
    travel_minutes: Index
