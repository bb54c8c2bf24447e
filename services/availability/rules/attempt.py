"""A slot somebody wants, and the rules it must keep."""

from dataclasses import dataclass
from datetime import datetime

from services.availability.domain import Allocation, SlotShape, Span, StartBounds, Wanted
from services.availability.rules.lane import Lane
from services.availability.rules.travel import Site


@dataclass(frozen=True, slots=True)
class Attempt:
    """A slot somebody wants, and the rules it must keep."""

    start: int
    shape: SlotShape
    wanted: Wanted
    bounds: StartBounds
    now: datetime
    ignore_allocation_id: str = ""
    on_grid: bool = False
    site: Site | None = None

    @property
    def slot(self) -> Span:
        """The slot itself, without buffers."""
        return Span(self.start, self.start + self.shape.duration)

    @property
    def occupied(self) -> Span:
        """The slot with its buffers."""
        return self.shape.occupied(self.start)

    def counted(self, lane: Lane) -> list[Allocation]:
        """Gives the allocations of a lane that count against the attempt."""
        return [
            one
            for one in lane.allocations
            if one.id != self.ignore_allocation_id and one.blocks(self.now)
        ]
