"""The words of availability as plain values: no framework, no clock, no database."""

from services.availability.domain.catalog import (
    GridAnchor,
    Place,
    Resource,
    ResourceKind,
    ServiceType,
    Skill,
    SkillRequirement,
    Tenant,
)
from services.availability.domain.ledger import (
    BLOCKING_STATES,
    Allocation,
    AllocationState,
)
from services.availability.domain.moments import (
    LAST_MINUTE,
    MINUTES_PER_DAY,
    SECONDS_PER_MINUTE,
    ceil_minute,
    date_of,
    day_of,
    floor_minute,
    moment_of,
)
from services.availability.domain.obstacles import (
    Obstacle,
    ObstacleCode,
    Verdict,
)
from services.availability.domain.question import (
    Question,
    SlotShape,
    StartBounds,
    Wanted,
)
from services.availability.domain.schedule import (
    ExceptionKind,
    ExternalBusy,
    Schedule,
    ScheduleException,
    Span,
    TimeOff,
    WallRange,
    WeeklyRule,
)

__all__ = [
    "BLOCKING_STATES",
    "LAST_MINUTE",
    "MINUTES_PER_DAY",
    "SECONDS_PER_MINUTE",
    "Allocation",
    "AllocationState",
    "ExceptionKind",
    "ExternalBusy",
    "GridAnchor",
    "Obstacle",
    "ObstacleCode",
    "Place",
    "Question",
    "Resource",
    "ResourceKind",
    "Schedule",
    "ScheduleException",
    "ServiceType",
    "Skill",
    "SkillRequirement",
    "SlotShape",
    "Span",
    "StartBounds",
    "Tenant",
    "TimeOff",
    "Verdict",
    "WallRange",
    "Wanted",
    "WeeklyRule",
    "ceil_minute",
    "date_of",
    "day_of",
    "floor_minute",
    "moment_of",
]
