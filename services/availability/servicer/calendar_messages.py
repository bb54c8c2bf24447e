"""Turns preferences, holidays and outside calendars into messages and back."""

from datetime import datetime

from fairslot.availability.v1 import schedule_pb2
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date
from google.type.dayofweek_pb2 import DayOfWeek

from services.availability.domain import (
    MINUTES_PER_DAY,
    OutsideCalendar,
    Preference,
    PreferenceKind,
    WallRange,
    date_of,
)
from services.availability.servicer.reading import wall_range
from services.availability.servicer.schedule_messages import range_message

WEIGHT_DEFAULT = 50


def preference_in(message: schedule_pb2.Preference, field: str) -> Preference:
    """Returns the wish in a message."""
    hours = WallRange(0, MINUTES_PER_DAY)
    if message.HasField("hours"):
        hours = wall_range(message.hours.start, message.hours.end, f"{field}.hours")
    return Preference(
        kind=PreferenceKind(schedule_pb2.Preference.Kind.Name(message.kind)),
        weight=message.weight or WEIGHT_DEFAULT,
        weekdays=frozenset(message.days),
        hours=hours,
        service_type_id=message.service_type_id,
    )


def preference_message(wish: Preference) -> schedule_pb2.Preference:
    """Returns a wish as a message."""
    return schedule_pb2.Preference(
        kind=schedule_pb2.Preference.Kind.Value(wish.kind),
        weight=wish.weight,
        days=[DayOfWeek.Name(day) for day in sorted(wish.weekdays)],
        hours=range_message(wish.hours),
        service_type_id=wish.service_type_id,
    )


def holiday_message(day: int, name: str) -> schedule_pb2.Holiday:
    """Returns a holiday as a message."""
    on = date_of(day)
    return schedule_pb2.Holiday(date=Date(year=on.year, month=on.month, day=on.day), name=name)


def calendar_message(calendar: OutsideCalendar) -> schedule_pb2.OutsideCalendar:
    """Returns what is known of a calendar as a message."""
    message = schedule_pb2.OutsideCalendar(
        resource_id=calendar.resource_id,
        id=calendar.id,
        revision=calendar.revision,
        imported_at=_timestamp(calendar.imported_at),
        events=calendar.events,
        missing=calendar.missing,
    )
    if calendar.quarantined_at is not None:
        message.quarantined_at.CopyFrom(_timestamp(calendar.quarantined_at))
    return message


def _timestamp(moment: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(moment)
    return made
