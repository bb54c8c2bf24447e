"""What matching keeps: rankings and what became of them, settings, standings, customers."""

from services.matching.store.customers import CustomerRows, Service
from services.matching.store.decisions import (
    Commit,
    Decisions,
    KeptPair,
    KeptRanking,
    Position,
    Records,
)
from services.matching.store.metrics import DecisionMetrics
from services.matching.store.settings import SettingsRows
from services.matching.store.standings import Standing, Standings
from services.matching.store.upkeep import Upkeep

__all__ = [
    "Commit",
    "CustomerRows",
    "DecisionMetrics",
    "Decisions",
    "KeptPair",
    "KeptRanking",
    "Position",
    "Records",
    "Service",
    "SettingsRows",
    "Standing",
    "Standings",
    "Upkeep",
]
