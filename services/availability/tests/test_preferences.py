"""Wishes are counted by the clocks of whoever has them, and bounded."""

from datetime import UTC, datetime

import numpy as np

from services.availability.domain import Preference, PreferenceKind, WallRange, floor_minute
from services.availability.rules.preferences import suits
from services.availability.rules.zones import Zone

LIKE, DISLIKE = PreferenceKind.LIKE, PreferenceKind.DISLIKE
MONDAY = frozenset({1})
# A Monday.
START = floor_minute(datetime(2031, 3, 3, tzinfo=UTC))


def points(*wishes: Preference, hours=(0, 8, 11, 23), zone="UTC", duration=60, kind="visit"):
    starts = np.array([START + hour * 60 for hour in hours], dtype=np.int32)
    found = suits(wishes, starts, duration=duration, service_type_id=kind, zone=Zone(zone))
    return found.tolist()


def test_a_like_holds_the_whole_slot_and_a_dislike_its_start() -> None:
    morning = WallRange(8 * 60, 12 * 60)
    assert points(Preference(LIKE, 30, MONDAY, morning)) == [0, 30, 30, 0]
    assert points(Preference(LIKE, 30, MONDAY, morning), duration=90) == [0, 30, 0, 0]
    assert points(Preference(DISLIKE, 30, MONDAY, morning), duration=90) == [0, -30, -30, 0]


def test_wishes_are_read_by_the_clocks_of_the_zone() -> None:
    early = Preference(LIKE, 10, MONDAY, WallRange(9 * 60, 10 * 60))
    assert points(early, zone="Europe/Berlin") == [0, 10, 0, 0]
    assert points(early, hours=(24,), zone="America/New_York") == [0]


def test_hours_past_midnight_belong_to_the_day_they_begin() -> None:
    night = Preference(LIKE, 10, MONDAY, WallRange(22 * 60, 6 * 60))
    assert points(night, hours=(0, 22, 24, 29, 30)) == [0, 10, 10, 10, 0]


def test_wishes_add_up_within_bounds_and_count_for_their_kind_of_work() -> None:
    whole = [Preference(LIKE, 80), Preference(LIKE, 80), Preference(DISLIKE, 30, MONDAY)]
    assert points(*whole, hours=(0, 24)) == [100, 100]
    assert points(*whole[1:], hours=(0, 24)) == [50, 80]
    assert points(Preference(DISLIKE, 50, service_type_id="other")) == [0, 0, 0, 0]
    assert points() == [0, 0, 0, 0]
