"""Serves PlannerService: streams that hand on bytes which were made once for all watchers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence, Set
from contextlib import aclosing
from functools import cache
from math import inf
from typing import Any

import grpc
from fairslot.assignment.v1 import assignment_pb2, request_pb2
from fairslot.availability.v1 import catalog_pb2, schedule_pb2
from fairslot.gateway.v1 import planner_pb2
from fairslot.matching.v1 import matching_pb2
from fairslot.type.v1 import access_pb2
from google.protobuf.descriptor_pool import Default

from gateway.domain import Entry, Mark
from gateway.domain.presence import Glance
from gateway.engine import Hub
from gateway.peers import PresencePeer
from gateway.peers.feed import POSITION_TAG
from kit.call import current_caller
from kit.clock import Clock
from kit.fault import Denied

SERVICE = "fairslot.gateway.v1.PlannerService"
# Who may read a thing may watch it: by topic, the call that reads it.
READ_BY = {
    "requests": "fairslot.assignment.v1.RequestService.ListRequests",
    "holds": "fairslot.assignment.v1.AssignmentService.ListHolds",
    "assignments": "fairslot.assignment.v1.AssignmentService.ListAssignments",
    "catalog": "fairslot.availability.v1.CatalogService.ListResources",
    "schedules": "fairslot.availability.v1.ScheduleService.GetSchedule",
    "fairness": "fairslot.matching.v1.MatchingService.GetFairness",
    "presence": "fairslot.gateway.v1.PlannerService.TellPresence",
}
TOPIC = "feed"
# The tag of Change.more on the wire: length-delimited.
MORE_TAG = bytes([planner_pb2.Change.MORE_FIELD_NUMBER << 3 | 2])
# Loaded for the contracts that they declare.
LOADED = (assignment_pb2, request_pb2, catalog_pb2, schedule_pb2, matching_pb2)


class PlannerServicer:
    """Translates between watchers and the hub."""

    def __init__(self, hub: Hub, presence: PresencePeer, *, clock: Clock) -> None:
        self._hub = hub
        self._presence = presence
        self._clock = clock

    def register(self, server: grpc.aio.Server) -> None:
        """Adds the service to a server. Answers are bytes already, so nothing serializes them."""
        handler: grpc.RpcMethodHandler[Any, Any] = grpc.unary_stream_rpc_method_handler(
            self.watch_changes,
            request_deserializer=planner_pb2.WatchChangesRequest.FromString,
            response_serializer=None,
        )
        told: grpc.RpcMethodHandler[Any, Any] = grpc.unary_unary_rpc_method_handler(
            self.tell_presence,
            request_deserializer=planner_pb2.TellPresenceRequest.FromString,
            response_serializer=planner_pb2.TellPresenceResponse.SerializeToString,
        )
        methods = {"WatchChanges": handler, "TellPresence": told}
        handlers = grpc.method_handlers_generic_handler(SERVICE, methods)
        server.add_generic_rpc_handlers((handlers,))

    async def watch_changes(
        self,
        request: planner_pb2.WatchChangesRequest,
        _context: grpc.aio.ServicerContext[Any, Any],
    ) -> AsyncIterator[bytes]:
        """Streams the changes of the caller's tenant."""
        watching = self._hub.watch(
            tenant=current_caller().tenant,
            topics=visible(current_caller().roles, request.topics),
            token=request.resume_token,
            silence_seconds=(
                request.heartbeat.ToTimedelta().total_seconds()
                if request.HasField("heartbeat")
                else inf
            ),
            together=request.together,
        )
        async with aclosing(watching) as told:
            async for item in told:
                if isinstance(item, Mark):
                    yield self._sign(item)
                else:
                    yield _placed(item) if isinstance(item, Glance) else _joined(item)

    async def tell_presence(
        self,
        request: planner_pb2.TellPresenceRequest,
        _context: grpc.aio.ServicerContext[Any, Any],
    ) -> planner_pb2.TellPresenceResponse:
        """Tells all who watch what the caller looks at."""
        caller = current_caller()
        await self._presence.tell(
            caller.tenant,
            client_id=request.client_id,
            actor=caller.subject,
            booking_request_id=request.booking_request_id,
            at=self._clock.now(),
        )
        return planner_pb2.TellPresenceResponse()

    def _sign(self, mark: Mark) -> bytes:
        change = planner_pb2.Change(
            topic=TOPIC,
            kind=planner_pb2.Change.Kind.Value(mark.sign.value),
            position=str(mark.position),
        )
        change.at.FromDatetime(self._clock.now())
        return change.SerializeToString()


def visible(roles: Set[str], wanted: Collection[str]) -> frozenset[str]:
    """Returns the topics that are told: those wanted, or all that the roles may see; empty: all.

    Refuses a topic that was asked for and may not be seen.
    """
    seen = {topic for topic, method in READ_BY.items() if readers(method) & roles}
    hidden = sorted(set(wanted) - seen)
    if hidden:
        raise Denied("PERMISSION_DENIED", f"this token may not watch {', '.join(hidden)}")
    return frozenset(wanted or (seen if len(seen) < len(READ_BY) else ()))


@cache
def readers(method: str) -> frozenset[str]:
    """Returns the roles that a contract lets make a call."""
    options = Default().FindMethodByName(method).GetOptions()
    name = access_pb2.Access.Role.Name
    return frozenset(name(role).lower() for role in options.Extensions[access_pb2.access].roles)


def _joined(run: Sequence[Entry]) -> bytes:
    first, *more = run
    if not more:
        return first.body
    parts = [first.body]
    for entry in more:
        parts += (MORE_TAG, varint(len(entry.body)), entry.body)
    return b"".join(parts)


def varint(number: int) -> bytes:
    """Returns a length as Protobuf writes it: seven bits to a byte, the lowest first."""
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def _placed(glance: Glance) -> bytes:
    token = str(glance.position).encode()
    return glance.body + POSITION_TAG + bytes([len(token)]) + token
