"""Serves AvailabilityService: turns messages into questions and answers into messages."""

from typing import Any

import grpc
from fairslot.availability.v1 import availability_pb2 as pb
from fairslot.availability.v1 import availability_pb2_grpc, catalog_pb2
from fairslot.type.v1 import type_pb2

from kit import position
from kit.call import current_caller
from kit.fault import Invalid
from services.availability.domain import Obstacle, Question, Verdict
from services.availability.engine import (
    Ask,
    Check,
    Checking,
    Matrix,
    Paging,
    Searching,
    SlotPage,
)
from services.availability.servicer.catalog_messages import minutes_message
from services.availability.servicer.columns import put_fixed32
from services.availability.servicer.reading import as_if_now, ends_of, local_ends, minutes
from services.availability.servicer.schedule_messages import interval_message, timestamp

Context = grpc.aio.ServicerContext[Any, Any]
PAGE_SIZE_DEFAULT = 200
CANDIDATES_DEFAULT = 3


class AvailabilityServicer(availability_pb2_grpc.AvailabilityServiceServicer):
    """Translates; decides nothing."""

    def __init__(self, searching: Searching, checking: Checking) -> None:
        """Keeps what answers."""
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
        )
        return _page_message(page)

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
        )
        return _matrix_message(found, with_resources=request.with_resources)

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
            as_if_now=as_if_now(request),
        )
        found = await self._checking.check(
            current_caller().tenant,
            check,
            position.decode(request.at_least_as_fresh),
            on_grid=False,
        )
        return pb.CheckPlanResponse(
            verdicts=[_verdict_message(verdict) for verdict in found.verdicts],
            slot=interval_message(found.slot),
            occupied=interval_message(found.occupied),
            freshness=position.encode(found.freshness),
            tenant_time_zone=found.tenant.time_zone,
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
            as_if_now=as_if_now(request),
        )
        found = await self._checking.check(
            current_caller().tenant,
            check,
            position.decode(request.at_least_as_fresh),
            on_grid=True,
        )
        return pb.ExplainSlotResponse(
            verdicts=[_verdict_message(verdict) for verdict in found.verdicts],
            slot=interval_message(found.slot),
            result=found.result,
            freshness=position.encode(found.freshness),
        )

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
        )
        return pb.GetOfferedDaysResponse(
            rows=[
                pb.OfferedDays(
                    resource_id=row.resource.id,
                    display_name=row.resource.display_name,
                    kind=catalog_pb2.Resource.Kind.Value(row.resource.kind),
                    days=row.days,
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
    )


def _question_text(request: pb.SearchSlotsRequest) -> str:
    """Returns what all pages of a search have in common, as text."""
    plain = pb.SearchSlotsRequest()
    plain.CopyFrom(request)
    for field in ("page_token", "page_size", "max_candidates_per_slot", "at_least_as_fresh"):
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


def _page_message(page: SlotPage) -> pb.SearchSlotsResponse:
    return pb.SearchSlotsResponse(
        query=_query_message(page.question),
        slots=[
            pb.Slot(
                start=timestamp(slot.start),
                end=timestamp(slot.end),
                capacity=slot.capacity,
                candidates=slot.candidates,
            )
            for slot in page.slots
        ],
        result=page.result,
        freshness=position.encode(page.freshness),
        cache=pb.SearchSlotsResponse.Cache.Value(page.cache),
        next_page_token=page.next_page_token,
    )


def _matrix_message(found: Matrix, *, with_resources: bool) -> pb.SearchSlotMatrixResponse:
    code = type_pb2.Obstacle.Code.Value
    message = pb.SearchSlotMatrixResponse(
        query=_query_message(found.question),
        resource_ids=[resource.id for resource in found.resources],
        months=found.months,
        rejections=[
            pb.Rejection(resource_id=one.resource_id, reasons=[code(r) for r in one.reasons])
            for one in found.rejections
        ],
        rejected_count=found.rejected_count,
        tenant_time_zone=found.tenant_time_zone,
        freshness=position.encode(found.freshness),
        result=found.result,
        next_page_token=found.next_page_token,
        cache=pb.SearchSlotsResponse.Cache.Value(found.cache),
    )
    if with_resources:
        kind = catalog_pb2.Resource.Kind.Value
        message.resources.extend(
            pb.MatrixResource(
                id=one.id,
                display_name=one.display_name,
                kind=kind(one.kind),
                priority=one.priority,
                capacity_max=one.capacity_max,
                zone=one.zone,
                offered_days=days,
            )
            for one, days in zip(found.resources, found.offered, strict=True)
        )
    put_fixed32(message, "start_minutes", found.starts)
    put_fixed32(message, "capacities", found.capacities)
    put_fixed32(message, "candidate_indexes", found.candidates)
    return message


def _query_message(question: Question) -> pb.SlotQuery:
    return pb.SlotQuery(
        service_type_id=question.service_type_id,
        window=interval_message(question.window),
        time_zone=question.time_zone,
        duration=minutes_message(question.shape.duration),
        granularity=minutes_message(question.shape.granularity),
        party_size=question.wanted.party_size,
        required_skills=[one.name for one in question.wanted.skills],
        resource_ids=question.wanted.resource_ids,
        zone=question.wanted.zone,
        buffer_before=minutes_message(question.shape.buffer_before),
        buffer_after=minutes_message(question.shape.buffer_after),
    )


def _verdict_message(verdict: Verdict) -> pb.Verdict:
    return pb.Verdict(
        resource_id=verdict.resource_id,
        free=verdict.free,
        obstacles=[_obstacle_message(one) for one in verdict.obstacles],
        display_name=verdict.display_name,
    )


def _obstacle_message(obstacle: Obstacle) -> type_pb2.Obstacle:
    return type_pb2.Obstacle(
        code=type_pb2.Obstacle.Code.Value(obstacle.code),
        blocking_id=obstacle.blocking_id,
        interval=None if obstacle.span is None else interval_message(obstacle.span),
        detail=obstacle.detail,
    )
