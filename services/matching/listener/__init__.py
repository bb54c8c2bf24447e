"""What matching listens to: the ledger's assignments: what rankings led to, and whom they moved."""

from services.matching.listener.drifting import Drifting
from services.matching.listener.linking import LEDGER_STREAM, LEDGER_SUBJECTS, Linker

__all__ = ["LEDGER_STREAM", "LEDGER_SUBJECTS", "Drifting", "Linker"]
