"""Serves AvailabilityService: turns messages into questions and answers into messages."""

from typing import Any

import grpc
from fairslot.availability.v1 import availability_pb2 as pb
from fairslot.availability.v1 import availability_pb2_grpc, catalog_pb2

from kit import position
from kit.call import current_caller
from kit.fault import Denied, Invalid
from services.availability.engine import (
    Ask,
    Check,
    Checking,
    Counting,
    Daily,
    Insight,
    Paging,
    Searching,
)
from services.availability.rules.travel import DEFAULT_SPEED_KMH
from services.availability.servicer.catalog_messages import place_in
from services.availability.servicer.insight import InsightCalls
from services.availability.servicer.reading import as_if_now, date_in, ends_of, local_ends, minutes
from services.availability.servicer.schedule_messages import interval_message
from services.availability.servicer.slot_messages import (
    matrix_message,
    merging_message,
    page_message,
    part_message,
    verdict_message,
)

Context = grpc.aio.ServicerContext[Any, Any]
PAGE_SIZE_DEFAULT = 200
CANDIDATES_DEFAULT = 3
# What may differ between pages of one search.
PAGE_FIELDS = (
    "page_token",
    "page_size",
    "max_candidates_per_slot",
    "at_least_as_fresh",
    "trace",
)
TRACE_ROLES = frozenset({"planner", "admin"})


class AvailabilityServicer(InsightCalls, availability_pb2_grpc.AvailabilityServiceServicer):
    """Translates; decides nothing."""

    def __init__(
        self,
        searching: Searching,
        checking: Checking,
        daily: Daily,
        insight: Insight,
        counting: Counting,
    ) -> None:
        """Keeps what answers, and what counts the questions."""
        super().__init__(daily, insight)
        self._counting = counting
        self._searching = searching
        self._checking = checking

    async def SearchSlots(  # noqa: N802
        self, request: pb.SearchSlotsRequest, context: Context
    ) -> pb.SearchSlotsResponse:
        """Lists bookable slots of a window with capacity and candidates."""
        page = await self._searching.page(
            current_caller().tenant,
            ask_in(request),
            position.decode(request.at_least_as_fresh),
            Paging(
                size=request.page_size or PAGE_SIZE_DEFAULT,
                token=request.page_token,
                candidates_max=_candidates_max(request),
                question=_question_text(request),
            ),
            traced=_traced(request),
        )
        if not request.page_token:
            self._counting.note(current_caller().tenant, found=bool(page.slots))
        return page_message(page)

    async def SearchSlotMatrix(  # noqa: N802
        self, request: pb.SearchSlotMatrixRequest, context: Context
    ) -> pb.SearchSlotMatrixResponse:
        """Answers the same question in columns, for machines."""
        found = await self._searching.matrix(
            current_caller().tenant,
            ask_in(request.query),
            position.decode(request.query.at_least_as_fresh),
            _matrix_paging(request),
            with_resources=request.with_resources,
            rejections_max=request.max_rejections,
            counting=request.count_rejections,
        )
        return matrix_message(found, with_resources=request.with_resources)

    async def CheckPlan(  # noqa: N802
        self, request: pb.CheckPlanRequest, context: Context
    ) -> pb.CheckPlanResponse:
        """Says for each resource of a plan whether it could serve the slot."""
        start, end = ends_of(request.slot, "slot")
        if start is None:
            raise Invalid.field("slot", "needs a start")
        check = Check(
            service_type_id=request.service_type_id,
            resource_ids=tuple(request.resource_ids),
            start=start,
            end=end,
            party_size=request.party_size,
            required_skills=tuple(request.required_skills),
            ignore_allocation_id=request.ignore_assignment_id,
            together=request.together,
            zone=request.zone,
            as_if_now=as_if_now(request),
            place=place_in(request.place, "place") if request.HasField("place") else None,
        )
        found = await self._checking.check(
            current_caller().tenant,
            check,
            position.decode(request.at_least_as_fresh),
            on_grid=False,
        )
        return pb.CheckPlanResponse(
            verdicts=[verdict_message(verdict) for verdict in found.verdicts],
            slot=interval_message(found.slot),
            occupied=interval_message(found.occupied),
            freshness=position.encode(found.freshness),
            tenant_time_zone=found.tenant.time_zone,
            travel_speed_kmh=found.tenant.travel_speed_kmh or DEFAULT_SPEED_KMH,
            merging=merging_message(found.merging),
            parts=[part_message(one) for one in found.parts],
        )

    async def ExplainSlot(  # noqa: N802
        self, request: pb.ExplainSlotRequest, context: Context
    ) -> pb.ExplainSlotResponse:
        """Says for every resource asked why it is or is not free in a slot."""
        start, end = ends_of(request.slot, "slot")
        if start is None:
            raise Invalid.field("slot", "needs a start")
        check = Check(
            service_type_id=request.service_type_id,
            resource_ids=tuple(request.resource_ids),
            start=start,
            end=end,
            party_size=request.party_size,
            required_skills=tuple(request.required_skills),
            ignore_allocation_id=request.ignore_assignment_id,
            as_if_now=as_if_now(request),
            place=place_in(request.place, "place") if request.HasField("place") else None,
        )
        found = await self._checking.check(
            current_caller().tenant,
            check,
            position.decode(request.at_least_as_fresh),
            on_grid=True,
        )
        return pb.ExplainSlotResponse(
            verdicts=[verdict_message(verdict) for verdict in found.verdicts],
            slot=interval_message(found.slot),
            result=found.result,
            freshness=position.encode(found.freshness),
        )

    async def MeasureWays(  # noqa: N802
        self, request: pb.MeasureWaysRequest, context: Context
    ) -> pb.MeasureWaysResponse:
        """Measures the ways between places."""
        found = await self._checking.ways(
            current_caller().tenant,
            [place_in(one, "origins") for one in request.origins],
            [place_in(one, "destinations") for one in request.destinations],
        )
        return pb.MeasureWaysResponse(minutes=found)

    async def GetOfferedDays(  # noqa: N802
        self, request: pb.GetOfferedDaysRequest, context: Context
    ) -> pb.GetOfferedDaysResponse:
        """Counts the working days each resource offers in a month of the tenant's zone."""
        rows, tenant, freshness = await self._checking.offered(
            current_caller().tenant,
            month=request.month,
            skill=request.skill,
            resource_ids=tuple(request.resource_ids),
            token=position.decode(request.at_least_as_fresh),
            since=date_in(request.since, "since") if request.HasField("since") else None,
        )
        return pb.GetOfferedDaysResponse(
            rows=[
                pb.OfferedDays(
                    resource_id=row.resource.id,
                    display_name=row.resource.display_name,
                    kind=catalog_pb2.Resource.Kind.Value(row.resource.kind),
                    days=row.days,
                    minutes=row.minutes,
                )
                for row in rows
            ],
            tenant_time_zone=tenant.time_zone,
            freshness=position.encode(freshness),
        )


def ask_in(request: pb.SearchSlotsRequest) -> Ask:
    """Returns what a search asks."""
    if request.HasField("window") and request.HasField("local_window"):
        raise Invalid.field("local_window", "excludes window")
    start, end = ends_of(request.window, "window")
    if request.HasField("local_window"):
        start, end = local_ends(request.local_window, request.time_zone, "local_window")
    return Ask(
        service_type_id=request.service_type_id,
        window_start=start,
        window_end=end,
        time_zone=request.time_zone,
        duration_minutes=minutes(request.duration, "duration"),
        granularity_minutes=minutes(request.granularity, "granularity"),
        party_size=request.party_size,
        required_skills=tuple(request.required_skills),
        resource_ids=tuple(request.resource_ids),
        zone=request.zone,
        as_if_now=as_if_now(request),
        near=place_in(request.near, "near") if request.HasField("near") else None,
        ignore_allocation_id=request.ignore_assignment_id,
    )


def _traced(request: pb.SearchSlotsRequest) -> bool:
    """Says whether to tell how the answer came about; refuses those who may not know."""
    if request.trace and not TRACE_ROLES & set(current_caller().roles):
        raise Denied("PERMISSION_DENIED", "only planners and admins may ask for a trace")
    return bool(request.trace)


def _question_text(request: pb.SearchSlotsRequest) -> str:
    """Returns what all pages of a search have in common, as text."""
    plain = pb.SearchSlotsRequest()
    plain.CopyFrom(request)
    for field in (
        "page_token",
        "page_size",
        "max_candidates_per_slot",
        "at_least_as_fresh",
        "trace",
    ):
        plain.ClearField(field)
    return plain.SerializeToString(deterministic=True).hex()


def _matrix_paging(request: pb.SearchSlotMatrixRequest) -> Paging | None:
    if not request.page_size:
        if request.page_token:
            raise Invalid.field("page_token", "needs the page_size it was given with")
        return None
    return Paging(
        size=request.page_size,
        token=request.page_token,
        candidates_max=_candidates_max(request.query),
        question=_question_text(request.query),
    )


def _candidates_max(request: pb.SearchSlotsRequest) -> int:
    if request.HasField("max_candidates_per_slot"):
        return int(request.max_candidates_per_slot)
    return CANDIDATES_DEFAULT
