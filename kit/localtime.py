"""Reads wall clocks: turns a local time with a zone into a moment, and refuses what exists twice or
never.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from kit.fault import Invalid


def zone(name: str, *, field: str) -> ZoneInfo:
    """Returns the IANA zone of that name; refuses an unknown one as a violation of `field`."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Invalid.field(field, f"{name!r} is not a time zone of the IANA database") from error


def resolve_local(wall: datetime, zone_name: str, *, field: str) -> datetime:
    """Returns the moment in UTC that the naive wall time `wall` means in the zone.

    Refuses a wall time in a gap or an overlap as AMBIGUOUS_LOCAL_TIME; metadata names both
    readings.
    """
    tz = zone(zone_name, field=field)
    first = wall.replace(tzinfo=tz, fold=0).astimezone(UTC)
    second = wall.replace(tzinfo=tz, fold=1).astimezone(UTC)
    if first == second:
        return first
    times = "twice" if first < second else "never"
    raise Invalid(
        "AMBIGUOUS_LOCAL_TIME",
        f"{wall.isoformat()} exists {times} in {zone_name}; send the offset",
        violations=((field, f"exists {times} in {zone_name}"),),
        local_time=wall.isoformat(),
        time_zone=zone_name,
        first_reading=first.isoformat(),
        second_reading=second.isoformat(),
    )


def resolve_offset(wall: datetime, offset: timedelta) -> datetime:
    """Returns the moment in UTC of the naive wall time `wall` at a known offset from UTC."""
    return (wall - offset).replace(tzinfo=UTC)
