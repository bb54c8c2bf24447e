"""What tests of every service share: a clock that stands still, and free ports."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass
class FixedClock:
    """A clock that moves only when told."""

    moment: datetime

    def now(self) -> datetime:
        """Returns the moment it was set to."""
        return self.moment

    def advance(self, step: timedelta) -> None:
        """Moves on."""
        self.moment += step


def free_port() -> int:
    """Returns a port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
