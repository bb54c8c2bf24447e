"""Counts what happens while it happens."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Tally:
    """What the bookers have seen so far."""

    wanted: int = 0
    requests: int = 0
    held: int = 0
    confirmed: int = 0
    cancelled: int = 0
    forgotten: int = 0
    repeated: int = 0
    # Refusals that were followed by another attempt.
    conflicts: int = 0
    # Jobs that ended without a booking, by reason; forgotten ones are not among them.
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def done(self) -> int:
        """How many jobs have ended."""
        return self.confirmed + self.forgotten + self.refused.total()
