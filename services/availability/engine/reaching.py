"""Reads imported calendars further ahead when somebody asks beyond what was read of them.

An import expands what recurs three years ahead; that is enough for nearly everybody, and what goes
on for ever cannot be expanded to its end. Whoever asks further first has it read that far, and a
year more: the occurrences become busy times like all others, in an edit of their own.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from kit.call import Caller
from kit.clock import Clock
from kit.db import Pool, tenant_transaction
from kit.fault import Fault, Invalid, NotFound, Unavailable
from services.availability.domain import MINUTES_PER_DAY, OpenCalendar, floor_minute, moment_of
from services.availability.engine.editing import Editing
from services.availability.engine.flights import Flights
from services.availability.engine.reading import Reading
from services.availability.engine.worlds import Found, Worlds
from services.availability.rules.calendar_text import CalendarError
from services.availability.store.open_calendars import OpenCalendarRows

# What a slot may reach over the end of its window.
MARGIN_MINUTES = 7 * MINUTES_PER_DAY
# Read at once beyond what was asked for, so that the next question need not wait again.
FURTHER = timedelta(days=366)
# Nothing is read further ahead than this.
YEARS_MAX = 30
# Calendars brought into memory at once, and how often a question looks whether all are read.
CALENDARS_AT_ONCE, LOOKS_MAX = 16, 1_000
READER = "calendars"


class Reaching:
    """The tenants of one process, with their calendars read as far as is asked."""

    def __init__(
        self, worlds: Worlds, editing: Editing, reading: Reading, pool: Pool, clock: Clock
    ) -> None:
        """Takes where tenants are, and what reads and changes calendars."""
        self._worlds = worlds
        self._editing = editing
        self._reading = reading
        self._pool = pool
        self._clock = clock
        self._flights = Flights[None]()

    async def at(self, tenant: str, token: Mapping[str, int], until: int) -> Found:
        """Gives a tenant's world as `Worlds.at` does, whose calendars are read until a minute.

        Raises Invalid where they cannot be read that far.
        """
        until += MARGIN_MINUTES
        found = await self._worlds.at(tenant, token)
        for _ in range(LOOKS_MAX):
            if until <= found.world.calendars_until:
                return found
            if until > floor_minute(self._clock.now() + timedelta(days=366 * YEARS_MAX)):
                raise _too_far(f"calendars are read {YEARS_MAX} years ahead at most")
            await self._flights.once((tenant, until), lambda: self._read_some(tenant, until))
            again = await self._worlds.at(tenant, token)
            found = replace(again, loaded=found.loaded or again.loaded)
        raise Unavailable("UNAVAILABLE", "calendars change faster than they can be read")

    async def _read_some(self, tenant: str, until: int) -> None:
        """Reads a few of those that are behind; whoever waits looks again after it."""
        moment = moment_of(until)
        async with tenant_transaction(self._pool, tenant) as connection:
            behind = await OpenCalendarRows(connection, tenant).behind(
                moment, limit=CALENDARS_AT_ONCE
            )
        for calendar in behind:
            await self._read(tenant, calendar, until)
        if not behind:
            # Somebody else read them; memory has not heard of it yet.
            await self._worlds.renew(tenant)

    async def _read(self, tenant: str, calendar: OpenCalendar, until: int) -> None:
        high = moment_of(until) + FURTHER
        try:
            said = await self._reading.occurrences(calendar.text, calendar.read_until, high)
        except CalendarError as error:
            raise _too_far(f"calendar {calendar.id!r} {error}") from error
        # It is nobody's wish in particular: the calendar itself says so.
        caller = Caller(tenant=tenant, subject=READER, roles=frozenset(), token="")
        try:
            async with self._editing.edit(caller) as edit:
                await edit.extend_calendar(calendar, said)
        except NotFound:
            return


def _too_far(sentence: str) -> Fault:
    return Invalid("WINDOW_TOO_LONG", sentence, violations=(("window", "reaches too far"),))
