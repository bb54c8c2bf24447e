"""Public holidays by country and subdivision, as days since the epoch with their names."""

from collections.abc import Mapping
from functools import lru_cache

import holidays

from services.availability.domain import NO_HOLIDAYS, HolidayCalendar, Resource, Tenant, date_of

# A year of one calendar is about 1 KB.
YEARS_KEPT = 4_096


def kept_by(resource: Resource, tenant: Tenant) -> HolidayCalendar:
    """Gives the calendar a resource keeps: its own, or else the tenant's."""
    kept = resource.holidays or tenant.holidays
    return NO_HOLIDAYS if kept.none else kept


def is_known(calendar: HolidayCalendar) -> bool:
    """Says whether there is a calendar of that country and subdivision."""
    known = holidays.list_supported_countries()
    if calendar.country not in known:
        return False
    return not calendar.subdivision or calendar.subdivision in known[calendar.country]


def holidays_between(calendar: HolidayCalendar, first_day: int, last_day: int) -> dict[int, str]:
    """Gives the holidays on the days `[first_day, last_day)` since the epoch.

    Years for which nobody has decided the holidays have none.
    """
    if not calendar.country or first_day >= last_day:
        return {}
    years = range(date_of(first_day).year, date_of(last_day - 1).year + 1)
    return {
        day: name
        for year in years
        for day, name in _year(calendar.country, calendar.subdivision, year).items()
        if first_day <= day < last_day
    }


@lru_cache(maxsize=YEARS_KEPT)
def _year(country: str, subdivision: str, year: int) -> Mapping[int, str]:
    found = holidays.country_holidays(country, subdiv=subdivision or None, years=year)
    epoch = date_of(0)
    return {(day - epoch).days: name for day, name in sorted(found.items())}
