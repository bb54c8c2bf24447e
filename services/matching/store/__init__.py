"""What matching keeps: rankings and what became of them."""

from services.matching.store.decisions import (
    Commit,
    Decisions,
    KeptPair,
    KeptRanking,
    Position,
    Records,
)

__all__ = ["Commit", "Decisions", "KeptPair", "KeptRanking", "Position", "Records"]
