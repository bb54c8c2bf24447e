"""The one error that services raise and that crosses the wire whole; only this file knows status
codes.

Fault
├── Invalid          fix the call                 INVALID_ARGUMENT
├── Unauthenticated  get a token                  UNAUTHENTICATED
├── Denied           get a role                   PERMISSION_DENIED
├── NotFound         check the id                 NOT_FOUND
├── Exists           use another id               ALREADY_EXISTS
├── Conflict         read again, decide again     ABORTED
├── Refused          change the state first       FAILED_PRECONDITION
├── Exhausted        wait                         RESOURCE_EXHAUSTED
├── Unavailable      repeat with the same key     UNAVAILABLE
├── TimedOut         repeat with the same key     DEADLINE_EXCEEDED
└── Broken           report it                    INTERNAL
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, NoReturn, Self

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

DOMAIN = "fairslot"
# gRPC sends details in trailers; past this size clients start to drop them.
DETAILS_BYTES_MAX = 6_000


class Fault(Exception):
    """A refusal with a reason for machines and a sentence for people.

    `reason` is a value of fairslot.type.v1.Refusal.Reason; keyword arguments become metadata.
    """

    code: ClassVar[grpc.StatusCode] = grpc.StatusCode.INTERNAL

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        violations: Iterable[tuple[str, str]] = (),
        retry_after_seconds: float | None = None,
        details: Iterable[Message] = (),
        **metadata: object,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.violations = tuple(violations)
        self.retry_after_seconds = retry_after_seconds
        self.details = tuple(details)
        self.metadata = {key: str(value) for key, value in metadata.items()}

    @classmethod
    def field(cls, field: str, description: str) -> Self:
        """Returns the fault of one field that breaks its rule."""
        return cls(
            "INVALID_ARGUMENT", f"{field}: {description}", violations=((field, description),)
        )


class Invalid(Fault):
    """The call is wrong as it stands."""

    code = grpc.StatusCode.INVALID_ARGUMENT


class Unauthenticated(Fault):
    """The caller is nobody we know."""

    code = grpc.StatusCode.UNAUTHENTICATED


class Denied(Fault):
    """The caller may not do this."""

    code = grpc.StatusCode.PERMISSION_DENIED


class NotFound(Fault):
    """There is no such thing in the caller's tenant."""

    code = grpc.StatusCode.NOT_FOUND


class Exists(Fault):
    """The id is taken by something else."""

    code = grpc.StatusCode.ALREADY_EXISTS


class Conflict(Fault):
    """Somebody else was first."""

    code = grpc.StatusCode.ABORTED


class Refused(Fault):
    """The state of things does not allow it."""

    code = grpc.StatusCode.FAILED_PRECONDITION


class Exhausted(Fault):
    """A limit is reached."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED


class Unavailable(Fault):
    """A part is down; the same call may work later."""

    code = grpc.StatusCode.UNAVAILABLE


class TimedOut(Fault):
    """The deadline passed."""

    code = grpc.StatusCode.DEADLINE_EXCEEDED


class Broken(Fault):
    """A bug of ours."""

    code = grpc.StatusCode.INTERNAL


KINDS: dict[int, type[Fault]] = {
    kind.code.value[0]: kind
    for kind in (
        Invalid,
        Unauthenticated,
        Denied,
        NotFound,
        Exists,
        Conflict,
        Refused,
        Exhausted,
        Unavailable,
        TimedOut,
        Broken,
    )
}


def to_status(fault: Fault) -> status_pb2.Status:
    """Returns the google.rpc.Status of a fault; extra details that would not fit are left out
    whole.
    """
    status = status_pb2.Status(code=fault.code.value[0], message=fault.message)
    info = error_details_pb2.ErrorInfo(reason=fault.reason, domain=DOMAIN, metadata=fault.metadata)
    status.details.add().Pack(info, deterministic=True)
    if fault.violations:
        bad = error_details_pb2.BadRequest()
        for field, description in fault.violations:
            bad.field_violations.add(field=field, description=description)
        status.details.add().Pack(bad, deterministic=True)
    if fault.retry_after_seconds is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(int(fault.retry_after_seconds * 1000))
        status.details.add().Pack(retry, deterministic=True)
    for detail in fault.details:
        packed = Packed()
        if isinstance(detail, Packed):
            packed.CopyFrom(detail)
        else:
            packed.Pack(detail, deterministic=True)
        if status.ByteSize() + packed.ByteSize() <= DETAILS_BYTES_MAX:
            status.details.append(packed)
    return status


def from_status(status: status_pb2.Status) -> Fault:
    """Returns the fault that a status says, reason and details kept; what is not ours becomes
    Unavailable or Broken.
    """
    kind = KINDS.get(status.code, Broken)
    reason = kind.code.name
    metadata: dict[str, str] = {}
    violations: list[tuple[str, str]] = []
    retry: float | None = None
    rest: list[Message] = []
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        bad = error_details_pb2.BadRequest()
        delay = error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            reason, metadata = info.reason, dict(info.metadata)
        elif detail.Unpack(bad):
            violations = [(item.field, item.description) for item in bad.field_violations]
        elif detail.Unpack(delay):
            retry = delay.retry_delay.ToMilliseconds() / 1000
        else:
            rest.append(detail)
    fault = kind(
        reason,
        status.message,
        violations=violations,
        retry_after_seconds=retry,
        details=rest,
    )
    fault.metadata = metadata
    return fault


def from_rpc_error(error: grpc.aio.AioRpcError) -> Fault:
    """Returns the fault another service answered with, so that it crosses unchanged."""
    status = rpc_status.from_call(error)
    if status is not None:
        return from_status(status)
    number = error.code().value[0]
    if number == grpc.StatusCode.CANCELLED.value[0]:
        number = grpc.StatusCode.UNAVAILABLE.value[0]
    return from_status(status_pb2.Status(code=number, message=error.details() or ""))


async def abort(
    context: grpc.aio.ServicerContext[Any, Any], fault: Fault, trailers: Mapping[str, str]
) -> NoReturn:
    """Ends the call with the fault's status and the call's trailers; never returns."""
    status = rpc_status.to_status(to_status(fault))
    await context.abort(
        fault.code,
        fault.message,
        trailing_metadata=(*status.trailing_metadata, *trailers.items()),
    )
    raise AssertionError("abort returns never")
