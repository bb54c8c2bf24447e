"""Turns rules, exceptions, leave and outside events into messages and back."""

from collections.abc import Iterable, Mapping

from fairslot.availability.v1 import schedule_pb2
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date
from google.type.dayofweek_pb2 import DayOfWeek
from google.type.interval_pb2 import Interval
from google.type.timeofday_pb2 import TimeOfDay

from kit import position
from kit.fault import Invalid
from services.availability.domain import (
    SECONDS_PER_MINUTE,
    ExceptionKind,
    ExternalBusy,
    ScheduleException,
    Span,
    TimeOff,
    WallRange,
    WeeklyRule,
)
from services.availability.servicer.reading import date_in, span, wall_range

Positions = Mapping[str, int]
MINUTES_PER_HOUR = 60


def rule_in(message: schedule_pb2.WeeklyRule, field: str) -> WeeklyRule:
    """Returns the rule in a message; google's weekdays are ISO's: Monday is 1."""
    valid_from = date_in(message.valid_from, field) if message.HasField("valid_from") else None
    valid_until = date_in(message.valid_until, field) if message.HasField("valid_until") else None
    if valid_from is not None and valid_until is not None and valid_until <= valid_from:
        raise Invalid.field(field, "ends before or as it begins")
    return WeeklyRule(
        weekdays=frozenset(message.days),
        hours=wall_range(message.start, message.end, field),
        breaks=_ranges_in(message.breaks, f"{field}.breaks"),
        valid_from=valid_from,
        valid_until=valid_until,
    )


def rule_message(rule: WeeklyRule) -> schedule_pb2.WeeklyRule:
    """Returns a rule as a message."""
    message = schedule_pb2.WeeklyRule(
        days=[DayOfWeek.Name(day) for day in sorted(rule.weekdays)],
        start=_time_of_day(rule.hours.start_minute),
        end=_time_of_day(rule.hours.end_minute),
        breaks=[range_message(one) for one in rule.breaks],
    )
    if rule.valid_from is not None:
        message.valid_from.CopyFrom(_date(rule.valid_from.timetuple()[:3]))
    if rule.valid_until is not None:
        message.valid_until.CopyFrom(_date(rule.valid_until.timetuple()[:3]))
    return message


def exception_in(message: schedule_pb2.ScheduleException, resource_id: str) -> ScheduleException:
    """Returns the exception in a message; refuses one that says too little or too much."""
    kind = ExceptionKind(schedule_pb2.ScheduleException.Kind.Name(message.kind))
    if kind is ExceptionKind.OFFER:
        if message.HasField("date") or message.ranges:
            raise Invalid.field("exception", "an OFFER has an interval, no date and no ranges")
        return ScheduleException(
            id=message.id,
            resource_id=resource_id,
            kind=kind,
            span=span(message.interval, "exception.interval"),
            reason=message.reason,
        )
    if message.HasField("interval"):
        raise Invalid.field("exception.interval", f"does not go with {kind}")
    if kind is ExceptionKind.CLOSED and message.ranges:
        raise Invalid.field("exception.ranges", "stay empty for CLOSED")
    if kind is ExceptionKind.EXTRA and not message.ranges:
        raise Invalid.field("exception.ranges", "are what EXTRA adds; there are none")
    return ScheduleException(
        id=message.id,
        resource_id=resource_id,
        kind=kind,
        on=date_in(message.date, "exception.date"),
        ranges=_ranges_in(message.ranges, "exception.ranges"),
        reason=message.reason,
    )


def exception_message(
    exception: ScheduleException, freshness: Positions | None = None
) -> schedule_pb2.ScheduleException:
    """Returns an exception as a message."""
    message = schedule_pb2.ScheduleException(
        id=exception.id,
        resource_id=exception.resource_id,
        kind=schedule_pb2.ScheduleException.Kind.Value(exception.kind),
        ranges=[range_message(one) for one in exception.ranges],
        reason=exception.reason,
        freshness=position.encode(freshness) if freshness else "",
    )
    if exception.on is not None:
        message.date.CopyFrom(_date(exception.on.timetuple()[:3]))
    if exception.span is not None:
        message.interval.CopyFrom(interval_message(exception.span))
    return message


def time_off_message(leave: TimeOff, freshness: Positions | None = None) -> schedule_pb2.TimeOff:
    """Returns leave as a message."""
    return schedule_pb2.TimeOff(
        id=leave.id,
        resource_id=leave.resource_id,
        interval=interval_message(leave.span),
        reason=leave.reason,
        freshness=position.encode(freshness) if freshness else "",
    )


def external_in(message: schedule_pb2.ExternalEvent, resource_id: str, field: str) -> ExternalBusy:
    """Returns the outside event in a message."""
    return ExternalBusy(
        resource_id=resource_id,
        uid=message.uid,
        sequence=message.sequence,
        span=span(message.interval, f"{field}.interval"),
    )


def external_message(event: ExternalBusy) -> schedule_pb2.ExternalEvent:
    """Returns an outside event as a message."""
    return schedule_pb2.ExternalEvent(
        uid=event.uid,
        sequence=event.sequence,
        interval=interval_message(event.span),
        calendar_id=event.calendar_id,
    )


def interval_message(one: Span) -> Interval:
    """Returns a span as a message."""
    return Interval(start_time=timestamp(one.start), end_time=timestamp(one.end))


def timestamp(minute: int) -> Timestamp:
    """Returns a minute as a message."""
    return Timestamp(seconds=minute * SECONDS_PER_MINUTE)


def _ranges_in(messages: Iterable[schedule_pb2.TimeRange], field: str) -> tuple[WallRange, ...]:
    return tuple(
        wall_range(one.start, one.end, f"{field}[{index}]") for index, one in enumerate(messages)
    )


def range_message(one: WallRange) -> schedule_pb2.TimeRange:
    """Returns a range of wall clock as a message."""
    return schedule_pb2.TimeRange(
        start=_time_of_day(one.start_minute), end=_time_of_day(one.end_minute)
    )


def _time_of_day(minute: int) -> TimeOfDay:
    hours, minutes = divmod(minute, MINUTES_PER_HOUR)
    return TimeOfDay(hours=hours, minutes=minutes)


def _date(parts: tuple[int, ...]) -> Date:
    year, month, day = parts
    return Date(year=year, month=month, day=day)
