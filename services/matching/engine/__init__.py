"""The engine of matching: asks the two other contexts what it needs and decides by rules."""

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


class Engine:
    """Answers what MatchingService is asked."""

    def __init__(self, *, availability: Availability, assignment: Assignment) -> None:
        """Keeps the two contexts it asks."""
        self._availability = availability
        self._assignment = assignment

    async def rank(self, call: RankCall) -> Ranking:
        """Ranks who could serve, best first, each with its reasons."""
        ranked = await rank(call, self._availability, self._assignment)
        return ranked.ranking

    async def fairness(self, call: FairnessCall) -> Fairness:
        """Compares what each person offered in a month with what each was given."""
        return await fairness(call, self._availability, self._assignment)
