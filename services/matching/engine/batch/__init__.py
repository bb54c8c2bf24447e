"""Joint plans: many booking requests at once, as good as can be shown within the time."""

from services.matching.engine.batch.planning import (
    DEFAULT_SECONDS,
    BatchCall,
    Batches,
    Committed,
    Moving,
    Outcome,
    Tally,
)
from services.matching.engine.batch.problem import Objective

__all__ = [
    "DEFAULT_SECONDS",
    "BatchCall",
    "Batches",
    "Committed",
    "Moving",
    "Objective",
    "Outcome",
    "Tally",
]
