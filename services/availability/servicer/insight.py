"""Serves what old clients ask of AvailabilityService, and how busy and wanted resources are."""

from datetime import date
from typing import Any

import grpc
from fairslot.availability.v1 import availability_pb2 as pb
from google.type.dayofweek_pb2 import DayOfWeek

from kit.call import current_caller
from kit.fault import Invalid
from services.availability.engine import By, Daily, Insight, Use
from services.availability.servicer.reading import ends_of
from services.availability.servicer.schedule_messages import interval_message, timestamp

Context = grpc.aio.ServicerContext[Any, Any]
WEEKDAYS, HOURS = range(1, 8), range(24)


class InsightCalls:
    """Translates; decides nothing."""

    def __init__(self, daily: Daily, insight: Insight) -> None:
        """Keeps what answers."""
        self._daily = daily
        self._insight = insight

    async def ListDayAvailability(  # noqa: N802
        self, request: pb.ListDayAvailabilityRequest, context: Context
    ) -> pb.ListDayAvailabilityResponse:
        """Lists every start of a day by resource, as old clients know it."""
        found = await self._daily.day(
            current_caller().tenant, _date(request.date, "date"), request.service_id
        )
        return pb.ListDayAvailabilityResponse(
            slots=[
                pb.DaySlot(
                    start=timestamp(one.slot.start),
                    end=timestamp(one.slot.end),
                    is_free=one.free,
                    mechanic_id=one.resource_id,
                )
                for one in found
            ]
        )

    async def SeedAvailability(  # noqa: N802
        self, request: pb.SeedAvailabilityRequest, context: Context
    ) -> pb.SeedAvailabilityResponse:
        """Works out what is free on some days before anybody asks."""
        days, slots = await self._daily.seed(
            current_caller().tenant,
            _date(request.start_date, "start_date") if request.start_date else None,
            _date(request.end_date, "end_date") if request.end_date else None,
            request.service_id,
        )
        return pb.SeedAvailabilityResponse(days=days, slots=slots)

    async def GetUtilization(  # noqa: N802
        self, request: pb.GetUtilizationRequest, context: Context
    ) -> pb.GetUtilizationResponse:
        """Says how much of their working time resources are booked."""
        start, end = ends_of(request.window, "window")
        by = By.RESOURCE
        if request.by:
            by = By(pb.GetUtilizationRequest.By.Name(request.by))
        found = await self._insight.utilization(
            current_caller().tenant,
            start=start,
            end=end,
            by=by,
            resource_ids=tuple(request.resource_ids),
        )
        return pb.GetUtilizationResponse(
            rows=[_use_message(row) for row in found.rows],
            total=_use_message(found.total),
            window=interval_message(found.window),
            tenant_time_zone=found.time_zone,
        )

    async def GetDemand(  # noqa: N802
        self, request: pb.GetDemandRequest, context: Context
    ) -> pb.GetDemandResponse:
        """Says when people search and book."""
        start, end = ends_of(request.window, "window")
        found, window, zone = await self._insight.demand(
            current_caller().tenant, start=start, end=end
        )
        return pb.GetDemandResponse(
            rows=[
                pb.HourDemand(
                    weekday=DayOfWeek.Name(weekday),
                    hour=hour,
                    searches=found.searches.get((weekday, hour), 0),
                    searches_without_result=found.without_result.get((weekday, hour), 0),
                    bookings=found.bookings.get((weekday, hour), 0),
                    starts=found.starts.get((weekday, hour), 0),
                )
                for weekday in WEEKDAYS
                for hour in HOURS
            ],
            window=interval_message(window),
            tenant_time_zone=zone,
        )


def _use_message(use: Use) -> pb.Utilization:
    return pb.Utilization(
        resource_id=use.resource.id if use.resource else "",
        display_name=use.resource.display_name if use.resource else "",
        date=use.date,
        working_minutes=use.working,
        booked_minutes=use.booked,
        percent=use.percent,
        assignments=use.assignments,
    )


def _date(text: str, field: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Invalid.field(field, "is not a date") from error
