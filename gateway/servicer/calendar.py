"""Serves CalendarService: shows what outside calendars told, and applies it again."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime
from typing import Any

import grpc
from fairslot.gateway.v1 import calendar_pb2 as pb
from fairslot.gateway.v1 import calendar_pb2_grpc

from gateway.domain import Received
from gateway.engine import Calendars
from kit.call import current_caller
from kit.fault import Invalid

Context = grpc.aio.ServicerContext[Any, Any]
PAGE_SIZE = 100


class CalendarServicer(calendar_pb2_grpc.CalendarServiceServicer):
    """Translates; decides nothing."""

    def __init__(self, calendars: Calendars) -> None:
        self._calendars = calendars

    async def ListCalendarEvents(  # noqa: N802
        self, request: pb.ListCalendarEventsRequest, context: Context
    ) -> pb.ListCalendarEventsResponse:
        """Lists events, newest first."""
        limit = request.page_size or PAGE_SIZE
        found = await self._calendars.listed(
            current_caller().tenant,
            [pb.CalendarEvent.Outcome.Name(one) for one in request.outcomes],
            limit=limit,
            after=place_of(request.page_token),
        )
        token = token_of(found[-1]) if len(found) == limit else ""
        return pb.ListCalendarEventsResponse(
            events=[event_message(one) for one in found], next_page_token=token
        )

    async def ApplyCalendarEvent(  # noqa: N802
        self, request: pb.ApplyCalendarEventRequest, context: Context
    ) -> pb.ApplyCalendarEventResponse:
        """Applies an event again."""
        found = await self._calendars.again(current_caller().tenant, request.id)
        return pb.ApplyCalendarEventResponse(event=event_message(found))


def event_message(received: Received) -> pb.CalendarEvent:
    """Returns an event as it is told."""
    booking = received.booking
    message = pb.CalendarEvent(
        id=received.id,
        uid=booking.uid,
        trigger=booking.trigger,
        outcome=pb.CalendarEvent.Outcome.Value(received.outcome),
        event_type_keys=booking.event_type_keys,
        users=[names[0] for names in booking.users],
        service_type_id=received.service_type_id,
        required_skills=received.required_skills,
        missing_skills=received.missing_skills,
        resource_ids=received.resource_ids,
        replaced_uid=booking.replaced_uid,
    )
    if booking.start is not None and booking.end is not None:
        message.interval.start_time.FromDatetime(booking.start)
        message.interval.end_time.FromDatetime(booking.end)
    message.received_at.FromDatetime(received.received_at)
    return message


def token_of(received: Received) -> str:
    """Returns the page token of a place in the list."""
    place = [received.received_at.isoformat(), received.id]
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def place_of(token: str) -> tuple[datetime, str] | None:
    """Returns the place a page token means; refuses what is not one of ours."""
    if not token:
        return None
    try:
        at, name = json.loads(base64.urlsafe_b64decode(token))
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None or not isinstance(name, str) or "\0" in name:
            raise ValueError(token)
    except (binascii.Error, ValueError, TypeError) as error:
        raise Invalid.field("page_token", "is not a page token of ours") from error
    return moment, name
