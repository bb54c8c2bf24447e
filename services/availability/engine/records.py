"""Writes events of the catalog as the outbox keeps them: proto3 JSON of CatalogChanged."""

from collections.abc import Sequence
from typing import Any

from services.availability.domain import Resource, ServiceType, Skill

SECONDS_PER_MINUTE = 60


def saved_resource(resource: Resource) -> dict[str, Any]:
    """Gives the JSON of a resource."""
    made: dict[str, Any] = {
        "id": resource.id,
        "displayName": resource.display_name,
        "kind": str(resource.kind),
        "active": resource.active,
        "timeZone": resource.time_zone,
        "skills": [_skill(skill) for skill in resource.skills],
        "priority": resource.priority,
        "capacityMin": resource.capacity_min,
        "capacityMax": resource.capacity_max,
        "zone": resource.zone,
        "movable": resource.movable,
        "adjacentResourceIds": list(resource.adjacent_resource_ids),
        "labels": dict(resource.labels),
        "etag": str(resource.version),
    }
    if resource.home is not None:
        made["home"] = {"latitude": resource.home.latitude, "longitude": resource.home.longitude}
    if resource.limits:
        made["limits"] = {
            "perDay": resource.limits.per_day,
            "perWeek": resource.limits.per_week,
            "minutesPerDay": resource.limits.minutes_per_day,
        }
    if resource.holidays:
        made["holidayCalendar"] = {
            "country": resource.holidays.country,
            "subdivision": resource.holidays.subdivision,
            "none": resource.holidays.none,
        }
    if resource.joined_on is not None:
        day = resource.joined_on
        made["joinedOn"] = {"year": day.year, "month": day.month, "day": day.day}
    return made


def saved_service_type(kind: ServiceType) -> dict[str, Any]:
    """Gives the JSON of a service type."""
    graded = [one for one in kind.required_skills if one.level_min]
    return {
        "id": kind.id,
        "displayName": kind.display_name,
        "duration": _duration(kind.duration_minutes * SECONDS_PER_MINUTE),
        "granularity": _duration(kind.granularity_minutes * SECONDS_PER_MINUTE),
        "gridAnchor": str(kind.anchor),
        "skillRequirements": [{"name": one.name, "levelMin": one.level_min} for one in graded],
        "requiredSkills": [one.name for one in kind.required_skills if not one.level_min],
        "bufferBefore": _duration(kind.buffer_before_minutes * SECONDS_PER_MINUTE),
        "bufferAfter": _duration(kind.buffer_after_minutes * SECONDS_PER_MINUTE),
        "minNotice": _duration(kind.min_notice_seconds),
        "maxHorizon": _duration(kind.max_horizon_seconds),
        "labels": dict(kind.labels),
        "etag": str(kind.version),
        "mergePolicy": str(kind.merge_policy),
        "mergeSizeMax": kind.merge_size_max,
        "seatLossPerJoint": kind.seat_loss_per_joint,
        "protected": kind.protected,
        "impact": kind.impact,
        "externalEventTypeKeys": list(kind.external_event_type_keys),
    }


def event(kind: str, ids: Sequence[str], actor: str, **saved: dict[str, Any]) -> dict[str, Any]:
    """Gives the JSON of a CatalogChanged, its revision apart."""
    return {"kind": kind, "ids": list(ids), "actor": actor, **saved}


def _skill(skill: Skill) -> dict[str, Any]:
    made: dict[str, Any] = {"name": skill.name, "level": skill.level}
    if skill.valid_until is not None:
        made["validUntil"] = skill.valid_until.isoformat()
    return made


def _duration(seconds: int) -> str:
    return f"{seconds}s"
