"""Reads the times of a world's file, which are told in weeks from now so that they never age."""

import re
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

WEEKDAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
UNIT_MINUTES = {"m": 1, "h": 60, "d": 24 * 60}
MINUTES_PER_HOUR = 60

DAY = re.compile(r"week (\d+) ([A-Z]+)")
DURATION = re.compile(r"(\d+)([mhd])")


def anchor_of(today: date) -> date:
    """Returns the Monday on which week 1 begins: the first one after today."""
    return today + timedelta(days=7 - today.weekday())


def day_of(text: str, anchor: date) -> date:
    """Reads "week 2 FRIDAY"."""
    found = DAY.fullmatch(text)
    if not found:
        raise ValueError(f'a day is told as "week 2 FRIDAY", not as "{text}"')
    return anchor + timedelta(weeks=int(found[1]) - 1, days=WEEKDAYS.index(found[2]))


def moment_of(text: str, anchor: date, zone: ZoneInfo) -> datetime:
    """Reads "week 2 FRIDAY 24:00" by the clocks of the zone."""
    day, _, clock = text.rpartition(" ")
    minutes = minutes_of_clock(clock)
    midnight = datetime.combine(day_of(day, anchor), time.min)
    return (midnight + timedelta(minutes=minutes)).replace(tzinfo=zone)


def minutes_of_clock(text: str) -> int:
    """Reads "26:00", which is 02:00 of the next day, as minutes from midnight."""
    hours, _, minutes = text.partition(":")
    return int(hours) * MINUTES_PER_HOUR + int(minutes)


def minutes_of_duration(text: str) -> int:
    """Reads "1h30m"."""
    parts = DURATION.findall(text)
    if "".join(f"{number}{unit}" for number, unit in parts) != text or not parts:
        raise ValueError(f'a duration is told as "1h30m", not as "{text}"')
    return sum(int(number) * UNIT_MINUTES[unit] for number, unit in parts)


def weekdays_of(text: str) -> list[str]:
    """Reads "MONDAY-WEDNESDAY, FRIDAY"."""
    days: list[str] = []
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        begin, end = WEEKDAYS.index(first), WEEKDAYS.index(last or first)
        days += WEEKDAYS[begin : end + 1]
    return days
