"""Asks assignment what is wanted and what is committed (plain reads that call nobody); commits."""

import grpc
import numpy as np
from fairslot.assignment.v1 import (
    assignment_pb2,
    assignment_pb2_grpc,
    request_pb2,
    request_pb2_grpc,
)

from kit.channel import call
from services.matching.domain import Candidate, Question, Window, moment_of
from services.matching.engine import Workload
from services.matching.engine.batch import Committed
from services.matching.peers.spans import interval, place, window

# What the ledger keeps of a reason.
REASON_MAX = 2048


class AssignmentPeer:
    """Speaks to assignment over one channel, on behalf of whoever is calling."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Keeps stubs on the channel, which the caller opens and closes."""
        self._requests = request_pb2_grpc.RequestServiceStub(channel)
        self._ledger = assignment_pb2_grpc.AssignmentServiceStub(channel)

    async def question_of(self, booking_request_id: str) -> Question:
        """Returns what a booking request asks for."""
        reply = await call(
            self._requests.GetRequest, request_pb2.GetRequestRequest(id=booking_request_id)
        )
        wanted = reply.request
        return Question(
            service_type_id=wanted.service_type_id,
            window=window(wanted.window),
            party_size=wanted.party_size,
            required_skills=tuple(wanted.required_skills),
            resource_ids=tuple(wanted.resource_ids),
            zone=wanted.zone,
            place=place(wanted.place) if wanted.HasField("place") else None,
            customer_hash=wanted.customer_hash,
        )

    async def workload(
        self, window: Window, *, time_zone: str, resource_ids: tuple[str, ...]
    ) -> Workload:
        """Returns the work in the window of these resources, by local days of the zone."""
        request = assignment_pb2.GetWorkloadRequest(
            window=interval(window), time_zone=time_zone, resource_ids=resource_ids
        )
        reply = await call(self._ledger.GetWorkload, request)
        return Workload(
            resource_ids=tuple(reply.resource_ids),
            indexes=np.array(reply.resource_indexes, dtype=np.int64),
            days=np.array(reply.days, dtype=np.int64),
            bookings=np.array(reply.bookings, dtype=np.int64),
            delivered=np.array(reply.delivered, dtype=np.int64) > 0,
            minutes=np.array(reply.minutes, dtype=np.int64),
            legacy=np.array(reply.legacy, dtype=np.int64) if reply.legacy else None,
        )

    async def assign(
        self, booking_request_id: str, candidate: Candidate, *, reason: str, key: str
    ) -> Committed:
        """Commits a plan to a booking request. With a reason given and no alternatives wanted, the
        ledger asks nothing of matching in return.
        """
        request = assignment_pb2.AssignRequest(
            booking_request_id=booking_request_id,
            resource_ids=candidate.resource_ids,
            reason=reason[:REASON_MAX],
            alternatives=0,
            request_id=key,
        )
        request.start.FromDatetime(moment_of(candidate.start))
        made = (await call(self._ledger.Assign, request)).assignment
        return Committed(made.id, made.freshness)
