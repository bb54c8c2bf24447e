"""Turns what was asked into a question with every default filled in, or refuses it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from kit.fault import Invalid, NotFound
from services.availability.domain import (
    LAST_MINUTE,
    MINUTES_PER_DAY,
    MergePolicy,
    Merging,
    Place,
    Question,
    ServiceType,
    SkillRequirement,
    SlotShape,
    Span,
    StartBounds,
    Wanted,
    ceil_minute,
    floor_minute,
)
from services.availability.engine.glimpse import Glimpse
from services.availability.engine.world import World
from services.availability.rules.zones import UnknownZoneError, Zones

DEFAULT_WINDOW = timedelta(days=30)
# More starts than this are more than anybody pages through.
STARTS_MAX = 500_000


@dataclass(frozen=True, slots=True)
class Ask:
    """A search as it came in; what is not given is None, empty or 0."""

    service_type_id: str
    window_start: datetime | None = None
    window_end: datetime | None = None
    time_zone: str = ""
    duration_minutes: int = 0
    granularity_minutes: int = 0
    party_size: int = 0
    required_skills: tuple[str, ...] = ()
    resource_ids: tuple[str, ...] = ()
    zone: str = ""
    as_if_now: datetime | None = None
    near: Place | None = None
    # The time of this allocation counts as free.
    ignore_allocation_id: str = ""


def question_of(world: World | Glimpse, ask: Ask, *, now: datetime, zones: Zones) -> Question:
    """Fills in the defaults; refuses unknown ids and zones, and windows that end too soon."""
    kind = service_type(world, ask.service_type_id)
    named_zone(ask.time_zone, zones, field="time_zone")
    wanted = wanted_of(world, kind, ask)
    duration = ask.duration_minutes or kind.duration_minutes
    shape = shape_of(
        kind,
        duration=duration,
        granularity=ask.granularity_minutes or kind.granularity_minutes,
        grid_zone=ask.time_zone,
    )
    window = window_of(ask.window_start, ask.window_end, now=now)
    if (window.end - window.start) // shape.granularity > STARTS_MAX:
        raise Invalid(
            "WINDOW_TOO_LONG",
            f"the window holds more than {STARTS_MAX:,} starts; ask for less at a time",
            violations=(("window", "holds too many starts"),),
            starts_max=STARTS_MAX,
        )
    return Question(
        service_type_id=kind.id,
        window=window,
        time_zone=ask.time_zone or world.tenant.time_zone,
        shape=shape,
        wanted=wanted,
        bounds=bounds_of(kind, now),
        now=now,
        merging=merging_of(kind),
        near=ask.near,
    )


def service_type(world: World | Glimpse, type_id: str) -> ServiceType:
    """Finds a service type of the tenant."""
    kind = world.service_types.get(type_id)
    if kind is None:
        raise NotFound(
            "NOT_FOUND", f"there is no service type {type_id!r}", service_type_id=type_id
        )
    return kind


def known_resources(world: World | Glimpse, resource_ids: Iterable[str]) -> tuple[str, ...]:
    """Gives the ids back if the tenant has all of them."""
    ids = tuple(resource_ids)
    for resource_id in ids:
        if resource_id not in world.resources:
            raise NotFound(
                "NOT_FOUND", f"there is no resource {resource_id!r}", resource_id=resource_id
            )
    return ids


def named_zone(name: str, zones: Zones, *, field: str) -> None:
    """Refuses a name that is no zone; none at all is fine."""
    if not name:
        return
    try:
        zones.get(name)
    except UnknownZoneError as error:
        raise Invalid.field(field, f"{name!r} is not a time zone of the IANA database") from error


def wanted_of(world: World | Glimpse, kind: ServiceType, ask: Ask) -> Wanted:
    """Joins what the service type requires with what was asked on top."""
    own = {one.name for one in kind.required_skills}
    added = dict.fromkeys(name for name in ask.required_skills if name not in own)
    return Wanted(
        skills=(*kind.required_skills, *(SkillRequirement(name) for name in added)),
        party_size=ask.party_size,
        zone=ask.zone,
        resource_ids=known_resources(world, ask.resource_ids),
    )


def shape_of(kind: ServiceType, *, duration: int, granularity: int, grid_zone: str) -> SlotShape:
    """Gives the form of the service type's slots."""
    return SlotShape(
        duration=duration,
        granularity=min(granularity, MINUTES_PER_DAY),
        anchor=kind.anchor,
        buffer_before=kind.buffer_before_minutes,
        buffer_after=kind.buffer_after_minutes,
        grid_zone=grid_zone,
    )


def merging_of(kind: ServiceType) -> Merging | None:
    """Gives how several may serve together; None where the service type does not allow it."""
    if kind.merge_policy is not MergePolicy.MERGE_ALLOWED:
        return None
    return Merging(kind.merge_size_max, kind.seat_loss_per_joint)


def bounds_of(kind: ServiceType, now: datetime) -> StartBounds:
    """Gives the starts that notice (inclusive) and horizon allow at a moment."""
    latest = LAST_MINUTE
    if kind.max_horizon_seconds:
        latest = _later(now, kind.max_horizon_seconds)
    return StartBounds(earliest=_later(now, kind.min_notice_seconds), latest=latest)


def window_of(start: datetime | None, end: datetime | None, *, now: datetime) -> Span:
    """Gives the whole minutes inside a window; a missing start is now, a missing end 30 days on."""
    start = start or now
    if end is None:
        end = start + DEFAULT_WINDOW if start.year < 9999 else start
    if end <= start:
        raise window_invalid("window")
    span = Span(ceil_minute(start), floor_minute(end))
    if span.end > LAST_MINUTE:
        raise Invalid.field("window", "lies after the year 5998, where our calendar ends")
    # A window within one minute holds no whole one, which is empty and not reversed.
    return span if span.start < span.end else Span(span.start, span.start)


def window_invalid(field: str) -> Invalid:
    """Returns the refusal of a span that ends before or as it starts."""
    return Invalid(
        "WINDOW_INVALID", f"{field} ends before or as it starts", violations=((field, "is empty"),)
    )


def _later(now: datetime, seconds: int) -> int:
    try:
        return min(ceil_minute(now + timedelta(seconds=seconds)), LAST_MINUTE)
    except OverflowError:
        return LAST_MINUTE
