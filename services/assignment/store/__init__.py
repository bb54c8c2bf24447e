"""The ledger's store: one call of the database per write, and the reads beside it."""

from services.assignment.store.auto import Auto
from services.assignment.store.ledger import Ledger
from services.assignment.store.metrics import LedgerMetrics
from services.assignment.store.moves import Moves, ToCome
from services.assignment.store.reads import Page, Reads
from services.assignment.store.records import Records
from services.assignment.store.sealing import Sealer
from services.assignment.store.upkeep import Upkeep

__all__ = [
    "Auto",
    "Ledger",
    "LedgerMetrics",
    "Moves",
    "Page",
    "Reads",
    "Records",
    "Sealer",
    "ToCome",
    "Upkeep",
]
