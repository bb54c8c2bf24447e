"""Everything that happens around a call, listed once, in order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

import grpc
import protovalidate
from fairslot.type.v1 import access_pb2
from google.protobuf.descriptor_pool import Default
from google.protobuf.message import DecodeError, Message

from kit import tracing
from kit.call import HOP_SECONDS, Call, current
from kit.fault import Broken, Denied, Fault, Invalid, TimedOut, abort, from_rpc_error
from kit.identity import Verifier
from kit.logs import logger
from kit.metrics import CallMetrics

Context = grpc.aio.ServicerContext[Any, Any]
Behaviour = Callable[[Any, Context], Any]

# Neither of these says anything about a tenant.
OPEN_SERVICES = ("/grpc.health.v1.Health/", "/grpc.reflection.")
BEARER = "bearer "
log = logger("interceptors")


def serialized(message: Message) -> bytes:
    """Returns the bytes of an answer, the same in every process: maps have no order of their own,
    and a stored answer is repeated byte for byte.
    """
    return message.SerializeToString(deterministic=True)


class Edge(grpc.aio.ServerInterceptor):
    """Wraps every method in the steps of `STEPS`, with metrics and faults around them."""

    def __init__(self, *, verifier: Verifier, metrics: CallMetrics) -> None:
        self.verifier = verifier
        self.metrics = metrics
        self.validator = protovalidate.Validator()
        self._wrapped: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
        self._roles: dict[str, frozenset[str]] = {}

    async def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]
        ],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Returns the method's handler, wrapped once and kept."""
        method = handler_call_details.method
        known = self._wrapped.get(method)
        if known is not None:
            return known
        handler = await continuation(handler_call_details)
        if handler is None or method.startswith(OPEN_SERVICES):
            return handler
        self._wrapped[method] = wrapped = self._wrap(method, handler)
        return wrapped

    def roles(self, method: str) -> frozenset[str]:
        """Returns the roles that the contract lets call the method."""
        known = self._roles.get(method)
        if known is None:
            descriptor = Default().FindMethodByName(method.strip("/").replace("/", "."))
            access = descriptor.GetOptions().Extensions[access_pb2.access]
            names = access_pb2.Access.Role.Name
            self._roles[method] = known = frozenset(names(role).lower() for role in access.roles)
        return known

    def _wrap(
        self, method: str, handler: grpc.RpcMethodHandler[Any, Any]
    ) -> grpc.RpcMethodHandler[Any, Any]:
        if handler.request_streaming:
            # Seen when the server starts: a request is admitted whole, or not at all.
            raise TypeError(f"{method} streams requests; the edge admits calls of one request")
        parse = handler.request_deserializer
        # Bytes come in as they are, so that a malformed message is refused by us with a reason.
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(
                self._stream(method, parse, handler.unary_stream),
                request_deserializer=None,
                response_serializer=handler.response_serializer,
            )
        return grpc.unary_unary_rpc_method_handler(
            self._unary(method, parse, handler.unary_unary),
            request_deserializer=None,
            response_serializer=serialized,
        )

    def _unary(self, method: str, parse: Any, behave: Any) -> Behaviour:
        async def unary(body: bytes, context: Context) -> Any:
            began = time.perf_counter()
            call = Call(method=method, request_id="")
            token = current.set(call)
            fault: Fault | None = None
            try:
                request = await self._admit(call, parse, body, context, streaming=False)
                left = max(0.0, (call.deadline_at or 0.0) - time.monotonic())
                async with asyncio.timeout(left):
                    return await behave(request, context)
            except asyncio.CancelledError:
                fault = TimedOut("DEADLINE_EXCEEDED", "the caller went away")
                raise
            except Exception as error:
                fault = as_fault(error)
            finally:
                self._finish(call, context, fault, began)
                current.reset(token)
            return await abort(context, fault, call.trailers)

        return unary

    def _stream(self, method: str, parse: Any, behave: Any) -> Behaviour:
        # It writes and is no generator: one that its caller leaves is closed in another context.
        async def stream(body: bytes, context: Context) -> None:
            began = time.perf_counter()
            call = Call(method=method, request_id="")
            token = current.set(call)
            fault: Fault | None = None
            try:
                request = await self._admit(call, parse, body, context, streaming=True)
                async with aclosing(behave(request, context)) as answers:
                    async for answer in answers:
                        await context.write(answer)
                return
            except asyncio.CancelledError:
                fault = call.cut_off
                if fault is None:
                    raise
            except Exception as error:
                fault = as_fault(error)
            finally:
                self._finish(call, context, fault, began)
                current.reset(token)
            await abort(context, fault, call.trailers)

        return stream

    async def _admit(
        self, call: Call, parse: Any, body: bytes, context: Context, *, streaming: bool
    ) -> Message:
        metadata = {
            key: value
            for key, value in context.invocation_metadata() or ()
            if isinstance(value, str)
        }
        try:
            message: Message = parse(body)
        except (DecodeError, ValueError) as error:
            raise Invalid("INVALID_ARGUMENT", "the message cannot be read") from error
        for step in STEPS:
            step(self, call, metadata, context, message, streaming)
        return message

    def _finish(self, call: Call, context: Context, fault: Fault | None, began: float) -> None:
        if call.trailers:
            context.set_trailing_metadata(tuple(call.trailers.items()))
        self.metrics.observe(
            method=call.method,
            code=fault.code.name if fault else "OK",
            reason=fault.reason if fault else "",
            seconds=time.perf_counter() - began,
        )


def as_fault(error: Exception) -> Fault:
    """Returns the fault that an exception means; what nobody foresaw is logged and says nothing."""
    if isinstance(error, Fault):
        return error
    if isinstance(error, grpc.aio.AioRpcError):
        return from_rpc_error(error)
    if isinstance(error, TimeoutError):
        return TimedOut("DEADLINE_EXCEEDED", "the deadline passed before the answer was ready")
    log.error("a call failed in a way nobody foresaw", exc_info=error)
    call = current.get()
    return Broken(
        "INTERNAL", "something broke on our side", request_id=call.request_id if call else ""
    )


def trace(
    _edge: Edge,
    call: Call,
    metadata: dict[str, str],
    _context: Context,
    _message: Message,
    _streaming: bool,
) -> None:
    """Gives the call an id that logs and later hops share."""
    call.request_id = tracing.request_id(metadata)
    call.traceparent = tracing.traceparent(metadata)
    call.idempotency_key = metadata.get("idempotency-key", "")


def deadline(
    _edge: Edge,
    call: Call,
    _metadata: dict[str, str],
    context: Context,
    _message: Message,
    streaming: bool,
) -> None:
    """Demands a deadline of unary calls and keeps a little of it for the way back."""
    left = context.time_remaining()
    if streaming:
        return
    if left is None:
        raise Invalid("DEADLINE_REQUIRED", "send a deadline with every call")
    call.deadline_at = time.monotonic() + max(0.0, left - HOP_SECONDS)


def identity(
    edge: Edge,
    call: Call,
    metadata: dict[str, str],
    _context: Context,
    _message: Message,
    _streaming: bool,
) -> None:
    """Takes tenant, subject and roles from the verified token and from nowhere else."""
    header = metadata.get("authorization", "")
    token = header[len(BEARER) :] if header.lower().startswith(BEARER) else ""
    call.caller = edge.verifier.verify(token)


def authorisation(
    edge: Edge,
    call: Call,
    _metadata: dict[str, str],
    _context: Context,
    _message: Message,
    _streaming: bool,
) -> None:
    """Lets in only the roles that the contract names for the method."""
    assert call.caller is not None
    allowed = edge.roles(call.method)
    if not allowed & call.caller.roles:
        raise Denied(
            "PERMISSION_DENIED",
            f"this call takes one of the roles {', '.join(sorted(allowed))}",
        )


def validation(
    edge: Edge,
    _call: Call,
    _metadata: dict[str, str],
    _context: Context,
    message: Message,
    _streaming: bool,
) -> None:
    """Refuses a message that breaks the rules written beside its fields."""
    found = edge.validator.collect_violations(message)
    if found:
        violations = tuple((field_path(item.proto.field), item.proto.message) for item in found)
        raise Invalid(
            "INVALID_ARGUMENT",
            "; ".join(f"{path}: {text}" if path else text for path, text in violations),
            violations=violations,
        )


def field_path(path: Any) -> str:
    """Returns a violation's path as a person writes it: slots[2].start."""
    text = ""
    for element in path.elements if path is not None else ():
        text += f".{element.field_name}" if text else element.field_name
        subscript = element.subscript
        if subscript is not None:
            text += f"[{subscript.value}]" if hasattr(subscript, "value") else f"[{subscript}]"
    return text


# The order matters: a call is named before it is refused, timed before it may wait, known before
# it is
# let in, and let in before its contents are looked at.
STEPS = (trace, deadline, identity, authorisation, validation)
