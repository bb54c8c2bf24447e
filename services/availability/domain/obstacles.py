"""What can keep a resource from serving a slot."""

from dataclasses import dataclass
from enum import StrEnum

from services.availability.domain.catalog import NO_LIMITS, Limits
from services.availability.domain.schedule import Span


class ObstacleCode(StrEnum):
    """Names what is in the way."""

    INACTIVE = "INACTIVE"
    NOT_QUALIFIED = "NOT_QUALIFIED"
    SKILL_EXPIRED = "SKILL_EXPIRED"
    WRONG_ZONE = "WRONG_ZONE"
    PARTY_TOO_LARGE = "PARTY_TOO_LARGE"
    PARTY_TOO_SMALL = "PARTY_TOO_SMALL"
    OUTSIDE_HOURS = "OUTSIDE_HOURS"
    HOLIDAY = "HOLIDAY"
    CLOSED = "CLOSED"
    TIME_OFF = "TIME_OFF"
    BREAK = "BREAK"
    SPLIT_BY_BREAK = "SPLIT_BY_BREAK"
    NOTICE = "NOTICE"
    HORIZON = "HORIZON"
    BUSY = "BUSY"
    HELD = "HELD"
    EXTERNAL_BUSY = "EXTERNAL_BUSY"
    BUFFER = "BUFFER"
    TRAVEL = "TRAVEL"
    DAY_LIMIT = "DAY_LIMIT"
    WEEK_LIMIT = "WEEK_LIMIT"
    MINUTES_LIMIT = "MINUTES_LIMIT"
    OFF_GRID = "OFF_GRID"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One thing in the way: its code, its id and time where it has them, and a sentence."""

    code: ObstacleCode
    detail: str
    blocking_id: str = ""
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Says whether one resource is free in one slot, and everything that is in the way."""

    resource_id: str
    display_name: str
    obstacles: tuple[Obstacle, ...]
    # What the ledger needs to check it again where it commits: how often it had changed the
    # resource's time, the zone of its days, and its limits.
    generation: int = 0
    time_zone: str = ""
    limits: Limits = NO_LIMITS

    @property
    def free(self) -> bool:
        """Whether nothing is in the way."""
        return not self.obstacles
