"""Offered days are counted in the tenant's months, shift by shift, leave taken out."""

from datetime import UTC, datetime

from services.availability.domain import Span, WallRange, WeeklyRule, floor_minute
from services.availability.rules.intervals import empty, spans_of
from services.availability.rules.offered import (
    month_span,
    months_touched,
    offered_days,
    offered_month,
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


def test_a_window_touches_the_months_of_its_first_and_last_moment() -> None:
    berlin = ZONES.get("Europe/Berlin")
    window = Span(minute("2026-12-31T22:30"), minute("2027-01-31T23:00"))
    assert months_touched(window, berlin) == [(2026, 12), (2027, 1)]
    longer = Span(window.start, window.end + 1)
    assert months_touched(longer, berlin) == [(2026, 12), (2027, 1), (2027, 2)]
