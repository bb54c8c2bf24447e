"""Asks availability who is free when, how long a service takes and what everybody offers."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import grpc
import numpy as np
from fairslot.availability.v1 import (
    availability_pb2,
    availability_pb2_grpc,
    catalog_pb2,
    catalog_pb2_grpc,
)
from fairslot.type.v1 import type_pb2
from google.type.date_pb2 import Date

from kit.channel import call
from services.matching.domain import (
    Month,
    Place,
    Question,
    Rejection,
    Resource,
    ceil_minute,
    floor_minute,
)
from services.matching.engine import Matrix, Offer, Offers
from services.matching.engine.outside import Column
from services.matching.peers.spans import interval, latlng, moment
from services.matching.rules.merges import Terms

PERSON = catalog_pb2.Resource.Kind.PERSON
MINUTE = timedelta(minutes=1)
# What stands for a way that availability does not know.
NOT_KNOWN = 2**32 - 1


class AvailabilityPeer:
    """Speaks to availability over one channel, on behalf of whoever is calling."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Keeps stubs on the channel, which the caller opens and closes."""
        self._free = availability_pb2_grpc.AvailabilityServiceStub(channel)
        self._catalog = catalog_pb2_grpc.CatalogServiceStub(channel)

    async def slots(
        self,
        question: Question,
        *,
        max_rejections: int,
        at_least_as_fresh: str,
        as_if_now: datetime | None,
    ) -> Matrix:
        """Returns the free slots of the question's window and who could serve them."""
        query = availability_pb2.SearchSlotsRequest(
            service_type_id=question.service_type_id,
            party_size=question.party_size,
            required_skills=question.required_skills,
            resource_ids=question.resource_ids,
            zone=question.zone,
            near=latlng(question.place),
            at_least_as_fresh=at_least_as_fresh,
            ignore_assignment_id=question.ignored_allocation_id,
        )
        if question.window.start is not None or question.window.end is not None:
            query.window.CopyFrom(interval(question.window))
        if as_if_now is not None:
            query.as_if_now.FromDatetime(as_if_now)
        request = availability_pb2.SearchSlotMatrixRequest(
            query=query, with_resources=True, max_rejections=max_rejections
        )
        return _matrix(await call(self._free.SearchSlotMatrix, request))

    async def duration_minutes(self, service_type_id: str) -> int:
        """Returns how long the service type takes."""
        request = catalog_pb2.GetServiceTypeRequest(id=service_type_id)
        found = await call(self._catalog.GetServiceType, request)
        return found.service_type.duration.ToTimedelta() // MINUTE

    async def buffers(self, service_type_id: str) -> tuple[int, int]:
        """Returns the minutes the service type keeps free before and after its slot."""
        request = catalog_pb2.GetServiceTypeRequest(id=service_type_id)
        found = (await call(self._catalog.GetServiceType, request)).service_type
        before, after = found.buffer_before.ToTimedelta(), found.buffer_after.ToTimedelta()
        return -(-before // MINUTE), -(-after // MINUTE)

    async def ways(
        self, origins: Sequence[Place], destinations: Sequence[Place]
    ) -> tuple[tuple[int, ...], ...]:
        """Returns the minutes from each origin to every destination."""
        request = availability_pb2.MeasureWaysRequest(
            origins=[latlng(one) for one in origins],
            destinations=[latlng(one) for one in destinations],
        )
        minutes = (await call(self._free.MeasureWays, request)).minutes
        width = len(destinations)
        return tuple(
            tuple(minutes[first : first + width]) for first in range(0, len(minutes), width)
        )

    async def offers(
        self,
        month: Month,
        *,
        skill: str,
        resource_ids: tuple[str, ...],
        at_least_as_fresh: str,
        since: date | None = None,
    ) -> Offers:
        """Returns what those with the skill, or those named, offer in a month, or in what of it
        lies on or after `since`.
        """
        request = availability_pb2.GetOfferedDaysRequest(
            month=str(month),
            skill=skill,
            resource_ids=resource_ids,
            at_least_as_fresh=at_least_as_fresh,
        )
        if since is not None:
            request.since.CopyFrom(Date(year=since.year, month=since.month, day=since.day))
        found = await call(self._free.GetOfferedDays, request)
        return Offers(
            offers=tuple(
                Offer(
                    resource=Resource(
                        id=row.resource_id,
                        display_name=row.display_name,
                        is_person=row.kind == PERSON,
                    ),
                    days=row.days,
                    minutes=row.minutes,
                )
                for row in found.rows
            ),
            time_zone=found.tenant_time_zone,
        )


def _matrix(reply: availability_pb2.SearchSlotMatrixResponse) -> Matrix:
    """Takes the columns over as arrays; the packed ones are copied whole, never item by item."""
    window = reply.query.window
    offered = [row.offered_days for row in reply.resources]
    return Matrix(
        window_start=ceil_minute(moment(window.start_time)),
        window_end=floor_minute(moment(window.end_time)),
        duration=reply.query.duration.ToTimedelta() // MINUTE,
        required_skills=tuple(reply.query.required_skills),
        resources=tuple(
            Resource(
                id=row.id,
                display_name=row.display_name,
                is_person=row.kind == PERSON,
                priority=row.priority,
                capacity_max=row.capacity_max,
                zone=row.zone,
                movable=row.movable,
                adjacent_ids=tuple(row.adjacent_resource_ids),
                skill_count=row.skill_count,
            )
            for row in reply.resources
        ),
        offered=np.array(offered, dtype=np.int64).reshape(len(offered), len(reply.months)),
        months=tuple(Month.parse(month) for month in reply.months),
        starts=np.array(reply.start_minutes, dtype=np.int64),
        capacities=np.array(reply.capacities, dtype=np.int64),
        pairs=np.array(reply.candidate_indexes, dtype=np.int64),
        rejections=tuple(
            Rejection(
                resource_id=one.resource_id,
                reasons=tuple(type_pb2.Obstacle.Code.Name(code) for code in one.reasons),
            )
            for one in reply.rejections
        ),
        rejected_count=reply.rejected_count,
        time_zone=reply.tenant_time_zone,
        freshness=reply.freshness,
        result=reply.result,
        suits=np.array(reply.preferences, dtype=np.int64) if reply.preferences else None,
        travel_minutes=_travel(reply),
        merging=_terms(reply.query) if reply.query.HasField("merging") else None,
    )


def _terms(query: availability_pb2.SlotQuery) -> Terms:
    return Terms(query.merging.size_max, query.merging.seat_loss_per_joint)


def _travel(reply: availability_pb2.SearchSlotMatrixResponse) -> Column | None:
    """Gives the minutes to travel; what is not known becomes -1."""
    if not reply.travel_minutes:
        return None
    found = np.array(reply.travel_minutes, dtype=np.int64)
    found[found == NOT_KNOWN] = -1
    return found
