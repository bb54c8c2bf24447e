"""The engine of matching: asks the two other contexts what it needs and decides by rules."""

from collections.abc import Callable

from services.matching.domain import Ranking
from services.matching.engine.fairness import Fairness, FairnessCall, FairnessRow, fairness
from services.matching.engine.outside import (
    Assignment,
    Availability,
    Matrix,
    Offer,
    Offers,
    Workload,
)
from services.matching.engine.ranking import (
    DEFAULT_LIMIT,
    DEFAULT_MAX_REJECTIONS,
    RankCall,
    Ranked,
    rank,
)

__all__ = [
    "DEFAULT_LIMIT",
    "DEFAULT_MAX_REJECTIONS",
    "Assignment",
    "Availability",
    "Engine",
    "Fairness",
    "FairnessCall",
    "FairnessRow",
    "Matrix",
    "Offer",
    "Offers",
    "RankCall",
    "Workload",
]


Note = Callable[[RankCall, Ranked], None]


def not_noted(call: RankCall, ranked: Ranked) -> None:
    """Takes no note of a ranking."""


class Engine:
    """Answers what MatchingService is asked."""

    def __init__(
        self, *, availability: Availability, assignment: Assignment, note: Note = not_noted
    ) -> None:
        """Keeps the two contexts it asks, and who is told of each ranking."""
        self._availability = availability
        self._assignment = assignment
        self._note = note

    async def rank(self, call: RankCall) -> Ranking:
        """Ranks who could serve, best first, each with its reasons."""
        ranked = await rank(call, self._availability, self._assignment)
        self._note(call, ranked)
        return ranked.ranking

    async def fairness(self, call: FairnessCall) -> Fairness:
        """Compares what each person offered in a month with what each was given."""
        return await fairness(call, self._availability, self._assignment)
