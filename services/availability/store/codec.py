"""Turns rows into values of the domain, and back."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from services.availability.domain import (
    Allocation,
    AllocationState,
    ExceptionKind,
    ExternalBusy,
    GridAnchor,
    Place,
    Resource,
    ResourceKind,
    ScheduleException,
    ServiceType,
    Skill,
    SkillRequirement,
    Span,
    Tenant,
    TimeOff,
    WallRange,
    WeeklyRule,
    ceil_minute,
    floor_minute,
    moment_of,
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
    }


def tenant_of(row: Row) -> Tenant:
    """Reads a row of `tenant`."""
    return Tenant(
        id=row["tenant_id"],
        display_name=row["display_name"],
        time_zone=row["time_zone"],
        version=row["version"],
    )


def rule_of(row: Row) -> WeeklyRule:
    """Reads a row of `weekly_rule`."""
    return WeeklyRule(
        weekdays=frozenset(row["weekdays"]),
        hours=WallRange(row["start_minute"], row["end_minute"]),
        breaks=_ranges_of(row["break_minutes"]),
        valid_from=row["valid_from"],
        valid_until=row["valid_until"],
    )


def rule_values(rule: WeeklyRule) -> dict[str, Any]:
    """Gives the columns of a rule."""
    return {
        "weekdays": sorted(rule.weekdays),
        "start_minute": rule.hours.start_minute,
        "end_minute": rule.hours.end_minute,
        "break_minutes": _flat(rule.breaks),
        "valid_from": rule.valid_from,
        "valid_until": rule.valid_until,
    }


def exception_of(row: Row) -> ScheduleException:
    """Reads a row of `schedule_exception`."""
    return ScheduleException(
        id=row["id"],
        resource_id=row["resource_id"],
        kind=ExceptionKind(row["kind"]),
        on=row["on_date"],
        ranges=_ranges_of(row["range_minutes"]),
        span=None if row["start_at"] is None else span_of(row["start_at"], row["end_at"]),
        reason=row["reason"],
    )


def exception_values(exception: ScheduleException) -> dict[str, Any]:
    """Gives the columns of an exception."""
    span = exception.span
    return {
        "resource_id": exception.resource_id,
        "id": exception.id,
        "kind": str(exception.kind),
        "on_date": exception.on,
        "range_minutes": _flat(exception.ranges),
        "start_at": None if span is None else moment_of(span.start),
        "end_at": None if span is None else moment_of(span.end),
        "reason": exception.reason,
    }


def time_off_of(row: Row) -> TimeOff:
    """Reads a row of `time_off`."""
    return TimeOff(
        id=row["id"],
        resource_id=row["resource_id"],
        span=span_of(row["start_at"], row["end_at"]),
        reason=row["reason"],
    )


def external_of(row: Row) -> ExternalBusy:
    """Reads a row of `external_busy`."""
    return ExternalBusy(
        resource_id=row["resource_id"],
        uid=row["uid"],
        sequence=row["sequence"],
        span=span_of(row["start_at"], row["end_at"]),
        deleted=row["deleted"],
    )


def allocation_of(row: Row) -> Allocation:
    """Reads a row of `allocation`."""
    return Allocation(
        id=row["id"],
        version=row["version"],
        state=AllocationState(row["state"]),
        resource_ids=tuple(row["resource_ids"]),
        slot=span_of(row["slot_start"], row["slot_end"]),
        occupied=span_of(row["occupied_start"], row["occupied_end"]),
        expires_at=row["expires_at"],
    )


def allocation_values(allocation: Allocation) -> dict[str, Any]:
    """Gives the columns of an allocation."""
    return {
        "id": allocation.id,
        "version": allocation.version,
        "state": str(allocation.state),
        "resource_ids": list(allocation.resource_ids),
        "slot_start": moment_of(allocation.slot.start),
        "slot_end": moment_of(allocation.slot.end),
        "occupied_start": moment_of(allocation.occupied.start),
        "occupied_end": moment_of(allocation.occupied.end),
        "expires_at": allocation.expires_at,
    }


def span_of(start: datetime, end: datetime) -> Span:
    """Gives the whole minutes that a span touches: what is busy is never cut short."""
    return Span(floor_minute(start), ceil_minute(end))


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


def _ranges_of(flat: Sequence[int]) -> tuple[WallRange, ...]:
    return tuple(WallRange(start, end) for start, end in zip(flat[::2], flat[1::2], strict=True))


def _flat(ranges: Iterable[WallRange]) -> list[int]:
    return [minute for one in ranges for minute in (one.start_minute, one.end_minute)]
