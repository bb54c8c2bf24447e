"""What matching listens to: the ledger's assignments, which say what rankings led to."""

from services.matching.listener.linking import LEDGER_STREAM, LEDGER_SUBJECTS, Linker

__all__ = ["LEDGER_STREAM", "LEDGER_SUBJECTS", "Linker"]
