"""Decisions: kept with their inputs, decided again, and compared with a second policy."""

from services.matching.engine.decisions.comparing import Pick, place
from services.matching.engine.decisions.recording import Recorder
from services.matching.engine.decisions.reviewing import (
    DEFAULT_DECISIONS,
    DEFAULT_DIFFERENCES,
    Reviewing,
)
from services.matching.engine.decisions.verdicts import Verdict

__all__ = [
    "DEFAULT_DECISIONS",
    "DEFAULT_DIFFERENCES",
    "Pick",
    "Recorder",
    "Reviewing",
    "Verdict",
    "place",
]
