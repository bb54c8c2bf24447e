"""Days and months as people of one zone count them: half-open spans between local midnights."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Self

from services.matching.domain.moments import date_of, day_of, floor_minute

# Beyond these, a neighbouring month could not be written as a date.
FIRST_YEAR = 2
LAST_YEAR = 9998
_MINUTE = timedelta(minutes=1)


class MonthError(ValueError):
    """Raised for what is no month, or one too far away to have neighbours."""


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """One month of the calendar; which minutes it has depends on the zone."""

    year: int
    number: int

    @classmethod
    def of_day(cls, day: int) -> Self:
        """Gives the month of a day since 1970-01-01."""
        local = date_of(day)
        return cls(local.year, local.month)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads "YYYY-MM"."""
        try:
            first = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
        except ValueError as error:
            raise MonthError(f"{text!r} is not a month") from error
        if not FIRST_YEAR <= first.year <= LAST_YEAR:
            raise MonthError(f"{text!r} is too far away")
        return cls(first.year, first.month)

    @property
    def first_day(self) -> int:
        """The day since 1970-01-01 on which it starts."""
        return day_of(date(self.year, self.number, 1))

    @property
    def end_day(self) -> int:
        """The first day after it."""
        return self.following.first_day

    @property
    def following(self) -> "Month":
        """The next month."""
        if self.number == 12:
            return Month(self.year + 1, 1)
        return Month(self.year, self.number + 1)

    def __str__(self) -> str:
        """Writes it as "YYYY-MM"."""
        return f"{self.year:04}-{self.number:02}"


def months_between(first: Month, last: Month) -> tuple[Month, ...]:
    """Lists the months from `first` up to `last` included."""
    found = [first]
    while found[-1] < last:
        found.append(found[-1].following)
    return tuple(found)


def day_start(day: int, zone: tzinfo) -> int:
    """Gives the first minute (UTC, since the epoch) of a local day.

    A midnight that exists twice counts from the first time; one that does not exist gives way to
    the first instant after the gap, so a day that was skipped has no minutes.
    """
    midnight = datetime.combine(date_of(day), time.min, zone)
    before = midnight.astimezone(UTC)
    after = midnight.replace(fold=1).astimezone(UTC)
    if before <= after:
        return floor_minute(before)
    return floor_minute(_change_between(after, before, zone))


def local_day(minute: int, moment: datetime, zone: tzinfo) -> int:
    """Gives the local day of a minute whose moment is known."""
    day = day_of(moment.astimezone(zone).date())
    # Where clocks fall back over midnight, a day that has begun is not taken back.
    return day + 1 if minute >= day_start(day + 1, zone) else day


def _change_between(low: datetime, high: datetime, zone: tzinfo) -> datetime:
    """Gives the minute at which the clocks first show the offset they have at `high`."""
    goal = high.astimezone(zone).utcoffset()
    while high - low > _MINUTE:
        middle = low + (high - low) // (2 * _MINUTE) * _MINUTE
        if middle.astimezone(zone).utcoffset() == goal:
            high = middle
        else:
            low = middle
    return high
