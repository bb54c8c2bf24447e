"""Reads what messages say: keys, moments, windows, places in a list. Refuses what cannot be
meant.
"""

import base64
import binascii
import json
from datetime import datetime, timedelta

from fairslot.assignment.v1 import request_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.datetime_pb2 import DateTime
from google.type.interval_pb2 import Interval

from kit.call import current_call, current_caller
from kit.fault import Exhausted, Invalid
from kit.idempotency import fingerprint, key_of
from kit.localtime import resolve_local, resolve_offset
from services.assignment.domain import Span, WriteKey
from services.assignment.peers import moments
from services.assignment.rules import window_of

PAGE_SIZE = 100
YEAR_MIN = 1900
YEAR_END = 9000
# A booking request travels with every event about it.
REQUEST_BYTES_MAX = 64 * 1024


def write_key(message: Message) -> WriteKey:
    """Returns whose write a call is, and under which key."""
    caller = current_caller()
    method = current_call().method.rpartition("/")[2]
    return WriteKey(
        tenant=caller.tenant,
        actor=caller.subject,
        method=method,
        key=key_of(message),
        fingerprint=fingerprint(method, message),
    )


def version_of(etag: str) -> int:
    """Returns the version an etag means: 0 for none, which accepts any; one that is not ours fits
    none.
    """
    if not etag:
        return 0
    return int(etag) if etag.isdecimal() and len(etag) < 18 else -1


def moment(message: Timestamp, field: str) -> datetime:
    """Returns the moment in a message; refuses one that no calendar of ours has."""
    try:
        return known(moments.moment(message), field)
    except (ValueError, OverflowError) as error:
        raise Invalid.field(field, "is not a moment") from error


def known(found: datetime, field: str) -> datetime:
    """Refuses a moment so far away that a window around it would leave the calendar."""
    if not YEAR_MIN <= found.year < YEAR_END:
        raise Invalid.field(field, f"is not between the years {YEAR_MIN} and {YEAR_END - 1}")
    return found


def duration(message: Duration, field: str) -> timedelta:
    """Returns the length in a message; refuses one that is none."""
    try:
        found: timedelta = message.ToTimedelta()
    except (ValueError, OverflowError) as error:
        raise Invalid.field(field, "is not a duration") from error
    return found


def whole_minute(message: Timestamp, field: str) -> datetime:
    """Returns the moment in a message; refuses one with seconds."""
    found = moment(message, field)
    if found.second or found.microsecond or message.nanos:
        raise Invalid.field(field, "is not a whole minute")
    return found


def ends(message: Interval, field: str) -> tuple[datetime | None, datetime | None]:
    """Returns the ends of a span that are given."""
    start = message.start_time if message.HasField("start_time") else None
    end = message.end_time if message.HasField("end_time") else None
    return (
        moment(start, f"{field}.start_time") if start is not None else None,
        moment(end, f"{field}.end_time") if end is not None else None,
    )


def window(message: Interval, field: str, *, now: datetime) -> Span:
    """Returns the window meant, its missing ends filled in; refuses one that ends as it starts."""
    return checked(window_of(*ends(message, field), now=now), field)


def checked(span: Span, field: str) -> Span:
    """Refuses a window that ends before or as it starts."""
    if span.end <= span.start:
        raise Invalid(
            "WINDOW_INVALID",
            f"{field} ends before or as it starts",
            violations=((field, "ends before or as it starts"),),
        )
    return span


def request_window(request: request_pb2.BookingRequest, *, now: datetime) -> Span:
    """Returns the window of a booking request, given in UTC or by wall clocks."""
    if not request.HasField("local_window"):
        return window(request.window, "request.window", now=now)
    if request.HasField("window"):
        raise Invalid.field("request.local_window", "excludes window")
    local = request.local_window
    field = "request.local_window"
    start = wall_clock(local.start, request.time_zone, f"{field}.start")
    return checked(Span(start, wall_clock(local.end, request.time_zone, f"{field}.end")), field)


def wall_clock(message: DateTime, zone: str, field: str) -> datetime:
    """Returns the moment that a wall clock shows, by its own offset or zone, else by `zone`."""
    try:
        # 24:00 is the next midnight.
        late = timedelta(days=1) if message.hours == 24 else timedelta()
        wall = late + datetime(
            message.year,
            message.month,
            message.day,
            message.hours % 24,
            message.minutes,
            message.seconds,
            message.nanos // 1000,
        )
    except (ValueError, OverflowError) as error:
        raise Invalid.field(field, "is not a date and time") from error
    known(wall, field)
    if message.HasField("utc_offset"):
        offset = duration(message.utc_offset, field)
        if abs(offset) >= timedelta(days=1):
            raise Invalid.field(field, "has an offset of a day or more")
        return resolve_offset(wall, offset)
    name = message.time_zone.id or zone
    if not name:
        raise Invalid.field(field, "has neither an offset nor a time zone")
    return resolve_local(wall, name, field=field)


def small(request: request_pb2.BookingRequest) -> request_pb2.BookingRequest:
    """Refuses a booking request too large to travel with every event about it."""
    if request.ByteSize() > REQUEST_BYTES_MAX:
        raise Exhausted(
            "PAYLOAD_TOO_LARGE", f"a booking request has at most {REQUEST_BYTES_MAX} bytes"
        )
    return request


def page_size(asked: int) -> int:
    """Returns how many items a page has."""
    return asked or PAGE_SIZE


def page_token(last: tuple[datetime, str] | None) -> str:
    """Returns the token of the page after an item; empty after the last."""
    if last is None:
        return ""
    text = json.dumps([last[0].isoformat(), last[1]])
    return base64.urlsafe_b64encode(text.encode()).decode()


def page_after(token: str) -> tuple[datetime, str] | None:
    """Returns the item after which a page begins; refuses a token that is not ours."""
    if not token:
        return None
    try:
        at, item_id = json.loads(base64.urlsafe_b64decode(token))
        found = datetime.fromisoformat(at)
    except (binascii.Error, ValueError, TypeError) as error:
        raise Invalid.field("page_token", "is not a page token of ours") from error
    if found.tzinfo is None or not isinstance(item_id, str):
        raise Invalid.field("page_token", "is not a page token of ours")
    return found, item_id
