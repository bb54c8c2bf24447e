"""Serves ScheduleService: turns messages into edits and reads of schedules."""

from typing import Any

import grpc
from fairslot.availability.v1 import schedule_pb2 as pb
from fairslot.availability.v1 import schedule_pb2_grpc

from kit import position
from kit.call import current_caller
from kit.fault import Invalid
from services.availability.domain import MINUTES_PER_DAY, Span, TimeOff, day_of
from services.availability.engine import Edit, Editing, Reading, Wish
from services.availability.servicer.calendar_messages import (
    calendar_message,
    holiday_message,
    preference_in,
    preference_message,
)
from services.availability.servicer.catalog_messages import holidays_in, holidays_message
from services.availability.servicer.reading import ends_of, local_span, span
from services.availability.servicer.schedule_messages import (
    exception_in,
    exception_message,
    external_in,
    external_message,
    interval_message,
    rule_in,
    rule_message,
    time_off_message,
)
from services.availability.servicer.writing import Writing

Context = grpc.aio.ServicerContext[Any, Any]
CALENDAR_DEFAULT = "default"


class ScheduleServicer(schedule_pb2_grpc.ScheduleServiceServicer):
    """Translates; decides nothing."""

    def __init__(self, editing: Editing, reading: Reading) -> None:
        """Keeps what edits and what reads."""
        self._writing = Writing(editing)
        self._reading = reading

    async def SetWeeklySchedule(  # noqa: N802
        self, request: pb.SetWeeklyScheduleRequest, context: Context
    ) -> pb.SetWeeklyScheduleResponse:
        """Replaces the weekly rules of a resource."""
        rules = [rule_in(rule, f"rules[{index}]") for index, rule in enumerate(request.rules)]

        async def work(edit: Edit) -> pb.SetWeeklyScheduleResponse:
            version = await edit.set_rules(request.resource_id, rules, request.etag)
            schedule = pb.WeeklySchedule(
                resource_id=request.resource_id,
                rules=[rule_message(rule) for rule in rules],
                etag=str(version),
                freshness=position.encode(edit.freshness),
            )
            return pb.SetWeeklyScheduleResponse(schedule=schedule)

        return await self._writing.once(request, pb.SetWeeklyScheduleResponse, work)

    async def GetSchedule(  # noqa: N802
        self, request: pb.GetScheduleRequest, context: Context
    ) -> pb.GetScheduleResponse:
        """Reads rules, exceptions, leave and the expanded working intervals of a window."""
        start, end = ends_of(request.window, "window")
        found = await self._reading.schedule(
            current_caller().tenant, request.resource_id, window_start=start, window_end=end
        )
        window, schedule = found.window, found.schedule
        return pb.GetScheduleResponse(
            resource_id=request.resource_id,
            rules=[rule_message(rule) for rule in schedule.rules],
            etag=str(schedule.version),
            exceptions=[
                exception_message(one)
                for one in schedule.exceptions
                if window.overlaps(one.span or _around(day_of(one.on) if one.on else 0))
            ],
            time_off=[
                time_off_message(one) for one in schedule.time_off if window.overlaps(one.span)
            ],
            external_busy=[
                external_message(one) for one in schedule.external_busy if window.overlaps(one.span)
            ],
            working=[interval_message(one) for one in found.working],
            time_zone=found.pattern.time_zone,
            preferences=[preference_message(one) for one in schedule.preferences],
            holidays=[holiday_message(day, name) for day, name in found.holidays.items()],
            calendars=[calendar_message(one) for one in found.calendars],
        )

    async def CreateException(  # noqa: N802
        self, request: pb.CreateExceptionRequest, context: Context
    ) -> pb.CreateExceptionResponse:
        """Creates an exception to the weekly rules."""
        wanted = exception_in(request.exception, request.resource_id)

        async def work(edit: Edit) -> pb.CreateExceptionResponse:
            made = await edit.create_exception(wanted)
            return pb.CreateExceptionResponse(exception=exception_message(made, edit.freshness))

        return await self._writing.once(request, pb.CreateExceptionResponse, work)

    async def DeleteException(  # noqa: N802
        self, request: pb.DeleteExceptionRequest, context: Context
    ) -> pb.DeleteExceptionResponse:
        """Deletes an exception."""

        async def work(edit: Edit) -> pb.DeleteExceptionResponse:
            await edit.delete_exception(request.resource_id, request.id)
            return pb.DeleteExceptionResponse(freshness=position.encode(edit.freshness))

        return await self._writing.once(request, pb.DeleteExceptionResponse, work)

    async def CreateTimeOff(  # noqa: N802
        self, request: pb.CreateTimeOffRequest, context: Context
    ) -> pb.CreateTimeOffResponse:
        """Enters leave."""
        message = request.time_off
        if message.HasField("interval") == message.HasField("local_interval"):
            raise Invalid.field("time_off.interval", "this or local_interval must be set")

        async def work(edit: Edit) -> pb.CreateTimeOffResponse:
            resource = await edit.resource(request.resource_id)
            if message.HasField("interval"):
                when = span(message.interval, "time_off.interval")
            else:
                zone = resource.time_zone or (await edit.catalog.tenant()).time_zone
                when = local_span(message.local_interval, zone, "time_off.local_interval")
            leave = TimeOff(message.id, resource.id, when, message.reason)
            made = await edit.create_time_off(leave)
            return pb.CreateTimeOffResponse(time_off=time_off_message(made, edit.freshness))

        return await self._writing.once(request, pb.CreateTimeOffResponse, work)

    async def DeleteTimeOff(  # noqa: N802
        self, request: pb.DeleteTimeOffRequest, context: Context
    ) -> pb.DeleteTimeOffResponse:
        """Takes leave back."""

        async def work(edit: Edit) -> pb.DeleteTimeOffResponse:
            await edit.delete_time_off(request.resource_id, request.id)
            return pb.DeleteTimeOffResponse(freshness=position.encode(edit.freshness))

        return await self._writing.once(request, pb.DeleteTimeOffResponse, work)

    async def SetHolidayCalendar(  # noqa: N802
        self, request: pb.SetHolidayCalendarRequest, context: Context
    ) -> pb.SetHolidayCalendarResponse:
        """Says whose public holidays a resource keeps, or the whole tenant."""
        calendar = holidays_in(request.holiday_calendar)
        if calendar.none and not request.resource_id:
            raise Invalid.field("holiday_calendar.none", "is for single resources")

        async def work(edit: Edit) -> pb.SetHolidayCalendarResponse:
            await edit.set_holidays(request.resource_id, calendar)
            return pb.SetHolidayCalendarResponse(
                holiday_calendar=holidays_message(calendar),
                freshness=position.encode(edit.freshness),
            )

        return await self._writing.once(request, pb.SetHolidayCalendarResponse, work)

    async def SetPreferences(  # noqa: N802
        self, request: pb.SetPreferencesRequest, context: Context
    ) -> pb.SetPreferencesResponse:
        """Replaces what a resource likes and dislikes."""
        wishes = [
            preference_in(one, f"preferences[{index}]")
            for index, one in enumerate(request.preferences)
        ]

        async def work(edit: Edit) -> pb.SetPreferencesResponse:
            await edit.set_preferences(request.resource_id, wishes)
            return pb.SetPreferencesResponse(
                preferences=[preference_message(wish) for wish in wishes],
                freshness=position.encode(edit.freshness),
            )

        return await self._writing.once(request, pb.SetPreferencesResponse, work)

    async def ImportCalendar(  # noqa: N802
        self, request: pb.ImportCalendarRequest, context: Context
    ) -> pb.ImportCalendarResponse:
        """Takes over an outside calendar as iCalendar text."""
        said = await self._reading.calendar_text(request.text)
        wish = Wish(
            resource_id=request.resource_id,
            calendar_id=request.calendar_id or CALENDAR_DEFAULT,
            revision=request.revision,
            accept_missing=request.accept_missing,
        )

        async def work(edit: Edit) -> pb.ImportCalendarResponse:
            made = await edit.import_calendar(wish, said)
            return pb.ImportCalendarResponse(
                calendar=calendar_message(made.calendar),
                applied=made.applied,
                ignored=made.ignored,
                removed=made.removed,
                freshness=position.encode(edit.freshness),
            )

        return await self._writing.once(request, pb.ImportCalendarResponse, work)

    async def ListCalendars(  # noqa: N802
        self, request: pb.ListCalendarsRequest, context: Context
    ) -> pb.ListCalendarsResponse:
        """Lists imported calendars, those in quarantine first."""
        found = await self._reading.calendars(
            current_caller().tenant, request.resource_id, quarantined=request.quarantined
        )
        return pb.ListCalendarsResponse(calendars=[calendar_message(one) for one in found])

    async def UpsertExternalBusy(  # noqa: N802
        self, request: pb.UpsertExternalBusyRequest, context: Context
    ) -> pb.UpsertExternalBusyResponse:
        """Enters busy time of an outside calendar by (uid, sequence)."""
        events = [
            external_in(one, request.resource_id, f"events[{index}]")
            for index, one in enumerate(request.events)
        ]

        async def work(edit: Edit) -> pb.UpsertExternalBusyResponse:
            applied = await edit.upsert_external(request.resource_id, events)
            return pb.UpsertExternalBusyResponse(
                applied=applied,
                ignored=len(events) - applied,
                freshness=position.encode(edit.freshness),
            )

        return await self._writing.once(request, pb.UpsertExternalBusyResponse, work)

    async def DeleteExternalBusy(  # noqa: N802
        self, request: pb.DeleteExternalBusyRequest, context: Context
    ) -> pb.DeleteExternalBusyResponse:
        """Takes an outside event back by (uid, sequence)."""

        async def work(edit: Edit) -> pb.DeleteExternalBusyResponse:
            applied = await edit.delete_external(request.resource_id, request.uid, request.sequence)
            return pb.DeleteExternalBusyResponse(
                applied=applied, freshness=position.encode(edit.freshness)
            )

        return await self._writing.once(request, pb.DeleteExternalBusyResponse, work)


def _around(day: int) -> Span:
    """Returns a span that holds a local day in any zone."""
    return Span((day - 1) * MINUTES_PER_DAY, (day + 2) * MINUTES_PER_DAY)
