"""A real gRPC server that answers every call of the contracts, and remembers what reached it."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc

# Loaded for the descriptors they register.
from fairslot.assignment.v1 import assignment_pb2, request_pb2
from fairslot.availability.v1 import availability_pb2, catalog_pb2, schedule_pb2
from fairslot.gateway.v1 import calendar_pb2, planner_pb2
from fairslot.matching.v1 import matching_pb2
from fairslot.notify.v1 import webhook_pb2
from google.protobuf.descriptor_pool import Default
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer

LOADED = (
    assignment_pb2,
    request_pb2,
    availability_pb2,
    catalog_pb2,
    schedule_pb2,
    calendar_pb2,
    planner_pb2,
    matching_pb2,
    webhook_pb2,
)
Context = grpc.aio.ServicerContext[Any, Any]
Answer = Callable[[Any, Context], Awaitable[Any]]


@dataclass
class Seen:
    """One call as it reached the server."""

    method: str
    metadata: dict[str, str | bytes]
    request: Any
    seconds_left: float | None


@dataclass
class Backend(grpc.GenericRpcHandler):
    """Answers with an empty message unless told otherwise."""

    name: str
    calls: list[Seen] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)
    streams: dict[str, Callable[[Any, Context], AsyncIterator[Any]]] = field(default_factory=dict)
    address: str = ""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        path = handler_call_details.method
        try:
            method = Default().FindMethodByName(path.strip("/").replace("/", "."))
        except KeyError:
            return None
        reads = GetMessageClass(method.input_type).FromString
        writes = GetMessageClass(method.output_type).SerializeToString

        def remember(request: Any, context: Context) -> None:
            metadata = dict(context.invocation_metadata() or ())
            self.calls.append(Seen(method.name, metadata, request, context.time_remaining()))

        async def answer(request: Any, context: Context) -> Any:
            remember(request, context)
            if method.name in self.answers:
                return await self.answers[method.name](request, context)
            return GetMessageClass(method.output_type)()

        async def stream(request: Any, context: Context) -> AsyncIterator[Any]:
            remember(request, context)
            async for one in self.streams[method.name](request, context):
                yield one

        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(
                stream, request_deserializer=reads, response_serializer=writes
            )
        return grpc.unary_unary_rpc_method_handler(
            answer, request_deserializer=reads, response_serializer=writes
        )

    @property
    def last(self) -> Seen:
        return self.calls[-1]


@asynccontextmanager
async def serving(backend: Backend, port: int = 0) -> AsyncIterator[grpc.aio.Server]:
    """Serves the backend with its health until the block ends."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    health = HealthServicer()
    await health.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    server.add_generic_rpc_handlers((backend,))
    backend.address = f"127.0.0.1:{server.add_insecure_port(f'127.0.0.1:{port}')}"
    await server.start()
    try:
        yield server
    finally:
        await server.stop(None)


async def main(port: int) -> None:
    """Serves alone in a process, to be killed."""
    async with serving(Backend(name=str(port)), port) as server:
        await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
