"""What the catalog holds: resources, service types and the tenant's settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum


class ResourceKind(StrEnum):
    """What sort of thing a resource is."""

    PERSON = "PERSON"
    TABLE = "TABLE"
    ROOM = "ROOM"
    VEHICLE = "VEHICLE"


class GridAnchor(StrEnum):
    """Where the grid of starts is anchored."""

    MIDNIGHT = "MIDNIGHT"
    WINDOW_START = "WINDOW_START"


@dataclass(frozen=True, slots=True)
class Skill:
    """One thing a resource can do; `valid_until` is the first moment it no longer counts."""

    name: str
    level: int = 0
    valid_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class SkillRequirement:
    """A skill and the least level that suffices."""

    name: str
    level_min: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """A point on the earth, in degrees."""

    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a resource takes on at most, by local days and weeks; 0 means not limited."""

    per_day: int = 0
    per_week: int = 0
    minutes_per_day: int = 0

    def __bool__(self) -> bool:
        """Says whether there is any limit."""
        return bool(self.per_day or self.per_week or self.minutes_per_day)


@dataclass(frozen=True, slots=True)
class HolidayCalendar:
    """Whose public holidays are kept: ISO 3166 codes; `none` keeps none, whatever others do."""

    country: str = ""
    subdivision: str = ""
    none: bool = False

    def __bool__(self) -> bool:
        """Says whether it decides anything."""
        return bool(self.country) or self.none


NO_LIMITS = Limits()
NO_HOLIDAYS = HolidayCalendar()


class MergePolicy(StrEnum):
    """Whether several resources may serve one slot together."""

    SINGLE_ONLY = "SINGLE_ONLY"
    MERGE_ALLOWED = "MERGE_ALLOWED"


@dataclass(frozen=True, slots=True)
class Resource:
    """Something with time that can be assigned; `time_zone` empty means the tenant's zone."""

    id: str
    kind: ResourceKind
    display_name: str = ""
    active: bool = True
    time_zone: str = ""
    skills: tuple[Skill, ...] = ()
    priority: int = 0
    capacity_min: int = 0
    capacity_max: int = 0
    zone: str = ""
    movable: bool = False
    adjacent_resource_ids: tuple[str, ...] = ()
    home: Place | None = None
    joined_on: date | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    version: int = 0
    limits: Limits = NO_LIMITS
    holidays: HolidayCalendar = NO_HOLIDAYS


@dataclass(frozen=True, slots=True)
class ServiceType:
    """A kind of work; `max_horizon_minutes` 0 means unlimited."""

    id: str
    duration_minutes: int
    granularity_minutes: int
    display_name: str = ""
    anchor: GridAnchor = GridAnchor.MIDNIGHT
    required_skills: tuple[SkillRequirement, ...] = ()
    buffer_before_minutes: int = 0
    buffer_after_minutes: int = 0
    min_notice_seconds: int = 0
    max_horizon_seconds: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    version: int = 0
    merge_policy: MergePolicy = MergePolicy.SINGLE_ONLY
    merge_size_max: int = 0
    seat_loss_per_joint: int = 0
    protected: bool = False
    impact: int = 0
    external_event_type_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tenant:
    """The settings of one customer organisation; the zone decides its months and days."""

    id: str
    display_name: str = ""
    time_zone: str = "UTC"
    version: int = 0
    travel_speed_kmh: int = 0
    holidays: HolidayCalendar = NO_HOLIDAYS
