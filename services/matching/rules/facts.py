"""What the preferences look at: numbers for one candidate, or columns of them for many."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    # Rules use operators alone, which mean the same for a number and for a column of numbers.
    Whole: TypeAlias = "int | npt.NDArray[np.int64]"
    Truth: TypeAlias = "bool | npt.NDArray[np.bool_]"


@dataclass(frozen=True, slots=True)
class DayFacts:
    """What depends on the resource and the local day, not on the time of day."""

    # Whether fairness compares this resource with others.
    is_person: "Truth"
    # Units given in the month if this were assigned, and units offered.
    given_after: "Whole"
    offered: "Whole"
    # The same two of the candidate whom fairness would choose in that month; 0 where nobody offers.
    fairest_given_after: "Whole"
    fairest_offered: "Whole"
    # Bookings that touch the local day on which the slot starts.
    bookings: "Whole"
    # 0 for the best static priority among the candidates, and how many there are.
    priority_rank: "Whole"
    priority_levels: int
    party_size: int
    capacity_max: "Whole"


@dataclass(frozen=True, slots=True)
class SlotFacts:
    """What depends on the slot alone, in minutes."""

    # From the first possible start of the window to this start, and to the last possible start.
    wait: "Whole"
    room: int
