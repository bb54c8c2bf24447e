"""Reads wall clocks: which instant a local minute means, in gaps and overlaps too."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from services.availability.domain import MINUTES_PER_DAY, SECONDS_PER_MINUTE

Wide = npt.NDArray[np.int64]

CHUNK_MINUTES = 64 * MINUTES_PER_DAY
# No zone has ever moved its clocks by more than a day at once.
MARGIN_MINUTES = 2 * MINUTES_PER_DAY
# Segments kept per zone; a search far away pushes the oldest out.
MAX_CACHED_RANGES = 512
# What datetime can express, with room for the margins.
_FIRST_MINUTE = -1_000_000_000
_LAST_MINUTE = 4_200_000_000


class UnknownZoneError(ValueError):
    """Raised for a name that is no IANA zone."""


class ReadingKind(Enum):
    """How often a wall time exists."""

    ONCE = "once"
    TWICE = "twice"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a wall minute means: by the offset before a change and by the one after it."""

    kind: ReadingKind
    first: int
    second: int


@dataclass(frozen=True, slots=True)
class Segments:
    """Stretches of constant offset: from `starts[i]` (UTC) the wall is `offsets[i]` ahead."""

    starts: Wide
    ends: Wide
    offsets: Wide


class Zone:
    """One IANA zone as a table of offset changes, read from zoneinfo once and kept."""

    def __init__(self, name: str) -> None:
        """Opens the zone; raises `UnknownZoneError` if there is none of that name."""
        try:
            self._info = ZoneInfo(name)
        except (KeyError, ValueError, OSError) as error:
            raise UnknownZoneError(name) from error
        self.name = name
        self._changes: dict[int, tuple[int, list[tuple[int, int]]]] = {}
        self._ranges: dict[tuple[int, int], Segments] = {}

    def segments(self, low: int, high: int) -> Segments:
        """Gives the stretches that cover the UTC minutes `[low, high]` with a margin around."""
        first = (max(low, _FIRST_MINUTE) - MARGIN_MINUTES) // CHUNK_MINUTES
        last = (min(high, _LAST_MINUTE) + MARGIN_MINUTES) // CHUNK_MINUTES
        known = self._ranges.get((first, last))
        if known is not None:
            return known
        starts, offsets = [first * CHUNK_MINUTES], [self._chunk(first)[0]]
        for index in range(first, last + 1):
            for moment, offset in self._chunk(index)[1]:
                starts.append(moment)
                offsets.append(offset)
        ends = [*starts[1:], (last + 1) * CHUNK_MINUTES]
        made = Segments(*(np.array(column, dtype=np.int64) for column in (starts, ends, offsets)))
        if len(self._ranges) >= MAX_CACHED_RANGES:
            self._ranges.pop(next(iter(self._ranges)))
        self._ranges[first, last] = made
        return made

    def earliest(self, walls: Wide) -> Wide:
        """Gives when each wall minute first reads; in a gap the first instant after it."""
        if not len(walls):
            return walls
        seg = self.segments(int(walls.min()) - MINUTES_PER_DAY, int(walls.max()) + MINUTES_PER_DAY)
        reach = np.maximum.accumulate(seg.ends + seg.offsets)
        index = np.searchsorted(reach, walls, side="right")
        found: Wide = np.maximum(walls - seg.offsets[index], seg.starts[index])
        return found

    def latest(self, walls: Wide) -> Wide:
        """Gives when each wall minute last reads; in a gap the first instant after it."""
        if not len(walls):
            return walls
        seg = self.segments(int(walls.min()) - MINUTES_PER_DAY, int(walls.max()) + MINUTES_PER_DAY)
        opening = np.minimum.accumulate((seg.starts + seg.offsets)[::-1])[::-1]
        index = np.searchsorted(opening, walls, side="left") - 1
        found: Wide = np.minimum(walls - seg.offsets[index], seg.ends[index])
        return found

    def reading(self, wall: int) -> Reading:
        """Gives both readings of a wall minute; they are the same where it exists once."""
        seg = self.segments(wall - MINUTES_PER_DAY, wall + MINUTES_PER_DAY)
        walls = np.array([wall], dtype=np.int64)
        valid = (walls - seg.offsets >= seg.starts) & (walls - seg.offsets < seg.ends)
        instants = [int(one) for one in (wall - seg.offsets)[valid]]
        if len(instants) == 1:
            return Reading(ReadingKind.ONCE, instants[0], instants[0])
        if instants:
            return Reading(ReadingKind.TWICE, instants[0], instants[-1])
        change = int(self.earliest(walls)[0])
        after = int(np.searchsorted(seg.starts, change))
        return Reading(
            ReadingKind.NEVER,
            wall - int(seg.offsets[after - 1]),
            wall - int(seg.offsets[after]),
        )

    def wall_of(self, minute: int) -> int:
        """Gives the wall minute that clocks of the zone show at a UTC minute."""
        return minute + self._offset(minute)

    def midnights(self, first_day: int, last_day: int) -> Wide:
        """Gives the first instant of each local day from `first_day` up to `last_day` included."""
        return self.earliest(np.arange(first_day, last_day + 1, dtype=np.int64) * MINUTES_PER_DAY)

    def _chunk(self, index: int) -> tuple[int, list[tuple[int, int]]]:
        """Gives the offset at the start of a chunk and the changes inside it."""
        known = self._changes.get(index)
        if known is not None:
            return known
        low = index * CHUNK_MINUTES
        offset = opening = self._offset(low)
        changes: list[tuple[int, int]] = []
        for edge in range(low, low + CHUNK_MINUTES, MINUTES_PER_DAY):
            following = self._offset(edge + MINUTES_PER_DAY)
            if following != offset:
                moment = self._change_between(edge, edge + MINUTES_PER_DAY)
                changes.append((moment, following))
                offset = following
        self._changes[index] = opening, changes
        return opening, changes

    def _change_between(self, low: int, high: int) -> int:
        """Gives the first minute of `(low, high]` that has the offset of `high`."""
        goal = self._offset(high)
        while high - low > 1:
            middle = (low + high) // 2
            if self._offset(middle) == goal:
                high = middle
            else:
                low = middle
        return high

    def _offset(self, minute: int) -> int:
        moment = min(max(minute, _FIRST_MINUTE), _LAST_MINUTE) * SECONDS_PER_MINUTE
        offset = datetime.fromtimestamp(moment, self._info).utcoffset()
        # Offsets before 1972 had seconds; they are cut to the minute.
        return 0 if offset is None else int(offset.total_seconds()) // SECONDS_PER_MINUTE


class Zones:
    """Keeps the zones that were asked for, by name."""

    def __init__(self) -> None:
        """Starts with none."""
        self._known: dict[str, Zone] = {}

    def get(self, name: str) -> Zone:
        """Gives the zone of that name; raises `UnknownZoneError` if there is none."""
        zone = self._known.get(name)
        if zone is None:
            zone = self._known[name] = Zone(name)
        return zone
