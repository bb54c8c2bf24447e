"""Serves RequestService."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import grpc
from fairslot.assignment.v1 import request_pb2 as pb
from fairslot.assignment.v1 import request_pb2_grpc

from kit.call import current_caller
from kit.fault import Invalid
from services.assignment.domain import BookingRequest, Place, RequestState
from services.assignment.engine import AutoAssigning, Requests
from services.assignment.servicer import reading, writing
from services.assignment.servicer.refusals import answered

Context = grpc.aio.ServicerContext[Any, Any]
PLAIN = frozenset({"service_type_id", "party_size", "customer_hash"})
WISH = frozenset({"place", "required_skills", "resource_ids", "zone", "labels"})
EDITABLE = PLAIN | WISH | {"window", "local_window", "time_zone"}
# Named by who edits, or said by the ledger: no edits by themselves.
KEPT = frozenset({"id", "etag", "state", "assignment_id", "created_at", "freshness"})


class RequestServicer(request_pb2_grpc.RequestServiceServicer):
    """Translates; decides nothing."""

    def __init__(self, requests: Requests, auto: AutoAssigning) -> None:
        """Keeps the parts of the engine that answer."""
        self._requests = requests
        self._auto = auto

    async def CreateRequest(  # noqa: N802
        self, request: pb.CreateRequestRequest, context: Context
    ) -> pb.CreateRequestResponse:
        """Creates a booking request in state OPEN."""
        key = reading.write_key(request)
        asked = reading.small(request.request)
        wanted = BookingRequest(
            id=asked.id,
            service_type_id=asked.service_type_id,
            window=reading.request_window(asked, now=self._requests.now()),
            party_size=asked.party_size,
            place=_place(asked),
            customer_hash=asked.customer_hash,
            required_skills=tuple(asked.required_skills),
            resource_ids=tuple(asked.resource_ids),
            zone=asked.zone,
            labels=dict(asked.labels),
        )
        outcome = await answered(self._requests.create(key, wanted))
        return pb.CreateRequestResponse(
            request=writing.booking_request(outcome.request, outcome.generations)
        )

    async def UpdateRequest(  # noqa: N802
        self, request: pb.UpdateRequestRequest, context: Context
    ) -> pb.UpdateRequestResponse:
        """Changes what is wanted."""
        asked = reading.small(request.request)
        if not asked.id:
            raise Invalid.field("request.id", "is missing")
        outcome = await answered(
            self._requests.update(
                reading.write_key(request),
                request_id=asked.id,
                version=reading.version_of(asked.etag),
                changes=changes_in(asked, request.update_mask.paths, now=self._requests.now()),
            )
        )
        return pb.UpdateRequestResponse(
            request=writing.booking_request(outcome.request, outcome.generations)
        )

    async def GetRequest(  # noqa: N802
        self, request: pb.GetRequestRequest, context: Context
    ) -> pb.GetRequestResponse:
        """Reads one booking request."""
        found = await self._requests.get(current_caller().tenant, request.id)
        return pb.GetRequestResponse(request=writing.booking_request(found))

    async def ListRequests(  # noqa: N802
        self, request: pb.ListRequestsRequest, context: Context
    ) -> pb.ListRequestsResponse:
        """Lists booking requests, oldest first."""
        state = RequestState(pb.BookingRequest.State.Name(request.state)) if request.state else None
        page = await self._requests.listed(
            current_caller().tenant,
            state=state,
            limit=reading.page_size(request.page_size),
            after=reading.page_after(request.page_token),
        )
        return pb.ListRequestsResponse(
            requests=[writing.booking_request(item) for item in page.items],
            next_page_token=reading.page_token(page.last),
        )

    async def CancelRequest(  # noqa: N802
        self, request: pb.CancelRequestRequest, context: Context
    ) -> pb.CancelRequestResponse:
        """Cancels a booking request that is OPEN or HELD."""
        outcome = await answered(
            self._requests.cancel(
                reading.write_key(request),
                request_id=request.id,
                version=reading.version_of(request.etag),
                reason=request.reason,
            )
        )
        return pb.CancelRequestResponse(
            request=writing.booking_request(outcome.request, outcome.generations)
        )

    async def ListGaps(self, request: pb.ListGapsRequest, context: Context) -> pb.ListGapsResponse:  # noqa: N802
        """Lists open booking requests that could not be served."""
        page = await self._auto.gaps(
            current_caller().tenant,
            limit=reading.page_size(request.page_size),
            after=reading.page_after(request.page_token),
        )
        return pb.ListGapsResponse(
            gaps=map(writing.gap, page.items), next_page_token=reading.page_token(page.last)
        )


def changes_in(asked: pb.BookingRequest, paths: Iterable[str], *, now: datetime) -> dict[str, Any]:
    """Returns the fields to replace: those of the mask, or without one those that are set."""
    chosen = set(paths) or {field.name for field, _ in asked.ListFields()} - KEPT
    unknown = chosen - EDITABLE
    if unknown:
        raise Invalid.field("update_mask", f"{', '.join(sorted(unknown))} cannot be edited")
    changes: dict[str, Any] = {name: getattr(asked, name) for name in chosen & PLAIN}
    if changes.get("service_type_id") == "":
        raise Invalid.field("request.service_type_id", "must be set")
    if chosen & {"window", "local_window"}:
        window = reading.request_window(asked, now=now)
        changes["window_start"] = window.start.isoformat()
        changes["window_end"] = window.end.isoformat()
    place = _place(asked)
    wish: dict[str, Any] = {
        "place": {"latitude": place.latitude, "longitude": place.longitude} if place else None,
        "required_skills": list(asked.required_skills),
        "resource_ids": list(asked.resource_ids),
        "zone": asked.zone,
        "labels": dict(asked.labels),
    }
    if found := {name: value for name, value in wish.items() if name in chosen}:
        changes["wish"] = found
    if not changes:
        raise Invalid.field("update_mask", "names nothing to change")
    return changes


def _place(asked: pb.BookingRequest) -> Place | None:
    if not asked.HasField("place"):
        return None
    place = asked.place
    if not (-90 <= place.latitude <= 90 and -180 <= place.longitude <= 180):
        raise Invalid.field("request.place", "is not on the earth")
    return Place(place.latitude, place.longitude)
