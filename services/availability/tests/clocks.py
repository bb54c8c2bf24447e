"""What the clocks of a zone show, read minute by minute."""

from bisect import bisect_left
from datetime import timedelta
from functools import cache
from itertools import accumulate
from zoneinfo import ZoneInfo

from services.availability.domain import moment_of


@cache
def clock(name: str, low: int, high: int) -> "Clock":
    """Gives the clock of a zone; reading it is what the oracle spends its time on."""
    return Clock(name, low, high)


class Clock:
    """What the clocks of a zone show at every minute of a range."""

    def __init__(self, name: str, low: int, high: int) -> None:
        """Reads the zone minute by minute."""
        zone = ZoneInfo(name)
        self.low = low
        self.walls: list[int] = []
        for minute in range(low, high):
            moment = moment_of(minute)
            offset = moment.astimezone(zone).utcoffset() or timedelta()
            self.walls.append(minute + int(offset.total_seconds()) // 60)
        self._highest = list(accumulate(self.walls, max))
        self._lowest = list(accumulate(reversed(self.walls), min))[::-1]

    def first_at_or_after(self, wall: int) -> int:
        """Gives the first minute at which the clock has reached the wall time."""
        return self.low + bisect_left(self._highest, wall)

    def last_before(self, wall: int) -> int:
        """Gives the minute after the last one at which the clock is before the wall time."""
        return self.low + bisect_left(self._lowest, wall)
