"""Turns moments and dates into whole numbers of minutes and days since the epoch, and back."""

from datetime import UTC, date, datetime, timedelta

MINUTES_PER_DAY = 1440
SECONDS_PER_MINUTE = 60
# Minutes are kept in int32 arrays, which end in the year 6053.
LAST_MINUTE = 2_119_000_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = _EPOCH.date().toordinal()


def floor_minute(moment: datetime) -> int:
    """Gives the whole minute at or before an aware moment."""
    return (moment - _EPOCH) // timedelta(minutes=1)


def ceil_minute(moment: datetime) -> int:
    """Gives the whole minute at or after an aware moment."""
    return -((_EPOCH - moment) // timedelta(minutes=1))


def moment_of(minute: int) -> datetime:
    """Gives the aware UTC moment of a minute."""
    return _EPOCH + timedelta(minutes=int(minute))


def day_of(local: date) -> int:
    """Gives the number of days from 1970-01-01 to a date."""
    return local.toordinal() - _EPOCH_DAY


def date_of(day: int) -> date:
    """Gives the date that lies so many days after 1970-01-01."""
    return date.fromordinal(int(day) + _EPOCH_DAY)
