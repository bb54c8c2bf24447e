"""Reads the catalog and schedules as they are stored now, not as memory has them."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from kit.clock import Clock
from kit.db import Pool, tenant_transaction
from kit.fault import Invalid
from services.availability.domain import (
    MINUTES_PER_DAY,
    OutsideCalendar,
    Resource,
    Schedule,
    ServiceType,
    Span,
    Tenant,
)
from services.availability.engine.asking import window_of
from services.availability.engine.recording import missing
from services.availability.rules.calendar_text import (
    CalendarError,
    CalendarText,
    read_calendar,
    stretch_ahead,
)
from services.availability.rules.intervals import clipped, spans_of, subtracted
from services.availability.rules.public_holidays import holidays_between
from services.availability.rules.working import Pattern, pattern_of, working
from services.availability.rules.zones import Zones
from services.availability.store import CatalogRows, ScheduleRows
from services.availability.store.calendars import CalendarRows

# How far ahead an import expands recurrences: three years and a day, and further when asked.
CALENDAR_DAYS = 1_096
CALENDARS_AT_ONCE = 1


@dataclass(frozen=True, slots=True)
class Expanded:
    """A schedule, and what it comes to in a window."""

    schedule: Schedule
    pattern: Pattern
    window: Span
    working: tuple[Span, ...]
    holidays: Mapping[int, str]
    calendars: Sequence[OutsideCalendar]


class Reading:
    """The plain reads of one process."""

    def __init__(self, pool: Pool, zones: Zones, clock: Clock) -> None:
        """Takes the pool of the service's own role."""
        self._pool = pool
        self._zones = zones
        self._clock = clock
        # Reading a long calendar takes a second of a processor; others wait for their turn.
        self._expanding = asyncio.Semaphore(CALENDARS_AT_ONCE)

    async def resource(self, tenant: str, resource_id: str) -> Resource:
        """Finds a resource."""
        async with tenant_transaction(self._pool, tenant) as connection:
            found = await CatalogRows(connection, tenant).resource(resource_id)
        if found is None:
            raise missing("resource", resource_id)
        return found

    async def resources(
        self, tenant: str, *, after: str, limit: int, kind: str, skill: str, zone: str
    ) -> list[Resource]:
        """Lists resources by id."""
        async with tenant_transaction(self._pool, tenant) as connection:
            return await CatalogRows(connection, tenant).resources(
                after=after, limit=limit, kind=kind, skill=skill, zone=zone
            )

    async def service_type(self, tenant: str, type_id: str) -> ServiceType:
        """Finds a service type."""
        async with tenant_transaction(self._pool, tenant) as connection:
            found = await CatalogRows(connection, tenant).service_type(type_id)
        if found is None:
            raise missing("service type", type_id)
        return found

    async def service_types(self, tenant: str, *, after: str, limit: int) -> list[ServiceType]:
        """Lists service types by id."""
        async with tenant_transaction(self._pool, tenant) as connection:
            return await CatalogRows(connection, tenant).service_types(after=after, limit=limit)

    async def tenant(self, tenant: str) -> Tenant:
        """Finds the tenant's settings."""
        async with tenant_transaction(self._pool, tenant) as connection:
            return await CatalogRows(connection, tenant).tenant()

    async def schedule(
        self,
        tenant: str,
        resource_id: str,
        *,
        window_start: datetime | None,
        window_end: datetime | None,
    ) -> Expanded:
        """Reads a schedule and expands it: working intervals, merged, leave taken out."""
        window = window_of(window_start, window_end, now=self._clock.now())
        async with tenant_transaction(self._pool, tenant) as connection:
            rows = CatalogRows(connection, tenant)
            resource, settings = await rows.resource(resource_id), await rows.tenant()
            schedule = await ScheduleRows(connection, tenant).schedule(resource_id)
            calendars = await CalendarRows(connection, tenant).calendars(
                resource_id, quarantined=False
            )
        if resource is None or schedule is None:
            raise missing("resource", resource_id)
        pattern = pattern_of(resource, schedule, settings)
        zone = self._zones.get(pattern.time_zone)
        whole = clipped(working(zone, pattern, window.start, window.end), window.start, window.end)
        first, last = zone.wall_of(window.start), zone.wall_of(max(window.start, window.end - 1))
        left = subtracted(whole, spans_of([leave.span for leave in schedule.time_off]))
        return Expanded(
            schedule=schedule,
            pattern=pattern,
            window=window,
            working=tuple(
                Span(start, end)
                for start, end in zip(left.starts.tolist(), left.ends.tolist(), strict=True)
            ),
            holidays=holidays_between(
                pattern.holidays, first // MINUTES_PER_DAY, last // MINUTES_PER_DAY + 1
            ),
            calendars=calendars,
        )

    async def calendars(
        self, tenant: str, resource_id: str, *, quarantined: bool
    ) -> list[OutsideCalendar]:
        """Lists imported calendars, of one resource or of all."""
        async with tenant_transaction(self._pool, tenant) as connection:
            rows = CalendarRows(connection, tenant)
            return await rows.calendars(resource_id, quarantined=quarantined)

    async def calendar_text(self, text: str) -> CalendarText:
        """Expands the text of a calendar, beside everything else; refuses one nobody can mean."""
        low, high = stretch_ahead(self._clock.now(), CALENDAR_DAYS)
        try:
            return await self.occurrences(text, low, high)
        except CalendarError as error:
            raise Invalid.field("text", str(error)) from error

    async def occurrences(self, text: str, low: datetime, high: datetime) -> CalendarText:
        """Expands the text of a calendar between two moments, beside everything else."""
        async with self._expanding:
            return await asyncio.to_thread(read_calendar, text, low, high)
