"""Asks availability whether a plan could serve a slot, and who could."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime, timedelta

import grpc
from fairslot.availability.v1 import (
    availability_pb2,
    availability_pb2_grpc,
    catalog_pb2,
    catalog_pb2_grpc,
)
from fairslot.type.v1 import type_pb2
from google.type.interval_pb2 import Interval

from kit import position
from kit.call import current_caller
from kit.channel import call
from kit.fault import NotFound
from services.assignment.domain import (
    CheckedPlan,
    Choice,
    Limits,
    Merge,
    Obstacle,
    Part,
    Question,
    Span,
    Verdict,
)
from services.assignment.peers.moments import interval, latlng, span, timestamp

# A service type is looked up again after this long; whatever hangs on it is checked by CheckPlan.
REMEMBERED_SECONDS = 15.0
REMEMBERED_MAX = 1_000
ASKED_TOGETHER_MAX = 8
SECONDS_PER_MINUTE = 60

code_name = type_pb2.Obstacle.Code.Name


class AvailabilityPeer:
    """Speaks to availability over one channel, on behalf of whoever is calling."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Keeps stubs on the channel, which the caller opens and closes."""
        self._free = availability_pb2_grpc.AvailabilityServiceStub(channel)
        self._catalog = catalog_pb2_grpc.CatalogServiceStub(channel)
        self._durations: OrderedDict[tuple[str, str], tuple[timedelta, float]] = OrderedDict()

    async def check(
        self,
        question: Question,
        *,
        resource_ids: tuple[str, ...],
        start: datetime,
        end: datetime | None = None,
        at_least_as_fresh: str,
        ignored: str = "",
        together: bool = False,
    ) -> CheckedPlan:
        """Returns what keeps each resource of a plan from the slot, and what it would occupy; the
        time of the allocation `ignored` counts as free. With `together` the party is not compared
        with each of them, where the service type lets them merge.
        """
        request = availability_pb2.CheckPlanRequest(
            resource_ids=resource_ids,
            slot=Interval(start_time=timestamp(start), end_time=timestamp(end) if end else None),
            service_type_id=question.service_type_id,
            party_size=question.party_size,
            required_skills=question.required_skills,
            at_least_as_fresh=at_least_as_fresh,
            ignore_assignment_id=ignored,
            together=together,
            place=latlng(question.place),
            zone=question.zone,
        )
        reply = await call(self._free.CheckPlan, request)
        return CheckedPlan(
            slot=span(reply.slot),
            occupied=span(reply.occupied),
            verdicts=tuple(_verdict(verdict) for verdict in reply.verdicts),
            revision=_revision(reply.freshness),
            merge=_merge(reply) if reply.HasField("merging") else None,
        )

    async def choice(
        self, question: Question, *, start: datetime, at_least_as_fresh: str
    ) -> Choice:
        """Returns who could serve the slot that starts then, best static priority first."""
        duration = await self.duration(question.service_type_id)
        request = availability_pb2.SearchSlotMatrixRequest(
            query=availability_pb2.SearchSlotsRequest(
                service_type_id=question.service_type_id,
                window=interval(Span(start, start + duration)),
                party_size=question.party_size,
                required_skills=question.required_skills,
                resource_ids=question.resource_ids,
                zone=question.zone,
                near=latlng(question.place),
                at_least_as_fresh=at_least_as_fresh,
            ),
            count_rejections=True,
        )
        reply = await call(self._free.SearchSlotMatrix, request)
        slot = Span(start, start + reply.query.duration.ToTimedelta())
        return Choice(
            slot=slot,
            occupied=Span(
                slot.start - reply.query.buffer_before.ToTimedelta(),
                slot.end + reply.query.buffer_after.ToTimedelta(),
            ),
            resource_ids=_chosen(reply, start),
            left_out={
                tuple(map(code_name, one.reasons)): one.resource_count
                for one in reply.rejection_counts
            },
            revision=_revision(reply.freshness),
            limited=reply.limited or question.place is not None,
            mergeable=reply.query.HasField("merging") and question.party_size > 1,
        )

    async def duration(self, service_type_id: str) -> timedelta:
        """Returns how long a slot of the service type is; refuses a type that does not exist."""
        key = (current_caller().tenant, service_type_id)
        known = self._durations.get(key)
        if known is not None and known[1] > time.monotonic():
            return known[0]
        request = catalog_pb2.GetServiceTypeRequest(id=service_type_id)
        reply = await call(self._catalog.GetServiceType, request)
        found: timedelta = reply.service_type.duration.ToTimedelta()
        self._durations[key] = (found, time.monotonic() + REMEMBERED_SECONDS)
        self._durations.move_to_end(key)
        if len(self._durations) > REMEMBERED_MAX:
            self._durations.popitem(last=False)
        return found

    async def unknown_resources(self, resource_ids: Sequence[str]) -> set[str]:
        """Returns which of these resources do not exist."""
        asking = asyncio.Semaphore(ASKED_TOGETHER_MAX)

        async def is_known(resource_id: str) -> bool:
            async with asking:
                try:
                    request = catalog_pb2.GetResourceRequest(id=resource_id)
                    await call(self._catalog.GetResource, request)
                except NotFound:
                    return False
                return True

        known = await asyncio.gather(*map(is_known, resource_ids))
        return {name for name, found in zip(resource_ids, known, strict=True) if not found}


def _chosen(reply: availability_pb2.SearchSlotMatrixResponse, start: datetime) -> tuple[str, ...]:
    """Returns the candidates of the slot that starts then."""
    minute = int(start.timestamp()) // SECONDS_PER_MINUTE
    first = 0
    for begins, capacity in zip(reply.start_minutes, reply.capacities, strict=True):
        if begins == minute:
            indexes = reply.candidate_indexes[first : first + capacity]
            return tuple(reply.resource_ids[index] for index in indexes)
        first += capacity
    return ()


def _verdict(message: availability_pb2.Verdict) -> Verdict:
    return Verdict(
        message.resource_id,
        tuple(
            Obstacle(code_name(found.code), found.blocking_id, found.detail)
            for found in message.obstacles
        ),
        generation=message.generation,
        limits=_limits(message) if message.HasField("limits") else None,
    )


def _merge(reply: availability_pb2.CheckPlanResponse) -> Merge:
    return Merge(
        parts=tuple(
            Part(
                resource_id=part.resource_id,
                zone=part.zone,
                movable=part.movable,
                capacity_max=part.capacity_max,
                adjacent_ids=frozenset(part.adjacent_resource_ids),
            )
            for part in reply.parts
        ),
        size_max=reply.merging.size_max,
        seat_loss_per_joint=reply.merging.seat_loss_per_joint,
    )


def _limits(message: availability_pb2.Verdict) -> Limits | None:
    found = message.limits
    limits = Limits(
        zone=message.time_zone,
        per_day=found.per_day,
        per_week=found.per_week,
        minutes_per_day=found.minutes_per_day,
    )
    return limits if limits.zone and limits != Limits(limits.zone) else None


def _revision(freshness: str) -> int:
    return position.decode(freshness).get("catalog", 0)
