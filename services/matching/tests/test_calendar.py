"""Days and months are half-open local spans, also where clocks change at midnight."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.matching.domain import (
    Month,
    MonthError,
    date_of,
    day_of,
    day_start,
    local_day,
    moment_of,
    months_between,
)
from services.matching.tests.worlds import at

ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Africa/Cairo",
    "Antarctica/Troll",
    "Pacific/Apia",
    "America/Havana",
    "America/St_Johns",
    "Asia/Kathmandu",
)


@pytest.mark.parametrize(
    ("zone", "day", "start"),
    [
        ("Europe/Berlin", "2027-03-01", "2027-02-28T23:00"),
        ("Europe/Berlin", "2027-04-01", "2027-03-31T22:00"),
        # A gap at midnight: the day starts at 01:00.
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00"),
        # Midnight twice: the first time counts.
        ("America/Havana", "2024-11-03", "2024-11-03T04:00"),
        # The hour before midnight twice.
        ("Africa/Cairo", "2024-11-01", "2024-10-31T22:00"),
        # A gap from 23:30 to 00:30: the day starts at 00:30.
        ("America/Toronto", "1919-03-31", "1919-03-31T04:30"),
        # A day that does not exist has no minutes: it starts when the next one does.
        ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00"),
        ("Pacific/Apia", "2011-12-31", "2011-12-30T10:00"),
    ],
)
def test_a_day_starts_at_its_first_instant(zone, day, start):
    number = (at(f"{day}T00:00")) // 1440
    assert moment_of(day_start(number, ZoneInfo(zone))) == moment_of(at(start))


@settings(deadline=None)
@given(zone=st.sampled_from(ZONES), minute=st.integers(at("1990-01-01"), at("2035-01-01")))
def test_every_minute_lies_in_its_local_day(zone, minute):
    info = ZoneInfo(zone)
    day = local_day(minute, moment_of(minute), info)
    assert day_start(day, info) <= minute < day_start(day + 1, info)
    wall = moment_of(minute).astimezone(info).date()
    if date_of(day) != wall:
        # Newfoundland once fell back from 00:01 to 23:01: a day that has begun is not taken back.
        assert zone == "America/St_Johns"
        assert date_of(day) == wall + timedelta(days=1)


@settings(deadline=None)
@given(day=st.integers(day_of(date_of(0)), 100_000))
def test_a_month_holds_its_days(day):
    month = Month.of_day(day)
    assert month.first_day <= day < month.end_day
    assert Month.of_day(month.end_day) == month.following
    assert Month.parse(str(month)) == month


def test_months_are_listed_over_a_year_s_end():
    listed = months_between(Month(2027, 11), Month(2028, 2))
    assert [str(month) for month in listed] == ["2027-11", "2027-12", "2028-01", "2028-02"]


@pytest.mark.parametrize("text", ["2027-13", "0000-01", "0001-01", "9999-12", "march", ""])
def test_what_is_no_month_is_refused(text):
    with pytest.raises(MonthError):
        Month.parse(text)
