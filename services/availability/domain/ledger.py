"""What availability knows of the ledger: allocations as its events tell them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.availability.domain.catalog import Place
from services.availability.domain.schedule import Span


class AllocationState(StrEnum):
    """Where an allocation stands."""

    HELD = "HELD"
    ASSIGNED = "ASSIGNED"
    RELEASED = "RELEASED"
    EXPIRED = "EXPIRED"
    CANCELLED = "CANCELLED"
    COMPLETED = "COMPLETED"


BLOCKING_STATES = frozenset(
    {AllocationState.HELD, AllocationState.ASSIGNED, AllocationState.COMPLETED}
)


@dataclass(frozen=True, slots=True)
class Allocation:
    """Occupied time of some resources in the ledger; the highest version of an id wins."""

    id: str
    version: int
    state: AllocationState
    resource_ids: tuple[str, ...]
    slot: Span
    occupied: Span
    expires_at: datetime | None = None
    place: Place | None = None
    service_type_id: str = ""
    # When it first was an assignment, as far as the events told.
    booked_at: datetime | None = None

    def blocks(self, now: datetime) -> bool:
        """Says whether it takes time now: a hold does until the moment it expires, not at it."""
        if self.state is AllocationState.HELD:
            return self.expires_at is None or now < self.expires_at
        return self.state in BLOCKING_STATES
