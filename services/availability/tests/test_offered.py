"""Offered days are counted in the tenant's months, shift by shift, leave taken out."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.availability.domain import Span, WallRange, WeeklyRule, floor_minute
from services.availability.rules.intervals import empty, spans_of
from services.availability.rules.offered import (
    month_span,
    months_touched,
    offered_days,
    offered_month,
    offered_since,
)
from services.availability.rules.working import Pattern
from services.availability.rules.zones import Zones

ZONES = Zones()
EVERY_DAY = frozenset(range(1, 8))


def minute(text: str) -> int:
    return floor_minute(datetime.fromisoformat(text).replace(tzinfo=UTC))


def days(zone: str, tenant_zone: str, *hours: WallRange, month: int = 3, leave=()) -> int:
    own = ZONES.get(tenant_zone)
    pattern = Pattern(zone, tuple(WeeklyRule(EVERY_DAY, one) for one in hours))
    found = offered_month(pattern, month_span(2027, month, own), own, ZONES)
    return offered_days(found, spans_of(leave) if leave else empty())


def test_a_split_day_and_a_night_are_one_day_each() -> None:
    morning, afternoon = WallRange(540, 720), WallRange(780, 1020)
    assert days("Europe/Berlin", "Europe/Berlin", morning, afternoon) == 31
    assert days("Europe/Berlin", "Europe/Berlin", WallRange(1320, 360)) == 31
    assert days("Europe/Berlin", "Europe/Berlin", WallRange(0, 1440)) == 31
    assert days("Europe/Berlin", "Europe/Berlin", WallRange(0, 1440), month=2) == 28


def test_days_are_those_of_the_tenants_clocks() -> None:
    # 20:00 in Los Angeles on 31 August is 1 September in Kiritimati.
    evening = WallRange(20 * 60, 21 * 60)
    august = month_span(2024, 8, ZONES.get("Pacific/Kiritimati"))
    assert august.end == minute("2024-08-31T10:00")
    assert days("America/Los_Angeles", "Pacific/Kiritimati", evening, month=8) == 31
    assert days("America/Los_Angeles", "America/Los_Angeles", evening, month=8) == 31


def test_leave_takes_a_day_only_if_it_takes_all_of_it() -> None:
    work = WallRange(540, 1020)
    whole = Span(minute("2027-03-02T00:00"), minute("2027-03-04T00:00"))
    part = Span(minute("2027-03-09T09:00"), minute("2027-03-09T16:59"))
    assert days("UTC", "UTC", work, leave=[whole]) == 29
    assert days("UTC", "UTC", work, leave=[part]) == 31
    assert days("UTC", "UTC", work, leave=[part, Span(part.end, part.end + 1)]) == 30


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
@settings(deadline=None, max_examples=40)
@given(
    hours=st.tuples(st.integers(0, 12), st.integers(13, 24)),
    first=st.integers(-3, 34),
    leave=st.lists(st.tuples(st.integers(-50, 800), st.integers(1, 60)), max_size=4),
)
def test_days_and_minutes_from_a_day_on_are_those_counted_hour_by_hour(
    zone, hours, first, leave
) -> None:
    own, walls = ZONES.get(zone), ZoneInfo(zone)
    pattern = Pattern(zone, (WeeklyRule(EVERY_DAY, WallRange(hours[0] * 60, hours[1] * 60)),))
    month = month_span(2027, 3, own)
    away = [Span(month.start + 60 * at, month.start + 60 * (at + long)) for at, long in leave]
    since = date(2027, 3, 1) + timedelta(days=first)
    found = offered_since(
        offered_month(pattern, month, own, ZONES),
        spans_of(away) if away else empty(),
        (since - date(1970, 1, 1)).days,
    )
    counted = set()
    minutes = 0
    for at in range(month.start, month.end, 60):
        wall = datetime.fromtimestamp(at * 60, tz=walls)
        worked = hours[0] <= wall.hour < hours[1] and wall.date() >= since
        if worked and not any(span.start <= at < span.end for span in away):
            counted.add(wall.date())
            minutes += 60
    assert found == (len(counted), minutes)


def test_a_window_touches_the_months_of_its_first_and_last_moment() -> None:
    berlin = ZONES.get("Europe/Berlin")
    window = Span(minute("2026-12-31T22:30"), minute("2027-01-31T23:00"))
    assert months_touched(window, berlin) == [(2026, 12), (2027, 1)]
    longer = Span(window.start, window.end + 1)
    assert months_touched(longer, berlin) == [(2026, 12), (2027, 1), (2027, 2)]
