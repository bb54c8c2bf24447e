"""Writes answers to slot questions: pages, columns, verdicts."""

from collections.abc import Mapping

from fairslot.availability.v1 import availability_pb2 as pb
from fairslot.availability.v1 import catalog_pb2
from fairslot.type.v1 import type_pb2
from google.protobuf.duration_pb2 import Duration

from kit import position
from services.availability.domain import (
    Merging,
    Obstacle,
    ObstacleCode,
    Question,
    Resource,
    Verdict,
)
from services.availability.engine import Matrix, Rejection, SlotPage, Trace
from services.availability.servicer.catalog_messages import (
    limits_message,
    minutes_message,
    place_message,
)
from services.availability.servicer.columns import put_fixed32
from services.availability.servicer.schedule_messages import interval_message, timestamp


def page_message(page: SlotPage) -> pb.SearchSlotsResponse:
    """Returns a page of slots."""
    return pb.SearchSlotsResponse(
        query=query_message(page.question),
        slots=[
            pb.Slot(
                start=timestamp(slot.start),
                end=timestamp(slot.end),
                capacity=slot.capacity,
                candidates=slot.candidates,
                mergeable=slot.mergeable,
            )
            for slot in page.slots
        ],
        result=page.result,
        freshness=position.encode(page.freshness),
        cache=pb.SearchSlotsResponse.Cache.Value(page.cache),
        next_page_token=page.next_page_token,
        trace=None if page.trace is None else trace_message(page.trace, page.freshness),
    )


def trace_message(trace: Trace, freshness: Mapping[str, int]) -> pb.SearchTrace:
    """Returns how an answer came about."""
    return pb.SearchTrace(
        steps=[
            pb.TraceStep(
                name=step.name,
                detail=step.detail,
                count=step.count,
                duration=Duration(nanos=int(step.seconds * 1e9) % 10**9, seconds=int(step.seconds)),
            )
            for step in trace.steps
        ],
        rejections=[_rejection_message(one) for one in trace.rejections],
        rejected_count=trace.rejected_count,
        positions=freshness,
    )


def matrix_message(found: Matrix, *, with_resources: bool) -> pb.SearchSlotMatrixResponse:
    """Returns an answer in columns; the packed ones are handed over whole."""
    message = pb.SearchSlotMatrixResponse(
        query=query_message(found.question),
        resource_ids=[resource.id for resource in found.resources],
        months=found.months,
        rejections=[_rejection_message(one) for one in found.rejections],
        rejection_counts=[
            pb.RejectionCount(reasons=map(_code, reasons), resource_count=count)
            for reasons, count in sorted(found.rejection_counts.items())
        ],
        rejected_count=found.rejected_count,
        tenant_time_zone=found.tenant_time_zone,
        freshness=position.encode(found.freshness),
        result=found.result,
        next_page_token=found.next_page_token,
        cache=pb.SearchSlotsResponse.Cache.Value(found.cache),
        limited=any(resource.limits for resource in found.resources),
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
                capacity_min=one.capacity_min,
                movable=one.movable,
                adjacent_resource_ids=one.adjacent_resource_ids,
                home=None if one.home is None else place_message(one.home),
                time_zone=one.time_zone or found.tenant_time_zone,
                skill_count=len(one.skills),
            )
            for one, days in zip(found.resources, found.offered, strict=True)
        )
    message.preferences.extend(found.preferences.tolist())
    put_fixed32(message, "start_minutes", found.starts)
    put_fixed32(message, "capacities", found.capacities)
    put_fixed32(message, "candidate_indexes", found.candidates)
    put_fixed32(message, "travel_minutes", found.travel_minutes)
    return message


def _rejection_message(one: Rejection) -> pb.Rejection:
    return pb.Rejection(resource_id=one.resource_id, reasons=map(_code, one.reasons))


def _code(reason: ObstacleCode) -> type_pb2.Obstacle.Code.ValueType:
    return type_pb2.Obstacle.Code.Value(reason)


def query_message(question: Question) -> pb.SlotQuery:
    """Returns a question as it was understood."""
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
        merging=merging_message(question.merging),
        near=None if question.near is None else place_message(question.near),
    )


def verdict_message(verdict: Verdict) -> pb.Verdict:
    """Returns a verdict on one resource."""
    return pb.Verdict(
        resource_id=verdict.resource_id,
        free=verdict.free,
        obstacles=[obstacle_message(one) for one in verdict.obstacles],
        display_name=verdict.display_name,
        generation=verdict.generation,
        time_zone=verdict.time_zone,
        limits=limits_message(verdict.limits) if verdict.limits else None,
    )


def obstacle_message(obstacle: Obstacle) -> type_pb2.Obstacle:
    """Returns one thing that is in the way."""
    return type_pb2.Obstacle(
        code=type_pb2.Obstacle.Code.Value(obstacle.code),
        blocking_id=obstacle.blocking_id,
        interval=None if obstacle.span is None else interval_message(obstacle.span),
        detail=obstacle.detail,
    )


def merging_message(merging: Merging | None) -> pb.Merging | None:
    """Returns how several may serve together, if they may."""
    if merging is None:
        return None
    return pb.Merging(size_max=merging.size_max, seat_loss_per_joint=merging.seat_loss_per_joint)


def part_message(resource: Resource) -> pb.MergePart:
    """Returns what a merge needs to know of a resource."""
    return pb.MergePart(
        resource_id=resource.id,
        zone=resource.zone,
        movable=resource.movable,
        capacity_max=resource.capacity_max,
        adjacent_resource_ids=resource.adjacent_resource_ids,
    )
