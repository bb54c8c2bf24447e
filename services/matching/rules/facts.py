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
    # How often it served the same customer, and whether any candidate did.
    served_before: "Whole" = 0
    customer_known: bool = False
    # How many skills it has beyond the candidate with the fewest, and whether that differs.
    spare_skills: "Whole" = 0
    skills_differ: bool = False
    # How many resources serve together.
    parts: int = 1


@dataclass(frozen=True, slots=True)
class PairFacts:
    """What depends on the resource and on the time of day."""

    # How much the slot suits what the resource likes, -100 to 100, and whether anybody said.
    suits: "Whole" = 0
    wishes_known: bool = False
    # Minutes from its last job, or from home; below 0: not known.
    travel_minutes: "Whole" = -1

    def at(self, place: int) -> "PairFacts":
        """Gives the facts of one pair out of columns, as plain numbers."""
        return PairFacts(
            suits=_cell(self.suits, place),
            wishes_known=self.wishes_known,
            travel_minutes=_cell(self.travel_minutes, place),
        )


@dataclass(frozen=True, slots=True)
class SlotFacts:
    """What depends on the slot alone, in minutes."""

    # From the first possible start of the window to this start, and to the last possible start.
    wait: "Whole"
    room: int


def _cell(column: "Whole", place: int) -> int:
    return column if isinstance(column, int) else int(column[place])
