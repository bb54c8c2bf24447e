"""Reads and shows moments as a person writes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import typer
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.interval_pb2 import Interval

# +3d, +90m, +2h: from now.
AHEAD = re.compile(r"^\+(\d{1,4})([mhd])$")
UNITS = {"m": "minutes", "h": "hours", "d": "days"}
HELP = "2027-03-01T10:00Z, 2027-03-01 (its midnight here), now, or +3d, +2h, +90m from now"


def moment(text: str, *, now: datetime) -> datetime:
    """Returns the moment a text means; without an offset it is meant in this machine's zone."""
    if text == "now":
        return now
    ahead = AHEAD.match(text)
    if ahead:
        return now + timedelta(**{UNITS[ahead[2]]: int(ahead[1])})
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError as error:
        raise typer.BadParameter(f"{text} is no moment; write {HELP}") from error


def timestamp(at: datetime) -> Timestamp:
    """Returns a moment as it is sent."""
    message = Timestamp()
    message.FromDatetime(at)
    return message


def interval(start: datetime, end: datetime) -> Interval:
    """Returns a span as it is sent."""
    return Interval(start_time=timestamp(start), end_time=timestamp(end))


def shown(at: Timestamp) -> str:
    """Returns a moment as it is shown, in this machine's zone with its offset."""
    local: datetime = at.ToDatetime(UTC).astimezone()
    return local.strftime("%a %Y-%m-%d %H:%M %z")
