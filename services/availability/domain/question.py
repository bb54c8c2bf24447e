"""What is asked of the slot engine, in its own terms."""

from dataclasses import dataclass
from datetime import datetime

from services.availability.domain.catalog import GridAnchor, Place, SkillRequirement
from services.availability.domain.schedule import Span


@dataclass(frozen=True, slots=True)
class SlotShape:
    """The form of a slot: length, buffers and grid; `grid_zone` empty means each resource's own."""

    duration: int
    granularity: int
    anchor: GridAnchor = GridAnchor.MIDNIGHT
    buffer_before: int = 0
    buffer_after: int = 0
    grid_zone: str = ""

    def occupied(self, start: int) -> Span:
        """Gives what a slot that starts then takes of a resource's time."""
        return Span(start - self.buffer_before, start + self.duration + self.buffer_after)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Who may serve: required skills, party, zone and a list of resources; empty means any."""

    skills: tuple[SkillRequirement, ...] = ()
    party_size: int = 0
    zone: str = ""
    resource_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StartBounds:
    """Starts allowed by the clock: from `earliest` (notice, inclusive) and before `latest`."""

    earliest: int
    latest: int


@dataclass(frozen=True, slots=True)
class Merging:
    """How several resources may serve one slot together; `size_max` 0: as many as needed."""

    size_max: int = 0
    seat_loss_per_joint: int = 0


@dataclass(frozen=True, slots=True)
class Question:
    """A search with every default filled in."""

    service_type_id: str
    window: Span
    time_zone: str
    shape: SlotShape
    wanted: Wanted
    bounds: StartBounds
    now: datetime
    near: Place | None = None
    # None: one resource serves alone, or nobody does.
    merging: Merging | None = None
