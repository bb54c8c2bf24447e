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


@dataclass(frozen=True, slots=True)
class Tenant:
    """The settings of one customer organisation; the zone decides its months and days."""

    id: str
    display_name: str = ""
    time_zone: str = "UTC"
    version: int = 0
