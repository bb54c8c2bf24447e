"""How well a slot suits what a resource likes; it never forbids one."""

from collections.abc import Sequence

import numpy as np

from services.availability.domain import MINUTES_PER_DAY, Preference, PreferenceKind
from services.availability.rules.intervals import Minutes
from services.availability.rules.zones import Wide, Zone

SUITS_MOST = 100
# 1970-01-01 was a Thursday, the fourth day of the ISO week.
_EPOCH_WEEKDAY = 4


def suits(
    preferences: Sequence[Preference],
    starts: Minutes,
    *,
    duration: int,
    service_type_id: str,
    zone: Zone,
) -> Wide:
    """Gives for each start how much a slot suits, -100 to 100; 0 where nothing is said.

    A like adds its weight where the whole slot lies inside its hours, by the clocks at the start; a
    dislike takes its weight away where the slot starts inside its hours.
    """
    found = np.zeros(len(starts), dtype=np.int64)
    if not len(starts):
        return found
    walls = _walls(zone, starts)
    for wish in preferences:
        if wish.service_type_id in ("", service_type_id):
            found += _applies(wish, walls, duration) * (
                wish.weight if wish.kind is PreferenceKind.LIKE else -wish.weight
            )
    clipped: Wide = np.clip(found, -SUITS_MOST, SUITS_MOST)
    return clipped


def _applies(wish: Preference, walls: Wide, duration: int) -> Wide:
    hours = wish.hours.unrolled()
    applies = np.zeros(len(walls), dtype=np.bool_)
    # Hours that end after midnight may hold a slot that starts on the following day.
    for shift in (0, 1, 2):
        day = walls // MINUTES_PER_DAY - shift
        low = day * MINUTES_PER_DAY + hours.start_minute
        high = day * MINUTES_PER_DAY + hours.end_minute
        if wish.kind is PreferenceKind.LIKE:
            inside = (low <= walls) & (walls + duration <= high)
        else:
            inside = (low <= walls) & (walls < high)
        if wish.weekdays:
            weekday = (day + _EPOCH_WEEKDAY - 1) % 7 + 1
            inside &= np.isin(weekday, np.array(sorted(wish.weekdays)))
        applies |= inside
    return applies.astype(np.int64)


def _walls(zone: Zone, starts: Minutes) -> Wide:
    seg = zone.segments(int(starts[0]), int(starts[-1]))
    moments = starts.astype(np.int64)
    walls: Wide = moments + seg.offsets[np.searchsorted(seg.starts, moments, side="right") - 1]
    return walls
