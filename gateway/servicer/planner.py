"""Serves PlannerService: streams that hand on bytes which were made once for all watchers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc
from fairslot.gateway.v1 import planner_pb2

from gateway.domain import Mark
from gateway.engine import Hub
from kit.call import current_caller
from kit.clock import Clock

SERVICE = "fairslot.gateway.v1.PlannerService"
TOPIC = "feed"


class PlannerServicer:
    """Translates between watchers and the hub."""

    def __init__(self, hub: Hub, *, clock: Clock) -> None:
        self._hub = hub
        self._clock = clock

    def register(self, server: grpc.aio.Server) -> None:
        """Adds the service to a server. Answers are bytes already, so nothing serializes them."""
        handler: grpc.RpcMethodHandler[Any, Any] = grpc.unary_stream_rpc_method_handler(
            self.watch_changes,
            request_deserializer=planner_pb2.WatchChangesRequest.FromString,
            response_serializer=None,
        )
        handlers = grpc.method_handlers_generic_handler(SERVICE, {"WatchChanges": handler})
        server.add_generic_rpc_handlers((handlers,))

    async def watch_changes(
        self,
        request: planner_pb2.WatchChangesRequest,
        _context: grpc.aio.ServicerContext[Any, Any],
    ) -> AsyncIterator[bytes]:
        """Streams the changes of the caller's tenant."""
        watching = self._hub.watch(
            tenant=current_caller().tenant,
            topics=frozenset(request.topics),
            token=request.resume_token,
        )
        async with aclosing(watching) as told:
            async for item in told:
                yield self._sign(item) if isinstance(item, Mark) else item.body

    def _sign(self, mark: Mark) -> bytes:
        change = planner_pb2.Change(
            topic=TOPIC,
            kind=planner_pb2.Change.Kind.Value(mark.sign.value),
            position=str(mark.position),
        )
        change.at.FromDatetime(self._clock.now())
        return change.SerializeToString()
