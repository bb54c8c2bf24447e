"""Reads what messages say: moments, spans, lengths, clocks. Refuses what cannot be meant."""

from datetime import UTC, date, datetime, timedelta

from fairslot.type.v1 import type_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date
from google.type.datetime_pb2 import DateTime
from google.type.interval_pb2 import Interval
from google.type.timeofday_pb2 import TimeOfDay

from kit.call import current_caller
from kit.fault import Denied, Invalid
from kit.localtime import resolve_local, resolve_offset
from services.availability.domain import (
    LAST_MINUTE,
    SECONDS_PER_MINUTE,
    Span,
    WallRange,
    ceil_minute,
    day_of,
    floor_minute,
)
from services.availability.engine import window_invalid

HOURS_MAX = 48
MINUTES_PER_HOUR = 60
ADMIN = "admin"


def moment(message: Timestamp, field: str) -> datetime:
    """Returns the moment in a message, in UTC; refuses one that no calendar has."""
    try:
        found: datetime = message.ToDatetime(UTC)
    except (ValueError, OverflowError) as error:
        raise Invalid.field(field, "is not a moment between the years 1 and 9999") from error
    return found


def as_if_now(message: Message) -> datetime | None:
    """Returns the moment to answer for, if one is given; only admins may give one."""
    if not message.HasField("as_if_now"):
        return None
    if ADMIN not in current_caller().roles:
        raise Denied("PERMISSION_DENIED", "only an admin may ask as if it were another moment")
    return moment(message.as_if_now, "as_if_now")  # type: ignore[attr-defined]


def ends_of(message: Interval, field: str) -> tuple[datetime | None, datetime | None]:
    """Returns the start and end of an interval, each where it is given."""
    start = moment(message.start_time, field) if message.HasField("start_time") else None
    end = moment(message.end_time, field) if message.HasField("end_time") else None
    return start, end


def span(message: Interval, field: str) -> Span:
    """Returns the whole minutes that an interval touches; refuses one that is empty or reversed."""
    start, end = ends_of(message, field)
    if start is None or end is None:
        raise Invalid.field(field, "needs a start and an end")
    return _span(start, end, field)


def local_span(message: type_pb2.LocalSpan, zone: str, field: str) -> Span:
    """Returns the span that two wall clocks mean."""
    return _span(*local_ends(message, zone, field), field)


def local_ends(message: type_pb2.LocalSpan, zone: str, field: str) -> tuple[datetime, datetime]:
    """Returns the moments that two wall clocks mean; refuses those that exist twice or never."""
    start = _local(message.start, zone, f"{field}.start")
    end = _local(message.end, zone, f"{field}.end")
    if end <= start:
        raise window_invalid(field)
    return start, end


def seconds(message: Duration, field: str) -> int:
    """Returns a length in whole seconds; refuses parts of one."""
    if message.nanos:
        raise Invalid.field(field, "must be whole seconds")
    return int(message.seconds)


def minutes(message: Duration, field: str) -> int:
    """Returns a length in whole minutes; refuses parts of one."""
    count, rest = divmod(seconds(message, field), SECONDS_PER_MINUTE)
    if rest:
        raise Invalid.field(field, "must be whole minutes")
    return count


def date_in(message: Date, field: str) -> date:
    """Returns the date in a message; refuses one that no calendar has."""
    try:
        found = date(message.year, message.month, message.day)
    except ValueError as error:
        raise Invalid.field(field, "is not a date") from error
    if not 0 <= day_of(found) * 24 * MINUTES_PER_HOUR < LAST_MINUTE:
        raise Invalid.field(field, "lies outside the years 1970 to 5998")
    return found


def wall_range(start: TimeOfDay, end: TimeOfDay, field: str) -> WallRange:
    """Returns a range of wall clock; an end before the start lies on the next day."""
    return WallRange(_minute_of_day(start, f"{field}.start"), _minute_of_day(end, f"{field}.end"))


def _minute_of_day(message: TimeOfDay, field: str) -> int:
    if message.seconds or message.nanos:
        raise Invalid.field(field, "must be a whole minute")
    minute = message.hours * MINUTES_PER_HOUR + message.minutes
    if message.hours < 0 or not 0 <= message.minutes < MINUTES_PER_HOUR:
        raise Invalid.field(field, "is not a time of day")
    if minute > HOURS_MAX * MINUTES_PER_HOUR:
        raise Invalid.field(field, f"lies after {HOURS_MAX}:00")
    return int(minute)


def _span(start: datetime, end: datetime, field: str) -> Span:
    if end <= start:
        raise window_invalid(field)
    found = Span(floor_minute(start), ceil_minute(end))
    if found.end > LAST_MINUTE or found.start < -LAST_MINUTE:
        raise Invalid.field(field, "lies outside our calendar")
    return found


def _local(message: DateTime, zone: str, field: str) -> datetime:
    try:
        wall = datetime(
            message.year,
            message.month,
            message.day,
            message.hours,
            message.minutes,
            message.seconds,
            message.nanos // 1000,
        )
    except ValueError as error:
        raise Invalid.field(field, "is not a date and time") from error
    if message.HasField("utc_offset"):
        offset: timedelta = message.utc_offset.ToTimedelta()
        return resolve_offset(wall, offset)
    name = message.time_zone.id or zone
    if not name:
        raise Invalid.field(field, "needs an offset or a time zone")
    return resolve_local(wall, name, field=field)
