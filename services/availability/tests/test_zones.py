"""Wall clocks are read as the table of the hardest days says, in every zone there is."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import pytest

from services.availability.domain import (
    WallRange,
    WeeklyRule,
    day_of,
    floor_minute,
    moment_of,
)
from services.availability.rules.grid import midnight_starts, window_starts
from services.availability.rules.working import Pattern, Pieces, expand
from services.availability.rules.zones import ReadingKind, UnknownZoneError, Zone, Zones

TABLE = [
    ("2024-03-10 02:30", "America/New_York", "never", "03-10 07:30", "03-10 06:30"),
    ("2024-11-03 01:30", "America/New_York", "twice", "11-03 05:30", "11-03 06:30"),
    ("2024-10-06 02:15", "Australia/Lord_Howe", "never", "10-05 15:45", "10-05 15:15"),
    ("2024-04-07 01:45", "Australia/Lord_Howe", "twice", "04-06 14:45", "04-06 15:15"),
    ("2018-11-04 00:00", "America/Sao_Paulo", "never", "11-04 03:00", "11-04 02:00"),
    ("2024-10-31 23:30", "Africa/Cairo", "twice", "10-31 20:30", "10-31 21:30"),
    ("2024-03-31 02:30", "Antarctica/Troll", "never", "03-31 02:30", "03-31 00:30"),
    ("2011-12-30 12:00", "Pacific/Apia", "never", "12-30 22:00", "12-29 22:00"),
]


def wall(text: str) -> int:
    return floor_minute(datetime.fromisoformat(text).replace(tzinfo=UTC))


@pytest.mark.parametrize(("local", "zone", "kind", "first", "second"), TABLE)
def test_both_readings_of_a_wall_time(local, zone, kind, first, second) -> None:
    reading = Zone(zone).reading(wall(local))
    assert reading.kind is ReadingKind(kind)
    assert f"{moment_of(reading.first):%m-%d %H:%M}" == first
    assert f"{moment_of(reading.second):%m-%d %H:%M}" == second


@pytest.mark.parametrize(("local", "zone", "kind", "first", "second"), TABLE)
def test_edges_move_out_of_gaps_and_keep_repeated_hours(local, zone, kind, first, second) -> None:
    opened, minute = Zone(zone), wall(local)
    start = int(opened.earliest(np.array([minute]))[0])
    end = int(opened.latest(np.array([minute]))[0])
    if kind == "twice":
        assert f"{moment_of(start):%m-%d %H:%M}" == first
        assert f"{moment_of(end):%m-%d %H:%M}" == second
    else:
        assert start == end
        before = moment_of(start - 1).astimezone(ZoneInfo(zone)).utcoffset()
        after = moment_of(start).astimezone(ZoneInfo(zone)).utcoffset()
        assert before is not None
        assert after is not None
        assert before < after


def test_readings_are_zoneinfos_own_in_every_zone() -> None:
    zones = Zones()
    moments = [datetime(2027, month, 1) for month in (1, 4, 7, 10)]
    for name in sorted(available_timezones()):
        for moment in (*moments, datetime(1975, 6, 1), datetime(2011, 12, 30, 12)):
            reading = zones.get(name).reading(wall(moment.isoformat()))
            info = ZoneInfo(name)
            aware = (moment.replace(tzinfo=info, fold=fold).astimezone(UTC) for fold in (0, 1))
            assert [moment_of(reading.first), moment_of(reading.second)] == list(aware), name


def test_every_change_of_a_decade_is_found_to_the_minute() -> None:
    for name in ("Africa/Casablanca", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"):
        zone, info = Zone(name), ZoneInfo(name)
        low = wall("2010-01-01")
        seg = zone.segments(low, low + 10 * 525_960)
        for start, offset in zip(seg.starts.tolist()[1:], seg.offsets.tolist()[1:], strict=True):
            before = moment_of(start - 1).astimezone(info).utcoffset()
            assert moment_of(start).astimezone(info).utcoffset() == timedelta(minutes=offset)
            assert before != timedelta(minutes=offset)


@pytest.mark.parametrize("name", ["Mars/X", "", "../etc/passwd", "America", "a\0b", "/etc"])
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(UnknownZoneError):
        Zone(name)


@pytest.mark.parametrize(
    ("day", "hours"), [("2024-03-08", 8), ("2024-03-09", 7), ("2024-11-02", 9)]
)
def test_a_night_shift_lasts_what_the_clocks_make_of_it(day: str, hours: int) -> None:
    rule = WeeklyRule(frozenset(range(1, 8)), WallRange(22 * 60, 6 * 60))
    zone = Zone("America/New_York")
    first = day_of(datetime.fromisoformat(day).date())
    worked = expand(zone, Pattern(zone.name, (rule,)), first, first + 1).worked
    assert (worked.ends - worked.starts).tolist() == [hours * 60]


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/New_York", "2024-03-10", 23),
        ("America/New_York", "2024-11-03", 25),
        ("Australia/Lord_Howe", "2024-10-06", 23.5),
        ("Antarctica/Troll", "2024-03-31", 22),
        ("Antarctica/Troll", "2024-10-27", 26),
        ("America/Sao_Paulo", "2018-11-04", 23),
    ],
)
def test_a_whole_day_lasts_as_long_as_it_is(zone: str, day: str, hours: float) -> None:
    rule = WeeklyRule(frozenset(range(1, 8)), WallRange(0, 24 * 60))
    first = day_of(datetime.fromisoformat(day).date())
    worked = expand(Zone(zone), Pattern(zone, (rule,)), first, first + 1).worked
    assert (worked.ends - worked.starts).tolist() == [hours * 60]


def test_a_day_that_never_was_offers_nothing() -> None:
    rule = WeeklyRule(frozenset(range(1, 8)), WallRange(9 * 60, 17 * 60))
    day = day_of(datetime(2011, 12, 30).date())
    assert len(expand(Zone("Pacific/Apia"), Pattern("", (rule,)), day, day + 1).worked.days) == 0


def test_grids_of_both_anchors() -> None:
    piece = Pieces(np.array([0]), np.array([450]), np.array([570]))
    assert window_starts(piece, 60, 0, 1440).tolist() == [450, 510]
    assert window_starts(piece, 35, 0, 1440).tolist() == [450, 485, 520, 555]
    utc = Zone("UTC")
    assert [s for s in midnight_starts(utc, 60, 450, 571).tolist() if s + 60 <= 570] == [480]
    assert midnight_starts(utc, 35, 1400, 1480).tolist() == [1400, 1435, 1440, 1475]


def test_a_wall_time_in_a_gap_gives_no_start_and_one_in_an_overlap_two() -> None:
    zone = Zone("America/New_York")
    spring, autumn = wall("2024-03-10 05:00"), wall("2024-11-03 04:00")
    assert len(midnight_starts(zone, 30, spring, spring + 24 * 60)) == 48
    starts = midnight_starts(zone, 60, autumn, autumn + 25 * 60).tolist()
    walls = [zone.wall_of(start) % 1440 // 60 for start in starts]
    assert walls[:4] == [0, 1, 1, 2]
