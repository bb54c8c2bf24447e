"""Turns rows of the catalog into values of the domain, and back."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from services.availability.domain import (
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

Row = Mapping[str, Any]


def resource_of(row: Row) -> Resource:
    """Reads a row of `resource`."""
    home = None
    if row["home_latitude"] is not None and row["home_longitude"] is not None:
        home = Place(row["home_latitude"], row["home_longitude"])
    return Resource(
        id=row["id"],
        kind=ResourceKind(row["kind"]),
        display_name=row["display_name"],
        active=row["active"],
        time_zone=row["time_zone"],
        skills=tuple(_skill_of(one) for one in row["skills"]),
        priority=row["priority"],
        capacity_min=row["capacity_min"],
        capacity_max=row["capacity_max"],
        zone=row["zone"],
        movable=row["movable"],
        adjacent_resource_ids=tuple(row["adjacent_resource_ids"]),
        home=home,
        joined_on=row["joined_on"],
        labels=row["labels"],
        version=row["version"],
        limits=Limits(row["limit_per_day"], row["limit_per_week"], row["limit_minutes_per_day"]),
        holidays=HolidayCalendar(
            row["holiday_country"], row["holiday_subdivision"], row["holiday_none"]
        ),
    )


def resource_values(resource: Resource) -> dict[str, Any]:
    """Gives the columns of a resource, its version apart."""
    return {
        "id": resource.id,
        "display_name": resource.display_name,
        "kind": str(resource.kind),
        "active": resource.active,
        "time_zone": resource.time_zone,
        "skills": [_skill_json(skill) for skill in resource.skills],
        "priority": resource.priority,
        "capacity_min": resource.capacity_min,
        "capacity_max": resource.capacity_max,
        "zone": resource.zone,
        "movable": resource.movable,
        "adjacent_resource_ids": list(resource.adjacent_resource_ids),
        "home_latitude": resource.home.latitude if resource.home else None,
        "home_longitude": resource.home.longitude if resource.home else None,
        "joined_on": resource.joined_on,
        "labels": dict(resource.labels),
        "limit_per_day": resource.limits.per_day,
        "limit_per_week": resource.limits.per_week,
        "limit_minutes_per_day": resource.limits.minutes_per_day,
    }


def service_type_of(row: Row) -> ServiceType:
    """Reads a row of `service_type`."""
    return ServiceType(
        id=row["id"],
        duration_minutes=row["duration_minutes"],
        granularity_minutes=row["granularity_minutes"],
        display_name=row["display_name"],
        anchor=GridAnchor(row["anchor"]),
        required_skills=tuple(
            SkillRequirement(one["name"], one["level_min"]) for one in row["required_skills"]
        ),
        buffer_before_minutes=row["buffer_before_minutes"],
        buffer_after_minutes=row["buffer_after_minutes"],
        min_notice_seconds=row["min_notice_seconds"],
        max_horizon_seconds=row["max_horizon_seconds"],
        labels=row["labels"],
        version=row["version"],
        merge_policy=MergePolicy(row["merge_policy"]),
        merge_size_max=row["merge_size_max"],
        seat_loss_per_joint=row["seat_loss_per_joint"],
        protected=row["protected"],
        impact=row["impact"],
        external_event_type_keys=tuple(row["external_event_type_keys"]),
    )


def service_type_values(kind: ServiceType) -> dict[str, Any]:
    """Gives the columns of a service type, its version apart."""
    return {
        "id": kind.id,
        "display_name": kind.display_name,
        "duration_minutes": kind.duration_minutes,
        "granularity_minutes": kind.granularity_minutes,
        "anchor": str(kind.anchor),
        "required_skills": [
            {"name": one.name, "level_min": one.level_min} for one in kind.required_skills
        ],
        "buffer_before_minutes": kind.buffer_before_minutes,
        "buffer_after_minutes": kind.buffer_after_minutes,
        "min_notice_seconds": kind.min_notice_seconds,
        "max_horizon_seconds": kind.max_horizon_seconds,
        "labels": dict(kind.labels),
        "merge_policy": str(kind.merge_policy),
        "merge_size_max": kind.merge_size_max,
        "seat_loss_per_joint": kind.seat_loss_per_joint,
        "protected": kind.protected,
        "impact": kind.impact,
        "external_event_type_keys": list(kind.external_event_type_keys),
    }


def tenant_of(row: Row) -> Tenant:
    """Reads a row of `tenant`."""
    return Tenant(
        id=row["tenant_id"],
        display_name=row["display_name"],
        time_zone=row["time_zone"],
        version=row["version"],
        travel_speed_kmh=row["travel_speed_kmh"],
        holidays=HolidayCalendar(row["holiday_country"], row["holiday_subdivision"]),
    )


def _skill_of(value: Mapping[str, Any]) -> Skill:
    until = value["valid_until"]
    return Skill(
        name=value["name"],
        level=value["level"],
        valid_until=None if until is None else datetime.fromisoformat(until),
    )


def _skill_json(skill: Skill) -> dict[str, Any]:
    until = skill.valid_until
    return {
        "name": skill.name,
        "level": skill.level,
        "valid_until": None if until is None else until.isoformat(),
    }
