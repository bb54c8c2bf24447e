"""Public holidays close the days of the country, and only what the weekly rules say of them."""

import csv
from collections import defaultdict
from datetime import date
from pathlib import Path

import pytest

from services.availability.domain import (
    HolidayCalendar,
    Resource,
    ResourceKind,
    Tenant,
    date_of,
    day_of,
)
from services.availability.rules.public_holidays import holidays_between, is_known, kept_by

ROOT = Path(__file__).resolve().parents[3]
LISTED = ROOT.parent / "shared" / "data" / "calendars" / "public_holidays.csv"


@pytest.mark.skipif(not LISTED.is_file(), reason="the shared list of holidays is not here")
def test_the_holidays_are_those_listed() -> None:
    listed: dict[tuple[str, str], set[date]] = defaultdict(set)
    for row in csv.DictReader(LISTED.read_text().splitlines()):
        listed[row["country"], row["subdivision"]].add(date.fromisoformat(row["date"]))
    assert len(listed) == 7
    for (country, subdivision), days in listed.items():
        calendar = HolidayCalendar(country, subdivision)
        assert is_known(calendar)
        for year in {day.year for day in days}:
            first, last = day_of(date(year, 1, 1)), day_of(date(year + 1, 1, 1))
            found = {date_of(day) for day in holidays_between(calendar, first, last)}
            assert found == {day for day in days if day.year == year}, (country, subdivision)


def test_a_resource_keeps_its_own_holidays_the_tenants_or_none() -> None:
    germany, brazil = HolidayCalendar("DE"), HolidayCalendar("BR", "SP")
    tenant = Tenant("acme", holidays=germany)

    def kept(own: HolidayCalendar) -> HolidayCalendar:
        return kept_by(Resource("r", ResourceKind.PERSON, holidays=own), tenant)

    assert kept(HolidayCalendar()) == germany
    assert kept(brazil) == brazil
    assert not kept(HolidayCalendar(none=True))


def test_only_calendars_there_are_are_known() -> None:
    assert is_known(HolidayCalendar("DE", "BE"))
    assert not is_known(HolidayCalendar("DE", "XX"))
    assert not is_known(HolidayCalendar("XX"))


def test_far_years_have_no_holidays_and_raise_nothing() -> None:
    far = day_of(date(5_990, 1, 1))
    assert holidays_between(HolidayCalendar("US"), far, far + 365) == {}
    assert holidays_between(HolidayCalendar("US"), far, far) == {}
