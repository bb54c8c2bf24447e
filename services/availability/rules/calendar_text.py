"""Reads iCalendar text: every occurrence of events, and every statement of availability."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import icalendar
import recurring_ical_events  # type: ignore[import-untyped]

from services.availability.rules.calendar_open import text_of_open
from services.availability.rules.zones import UnknownZoneError, Zone

# Of one calendar ahead; more is not somebody's calendar.
OCCURRENCES_MAX = 20_000
# Recurrences are expanded in stretches, so that a calendar that holds too much is noticed early.
STRETCH = timedelta(days=64)
# A rule that repeats every minute fills every calendar.
TOO_OFTEN = frozenset({"SECONDLY", "MINUTELY"})
CANCELLED, TRANSPARENT = "CANCELLED", "TRANSPARENT"
# RFC 7953: 1 counts most, 9 least, and 0, which is not said, less than that.
PRIORITY_UNSAID = 10
# Later than anything our calendar holds.
FOR_EVER = datetime(5990, 1, 1, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# What the two libraries raise at text they cannot make sense of.
UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError)

When = date | datetime
# A component of a calendar: what its properties are is known only when they are read.
Part = Any


class CalendarError(ValueError):
    """Raised for text that is no calendar, or one we cannot take over; says why."""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One occurrence of an event: moments are aware, or floating local times, or whole days."""

    uid: str
    # The event it belongs to: that of a series has many occurrences.
    series: str
    sequence: int
    stamped_at: datetime
    start: When
    end: When
    busy: bool


@dataclass(frozen=True, slots=True)
class Hours:
    """A statement of availability: busy inside its range except where it is available."""

    uid: str
    priority: int
    sequence: int
    stamped_at: datetime
    start: When | None
    end: When | None
    available: tuple[Occurrence, ...]


@dataclass(frozen=True, slots=True)
class CalendarText:
    """What a calendar says from a moment on until another; `zone_name` empty: it names none."""

    occurrences: tuple[Occurrence, ...]
    # What does not recur and lies after the time the text was read for.
    later: tuple[Occurrence, ...]
    hours: tuple[Hours, ...]
    zone_name: str
    low: datetime
    high: datetime
    # What is to be read further than `high` one day; empty where nothing goes on until then.
    open_text: str = ""


def read_calendar(text: str | bytes, low: datetime, high: datetime) -> CalendarText:
    """Expands the text between two aware moments, and what does not recur after them too.

    Raises CalendarError for text that cannot be meant.
    """
    try:
        roots: list[Part] = icalendar.Calendar.from_ical(text, multiple=True)
        if not roots:
            raise CalendarError("holds no calendar")
        occurrences: list[Occurrence] = []
        later: list[Occurrence] = []
        hours: list[Hours] = []
        for root in roots:
            _check(root)
            if not _zone_name(root):
                # A name nobody knows says nothing; the clocks of whoever it is imported for do.
                root.pop("X-WR-TIMEZONE", None)
            occurrences.extend(_occurrences(root, low, high))
            later.extend(_occurrences(_single(root), high, FOR_EVER))
            hours.extend(_hours(one, low, high) for one in root.walk("VAVAILABILITY"))
            if (
                len(occurrences) + len(later) + sum(len(one.available) for one in hours)
                > OCCURRENCES_MAX
            ):
                raise CalendarError(f"holds more than {OCCURRENCES_MAX:,} busy times ahead")
        named = (_zone_name(root) for root in roots)
        name = next(filter(None, named), "")
        repeated = frozenset[str]().union(*map(_repeated, roots))
        left = text_of_open(roots, repeated, high)
        return CalendarText(tuple(occurrences), tuple(later), tuple(hours), name, low, high, left)
    except CalendarError:
        raise
    except UNREADABLE as error:
        raise CalendarError(f"cannot be read: {error}") from error


def _check(root: Part) -> None:
    """Refuses what would be expanded into something nobody can have meant."""
    for part in root.walk():
        rules = part.get("RRULE", [])
        for rule in rules if isinstance(rules, list) else [rules]:
            if TOO_OFTEN & set(rule.get("FREQ", [])):
                raise CalendarError("has a rule that repeats more often than hourly")
        if part.name == "VEVENT" and "DTEND" in part and "DTSTART" in part:
            start, end = part["DTSTART"].dt, part["DTEND"].dt
            if type(start) is type(end) and _comparable(end) < _comparable(start):
                raise CalendarError(f"has an event that ends before it starts: {part.get('UID')}")


def _zone_name(root: Part) -> str:
    """Gives the zone a calendar names; empty where there is none of that name."""
    name = str(root.get("X-WR-TIMEZONE", ""))
    try:
        return Zone(name).name
    except UnknownZoneError:
        return ""


def _comparable(when: When) -> datetime:
    if not isinstance(when, datetime):
        return datetime(when.year, when.month, when.day, tzinfo=UTC)
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


def _occurrences(root: Part, low: datetime, high: datetime) -> Iterator[Occurrence]:
    query, repeated = recurring_ical_events.of(root), _repeated(root)
    seen: set[tuple[str, When, When]] = set()
    begin = low
    while begin < high:
        # What does not recur is found at once, however far away.
        end = min(begin + STRETCH, high) if repeated else high
        for event in query.between(begin, end):
            made = _occurrence(event, repeated)
            key = (made.uid, made.start, made.end)
            if key not in seen and str(event.get("STATUS", "")).upper() != CANCELLED:
                seen.add(key)
                yield made
        if len(seen) > OCCURRENCES_MAX:
            return
        begin = end


def _repeated(root: Part) -> set[str]:
    """Gives the uids of events that recur."""
    return {
        str(part.get("UID", ""))
        for part in root.walk("VEVENT")
        if "RRULE" in part or "RDATE" in part or "RECURRENCE-ID" in part
    }


def _single(root: Part) -> Part:
    """Gives a calendar of what does not recur."""
    single: Part = icalendar.Calendar()
    repeated = _repeated(root)
    for part in root.walk("VEVENT"):
        if str(part.get("UID", "")) not in repeated:
            single.add_component(part)
    return single


def _occurrence(event: Part, repeated: set[str]) -> Occurrence:
    series = str(event.get("UID", ""))
    start, end = event.start, event.end
    uid = series
    if not series:
        uid = f"-/{start.isoformat()}/{end.isoformat()}"
    elif series in repeated:
        # What an occurrence is called does not change when it is moved.
        uid = f"{series}/{event['RECURRENCE-ID'].dt.isoformat()}"
    return Occurrence(
        uid=uid,
        series=series or uid,
        sequence=int(event.get("SEQUENCE", 0)),
        stamped_at=_stamp(event),
        start=start,
        end=end,
        busy=str(event.get("TRANSP", "")).upper() != TRANSPARENT,
    )


def _stamp(part: Part) -> datetime:
    for name in ("LAST-MODIFIED", "DTSTAMP"):
        if name in part:
            return _comparable(part[name].dt)
    return EPOCH


def _hours(part: Part, low: datetime, high: datetime) -> Hours:
    """Reads one VAVAILABILITY; its parts recur like events, so they are expanded as such."""
    events: Part = icalendar.Calendar()
    for available in part.walk("AVAILABLE"):
        event: Part = icalendar.Event()
        for name, value in available.property_items(recursive=False):
            if name not in ("BEGIN", "END"):
                event[name] = value
        events.add_component(event)
    uid = str(part.get("UID", ""))
    return Hours(
        uid=uid or "availability",
        priority=int(part.get("PRIORITY", 0)) or PRIORITY_UNSAID,
        sequence=int(part.get("SEQUENCE", 0)),
        stamped_at=_stamp(part),
        start=part["DTSTART"].dt if "DTSTART" in part else None,
        end=_end_of(part),
        available=tuple(_occurrences(events, low, high)),
    )


def _end_of(part: Part) -> When | None:
    if "DTEND" in part:
        end: When = part["DTEND"].dt
        return end
    if "DTSTART" in part and "DURATION" in part:
        later: When = part["DTSTART"].dt + part["DURATION"].dt
        return later
    return None


def stretch_ahead(now: datetime, days: int) -> tuple[datetime, datetime]:
    """Gives the time an import looks at: from yesterday's midnight (UTC) so many days ahead."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - timedelta(days=1), midnight + timedelta(days=days)
