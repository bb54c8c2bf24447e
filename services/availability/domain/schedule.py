"""When a resource works and when not: rules, exceptions, leave and outside calendars."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum

from services.availability.domain.moments import MINUTES_PER_DAY


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A half-open span `[start, end)` in minutes since the epoch."""

    start: int
    end: int

    def days(self) -> range:
        """Gives the days (UTC) that it touches, counted from 1970-01-01."""
        return range(self.start // MINUTES_PER_DAY, -(-self.end // MINUTES_PER_DAY))

    def overlaps(self, other: "Span") -> bool:
        """Says whether the two share a moment."""
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True, order=True)
class WallRange:
    """Minutes of wall clock from a local midnight; the end may lie past 24:00."""

    start_minute: int
    end_minute: int

    def unrolled(self) -> "WallRange":
        """Moves an end that lies before the start to the next day: 22:00-06:00 is 22:00-30:00."""
        if self.end_minute >= self.start_minute:
            return self
        return WallRange(self.start_minute, self.end_minute + MINUTES_PER_DAY)


@dataclass(frozen=True, slots=True)
class WeeklyRule:
    """Working time on some ISO weekdays (1 to 7), from `valid_from` until `valid_until`."""

    weekdays: frozenset[int]
    hours: WallRange
    breaks: tuple[WallRange, ...] = ()
    valid_from: date | None = None
    valid_until: date | None = None


class ExceptionKind(StrEnum):
    """What a departure from the weekly rules does."""

    CLOSED = "CLOSED"
    REPLACE_DAY = "REPLACE_DAY"
    EXTRA = "EXTRA"
    OFFER = "OFFER"


@dataclass(frozen=True, slots=True)
class ScheduleException:
    """A departure from the weekly rules: of the local day `on`, or for OFFER of a span."""

    id: str
    resource_id: str
    kind: ExceptionKind
    on: date | None = None
    ranges: tuple[WallRange, ...] = ()
    span: Span | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class TimeOff:
    """Leave of one resource."""

    id: str
    resource_id: str
    span: Span
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ExternalBusy:
    """A busy time of an outside calendar; the highest sequence of a uid wins, deletions too."""

    resource_id: str
    uid: str
    sequence: int
    span: Span
    deleted: bool = False
    # The outside calendar it was imported with; empty: it came by itself.
    calendar_id: str = ""
    # When its calendar last touched it: settles two that have one sequence.
    stamped_at: datetime = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class OutsideCalendar:
    """What is known of an imported calendar; in quarantine most of it went missing at once."""

    resource_id: str
    id: str
    revision: int
    imported_at: datetime
    events: int
    quarantined_at: datetime | None = None
    missing: int = 0


@dataclass(frozen=True, slots=True)
class OpenCalendar:
    """An imported calendar in which something goes on for ever: what recurs, and until when its
    occurrences have been read.
    """

    resource_id: str
    id: str
    text: str
    read_until: datetime


class PreferenceKind(StrEnum):
    """Whether a time suits."""

    LIKE = "LIKE"
    DISLIKE = "DISLIKE"


@dataclass(frozen=True, slots=True)
class Preference:
    """A wish about slots inside some hours of some ISO weekdays, which never forbids one.

    No weekdays means every day, no service type any work.
    """

    kind: PreferenceKind
    weight: int
    weekdays: frozenset[int] = frozenset()
    hours: WallRange = WallRange(0, MINUTES_PER_DAY)
    service_type_id: str = ""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Everything that says when one resource works."""

    rules: tuple[WeeklyRule, ...] = ()
    exceptions: tuple[ScheduleException, ...] = ()
    time_off: tuple[TimeOff, ...] = ()
    external_busy: tuple[ExternalBusy, ...] = ()
    version: int = 0
    preferences: tuple[Preference, ...] = ()
