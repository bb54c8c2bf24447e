"""Turns rows of schedules, outside calendars and the ledger's copy into values, and back."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from services.availability.domain import (
    Allocation,
    AllocationState,
    ExceptionKind,
    ExternalBusy,
    OutsideCalendar,
    Place,
    Preference,
    PreferenceKind,
    ScheduleException,
    Span,
    TimeOff,
    WallRange,
    WeeklyRule,
    ceil_minute,
    floor_minute,
    moment_of,
)

Row = Mapping[str, Any]


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
        calendar_id=row["calendar_id"],
        stamped_at=row["stamped_at"],
    )


def preference_of(value: Mapping[str, Any]) -> Preference:
    """Reads one entry of a resource's `preferences`."""
    return Preference(
        kind=PreferenceKind(value["kind"]),
        weight=value["weight"],
        weekdays=frozenset(value["weekdays"]),
        hours=WallRange(value["start_minute"], value["end_minute"]),
        service_type_id=value["service_type_id"],
    )


def preference_json(wish: Preference) -> dict[str, Any]:
    """Gives one entry of a resource's `preferences`."""
    return {
        "kind": str(wish.kind),
        "weight": wish.weight,
        "weekdays": sorted(wish.weekdays),
        "start_minute": wish.hours.start_minute,
        "end_minute": wish.hours.end_minute,
        "service_type_id": wish.service_type_id,
    }


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
        place=None if row["latitude"] is None else Place(row["latitude"], row["longitude"]),
        service_type_id=row["service_type_id"],
        booked_at=row["booked_at"],
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
        "latitude": allocation.place.latitude if allocation.place else None,
        "longitude": allocation.place.longitude if allocation.place else None,
        "service_type_id": allocation.service_type_id,
        "booked_at": allocation.booked_at,
    }


def span_of(start: datetime, end: datetime) -> Span:
    """Gives the whole minutes that a span touches: what is busy is never cut short."""
    return Span(floor_minute(start), ceil_minute(end))


def calendar_of(row: Row) -> OutsideCalendar:
    """Reads a row of `calendar`."""
    return OutsideCalendar(
        resource_id=row["resource_id"],
        id=row["id"],
        revision=row["revision"],
        imported_at=row["imported_at"],
        events=row["events"],
        quarantined_at=row["quarantined_at"],
        missing=row["missing"],
    )


def _ranges_of(flat: Sequence[int]) -> tuple[WallRange, ...]:
    return tuple(WallRange(start, end) for start, end in zip(flat[::2], flat[1::2], strict=True))


def _flat(ranges: Iterable[WallRange]) -> list[int]:
    return [minute for one in ranges for minute in (one.start_minute, one.end_minute)]
