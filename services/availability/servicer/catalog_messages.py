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
        home=_place(message.home) if message.HasField("home") else None,
        joined_on=(
            date_in(message.joined_on, "joined_on") if message.HasField("joined_on") else None
        ),
        labels=dict(message.labels),
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
        message.home.CopyFrom(
            LatLng(latitude=resource.home.latitude, longitude=resource.home.longitude)
        )
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
        etag=str(tenant.version),
        freshness=position.encode(freshness) if freshness else "",
    )


def minutes_message(count: int) -> Duration:
    """Returns a length as a message."""
    return Duration(seconds=count * SECONDS_PER_MINUTE)


def _place(message: LatLng) -> Place:
    if abs(message.latitude) > LATITUDE_MAX or abs(message.longitude) > LONGITUDE_MAX:
        raise Invalid.field("home", "is no place on earth")
    return Place(message.latitude, message.longitude)
