"""Who looks at what just now: told to those who watch, and kept nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from gateway.domain.feed import Position

TOPIC = "presence"
# Who falls silent for so long is forgotten.
FORGOTTEN_AFTER_SECONDS = 20.0
# How many pages of one tenant are known at once; of more, those who spoke last.
GLANCES_MAX = 500


@dataclass(frozen=True, slots=True)
class Glance:
    """What one open page looks at."""

    client_id: str
    # The change that tells of it, but for its position.
    body: bytes
    leaves: bool = False
    # Where the feed stands for the watcher that is told.
    position: Position | None = None


@dataclass(slots=True)
class Glances:
    """The latest glance of each page, oldest first."""

    _latest: dict[str, tuple[float, Glance]] = field(default_factory=dict)

    def put(self, glance: Glance, *, now_seconds: float) -> None:
        """Keeps it in the place of the page's last one; forgets who left or fell silent."""
        self._latest.pop(glance.client_id, None)
        if not glance.leaves:
            self._latest[glance.client_id] = (now_seconds, glance)
        oldest = now_seconds - FORGOTTEN_AFTER_SECONDS
        while self._latest:
            client_id, (at, _) = next(iter(self._latest.items()))
            if at > oldest and len(self._latest) <= GLANCES_MAX:
                return
            del self._latest[client_id]

    def now(self, *, now_seconds: float) -> Iterator[Glance]:
        """Yields what holds at a moment."""
        for at, glance in self._latest.values():
            if now_seconds - at < FORGOTTEN_AFTER_SECONDS:
                yield glance


@dataclass(slots=True)
class Untold:
    """Glances a watcher has not been told: at most one per page, and a bounded number of pages."""

    _waiting: dict[str, Glance] = field(default_factory=dict)

    def put(self, glance: Glance) -> None:
        """Adds the newest; it takes the place of an older one of the same page."""
        self._waiting.pop(glance.client_id, None)
        self._waiting[glance.client_id] = glance
        if len(self._waiting) > GLANCES_MAX:
            del self._waiting[next(iter(self._waiting))]

    def take(self) -> Glance | None:
        """Returns the oldest, if there is one."""
        if not self._waiting:
            return None
        return self._waiting.pop(next(iter(self._waiting)))
