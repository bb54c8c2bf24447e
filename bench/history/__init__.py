"""Checks a recorded history of calls against the ledger and the feed; knows no network."""

from bench.history.check import Evidence, Report, check
from bench.history.record import Allocation, Event, Op, Outcome, Seen, Violation

__all__ = [
    "Allocation",
    "Event",
    "Evidence",
    "Op",
    "Outcome",
    "Report",
    "Seen",
    "Violation",
    "check",
]
