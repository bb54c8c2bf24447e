"""Turns resources, service types and tenants into messages and back."""

from collections.abc import Mapping

from fairslot.availability.v1 import catalog_pb2
from google.protobuf.duration_pb2 import Duration
from google.type.date_pb2 import Date
from google.type.latlng_pb2 import LatLng

from kit import position
from kit.fault import Invalid
from services.availability.domain import (
    MINUTES_PER_DAY,
    SECONDS_PER_MINUTE,
    GridAnchor,
    HolidayCalendar,
    Limits,
    MergePolicy,
    Place,
    Resource,
    ResourceKind,
    ServiceType,
    Skill,
    SkillRequirement,
    Tenant,
)
from services.availability.servicer.reading import date_in, minutes, moment, seconds

Positions = Mapping[str, int]
LATITUDE_MAX, LONGITUDE_MAX = 90.0, 180.0


def resource_in(message: catalog_pb2.Resource) -> Resource:
    """Returns the resource in a message; refuses what contradicts itself."""
    if message.capacity_max and message.capacity_min > message.capacity_max:
        raise Invalid.field("capacity_min", "is larger than capacity_max")
    if not message.kind:
        raise Invalid.field("kind", "must be set")
    names = [skill.name for skill in message.skills]
    if len(set(names)) < len(names):
        raise Invalid.field("skills", "names the same skill twice")
    return Resource(
        id=message.id,
        kind=ResourceKind(catalog_pb2.Resource.Kind.Name(message.kind)),
        display_name=message.display_name,
        active=message.active if message.HasField("active") else True,
        time_zone=message.time_zone,
        skills=tuple(
            Skill(
                name=skill.name,
                level=skill.level,
                valid_until=(
                    moment(skill.valid_until, "skills.valid_until")
                    if skill.HasField("valid_until")
                    else None
                ),
            )
            for skill in message.skills
        ),
        priority=message.priority,
        capacity_min=message.capacity_min,
        capacity_max=message.capacity_max,
        zone=message.zone,
        movable=message.movable,
        adjacent_resource_ids=tuple(dict.fromkeys(message.adjacent_resource_ids)),
        home=place_in(message.home, "home") if message.HasField("home") else None,
        joined_on=(
            date_in(message.joined_on, "joined_on") if message.HasField("joined_on") else None
        ),
        labels=dict(message.labels),
        limits=Limits(
            message.limits.per_day, message.limits.per_week, message.limits.minutes_per_day
        ),
    )


def resource_message(
    resource: Resource, freshness: Positions | None = None
) -> catalog_pb2.Resource:
    """Returns a resource as a message."""
    message = catalog_pb2.Resource(
        id=resource.id,
        display_name=resource.display_name,
        kind=catalog_pb2.Resource.Kind.Value(resource.kind),
        active=resource.active,
        time_zone=resource.time_zone,
        priority=resource.priority,
        capacity_min=resource.capacity_min,
        capacity_max=resource.capacity_max,
        zone=resource.zone,
        movable=resource.movable,
        adjacent_resource_ids=resource.adjacent_resource_ids,
        labels=resource.labels,
        etag=str(resource.version),
        freshness=position.encode(freshness) if freshness else "",
    )
    for skill in resource.skills:
        added = message.skills.add(name=skill.name, level=skill.level)
        if skill.valid_until is not None:
            added.valid_until.FromDatetime(skill.valid_until)
    if resource.home is not None:
        message.home.CopyFrom(place_message(resource.home))
    if resource.limits:
        message.limits.CopyFrom(limits_message(resource.limits))
    if resource.holidays:
        message.holiday_calendar.CopyFrom(holidays_message(resource.holidays))
    if resource.joined_on is not None:
        day = resource.joined_on
        message.joined_on.CopyFrom(Date(year=day.year, month=day.month, day=day.day))
    return message


def service_type_in(message: catalog_pb2.ServiceType) -> ServiceType:
    """Returns the service type in a message."""
    duration = minutes(message.duration, "duration")
    if duration < 1:
        raise Invalid.field("duration", "must be set")
    step = min(duration, MINUTES_PER_DAY)
    if message.HasField("granularity"):
        step = minutes(message.granularity, "granularity")
    anchor = GridAnchor.MIDNIGHT
    if message.grid_anchor == catalog_pb2.ServiceType.WINDOW_START:
        anchor = GridAnchor.WINDOW_START
    skills = {one.name: one.level_min for one in message.skill_requirements}
    for name in message.required_skills:
        skills.setdefault(name, 0)
    return ServiceType(
        id=message.id,
        duration_minutes=duration,
        granularity_minutes=step,
        display_name=message.display_name,
        anchor=anchor,
        required_skills=tuple(SkillRequirement(name, level) for name, level in skills.items()),
        buffer_before_minutes=minutes(message.buffer_before, "buffer_before"),
        buffer_after_minutes=minutes(message.buffer_after, "buffer_after"),
        min_notice_seconds=seconds(message.min_notice, "min_notice"),
        max_horizon_seconds=seconds(message.max_horizon, "max_horizon"),
        labels=dict(message.labels),
        merge_policy=(
            MergePolicy.MERGE_ALLOWED
            if message.merge_policy == catalog_pb2.ServiceType.MERGE_ALLOWED
            else MergePolicy.SINGLE_ONLY
        ),
        merge_size_max=message.merge_size_max,
        seat_loss_per_joint=message.seat_loss_per_joint,
        protected=message.protected,
        impact=message.impact,
        external_event_type_keys=tuple(dict.fromkeys(message.external_event_type_keys)),
    )


def service_type_message(
    kind: ServiceType, freshness: Positions | None = None
) -> catalog_pb2.ServiceType:
    """Returns a service type as a message; a skill wanted at any level in the short form."""
    message = catalog_pb2.ServiceType(
        id=kind.id,
        display_name=kind.display_name,
        duration=minutes_message(kind.duration_minutes),
        granularity=minutes_message(kind.granularity_minutes),
        grid_anchor=catalog_pb2.ServiceType.GridAnchor.Value(kind.anchor),
        required_skills=[one.name for one in kind.required_skills if not one.level_min],
        buffer_before=minutes_message(kind.buffer_before_minutes),
        buffer_after=minutes_message(kind.buffer_after_minutes),
        min_notice=Duration(seconds=kind.min_notice_seconds),
        max_horizon=Duration(seconds=kind.max_horizon_seconds),
        labels=kind.labels,
        merge_policy=catalog_pb2.ServiceType.MergePolicy.Value(kind.merge_policy),
        merge_size_max=kind.merge_size_max,
        seat_loss_per_joint=kind.seat_loss_per_joint,
        protected=kind.protected,
        impact=kind.impact,
        external_event_type_keys=kind.external_event_type_keys,
        etag=str(kind.version),
        freshness=position.encode(freshness) if freshness else "",
    )
    for one in kind.required_skills:
        if one.level_min:
            message.skill_requirements.add(name=one.name, level_min=one.level_min)
    return message


def tenant_message(tenant: Tenant, freshness: Positions | None = None) -> catalog_pb2.Tenant:
    """Returns a tenant's settings as a message."""
    return catalog_pb2.Tenant(
        id=tenant.id,
        display_name=tenant.display_name,
        time_zone=tenant.time_zone,
        travel_speed_kmh=tenant.travel_speed_kmh,
        holiday_calendar=holidays_message(tenant.holidays) if tenant.holidays else None,
        etag=str(tenant.version),
        freshness=position.encode(freshness) if freshness else "",
    )


def limits_message(limits: Limits) -> catalog_pb2.Limits:
    """Returns limits as a message."""
    return catalog_pb2.Limits(
        per_day=limits.per_day,
        per_week=limits.per_week,
        minutes_per_day=limits.minutes_per_day,
    )


def holidays_in(message: catalog_pb2.HolidayCalendar) -> HolidayCalendar:
    """Returns the calendar in a message; refuses one that contradicts itself."""
    if message.subdivision and not message.country:
        raise Invalid.field("holiday_calendar.subdivision", "needs a country")
    if message.none and message.country:
        raise Invalid.field("holiday_calendar.none", "does not go with a country")
    return HolidayCalendar(message.country, message.subdivision, message.none)


def holidays_message(calendar: HolidayCalendar) -> catalog_pb2.HolidayCalendar:
    """Returns a calendar as a message."""
    return catalog_pb2.HolidayCalendar(
        country=calendar.country, subdivision=calendar.subdivision, none=calendar.none
    )


def minutes_message(count: int) -> Duration:
    """Returns a length as a message."""
    return Duration(seconds=count * SECONDS_PER_MINUTE)


def place_message(place: Place) -> LatLng:
    """Returns a place as a message."""
    return LatLng(latitude=place.latitude, longitude=place.longitude)


def place_in(message: LatLng, field: str) -> Place:
    """Returns the place in a message; refuses one that is nowhere."""
    if abs(message.latitude) <= LATITUDE_MAX and abs(message.longitude) <= LONGITUDE_MAX:
        return Place(message.latitude, message.longitude)
    raise Invalid.field(field, "is no place on earth")
