"""The words of matching as plain values: no framework, no clock, no network."""

from services.matching.domain.calendar import (
    Month,
    MonthError,
    day_start,
    local_day,
    months_between,
)
from services.matching.domain.moments import (
    MINUTES_PER_DAY,
    ceil_minute,
    date_of,
    day_of,
    floor_minute,
    moment_of,
)
from services.matching.domain.question import (
    Candidate,
    NextStep,
    Optimality,
    Place,
    Question,
    Ranking,
    Rejection,
    Resource,
    Term,
    Window,
)

__all__ = [
    "MINUTES_PER_DAY",
    "Candidate",
    "Month",
    "MonthError",
    "NextStep",
    "Optimality",
    "Place",
    "Question",
    "Ranking",
    "Rejection",
    "Resource",
    "Term",
    "Window",
    "ceil_minute",
    "date_of",
    "day_of",
    "day_start",
    "floor_minute",
    "local_day",
    "moment_of",
    "months_between",
]
