"""Every RPC of the contracts, and questions for it that are made from its descriptor alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import grpc
from fairslot.type.v1 import access_pb2
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

PROTOS = Path(__file__).resolve().parents[2] / "protos"
# Deeper than any field that names something.
DEPTH_MAX = 4


def methods() -> list[MethodDescriptor]:
    """Returns every RPC that is declared, by full name."""
    found = []
    for path in sorted(PROTOS.glob("fairslot/*/v1/*.proto")):
        module = import_module(f"fairslot.{path.parent.parent.name}.v1.{path.stem}_pb2")
        for service in module.DESCRIPTOR.services_by_name.values():
            found += service.methods
    return sorted(found, key=lambda one: str(one.full_name))


def roles(method: MethodDescriptor) -> set[str]:
    """Returns the roles that the contract lets call an RPC, in lower case."""
    name = access_pb2.Access.Role.Name
    allowed = method.GetOptions().Extensions[access_pb2.access].roles
    return {name(role).lower() for role in allowed}


def empty(method: MethodDescriptor) -> Message:
    """Returns a question that says nothing."""
    message: Message = GetMessageClass(method.input_type)()
    return message


def naming(method: MethodDescriptor, named: Mapping[str, str]) -> Message:
    """Returns a question that names things: each field of text that is called like one of them."""
    message = empty(method)
    _fill(message, named, str(method.name), 1)
    return message


def _fill(message: Any, named: Mapping[str, str], method: str, depth: int) -> None:
    for field in message.DESCRIPTOR.fields:
        repeated = field.is_repeated
        if field.type == FieldDescriptor.TYPE_STRING and not _is_map(field):
            value = _value(field.name, named, method)
            if value and repeated:
                getattr(message, field.name).append(value)
            elif value:
                setattr(message, field.name, value)
        elif field.type == FieldDescriptor.TYPE_MESSAGE and not _is_map(field):
            full = field.message_type.full_name
            if full == "google.protobuf.Timestamp" and not repeated and field.name == "start":
                getattr(message, field.name).FromJsonString(named["start"])
            # An update names what it is about inside the thing.
            inside = method.startswith("Update") and full.startswith("fairslot.")
            if inside and depth < DEPTH_MAX and not repeated:
                _fill(getattr(message, field.name), named, method, depth + 1)


def _value(field: str, named: Mapping[str, str], method: str) -> str:
    if field == "id":
        return next((named[kind] for kind in named if method.endswith(kind)), "")
    if field == "reason":
        return "a test"
    return named.get(field.removesuffix("s") if field.endswith("_ids") else field, "")


def _is_map(field: FieldDescriptor) -> bool:
    kind = field.message_type
    return kind is not None and bool(kind.GetOptions().map_entry)


@dataclass(frozen=True)
class Said:
    """What came of a call: its code, reason and sentence."""

    code: grpc.StatusCode
    reason: str = ""
    message: str = ""


async def said(
    channel: grpc.aio.Channel,
    method: MethodDescriptor,
    question: Message,
    token: str | None,
    seconds: float = 10.0,
) -> Said:
    """Makes a call and returns what came of it; of a stream only the beginning counts."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    metadata = () if token is None else (("authorization", f"Bearer {token}"),)
    try:
        if method.client_streaming:
            call = channel.stream_unary(path)(
                iter([_bytes(question)]), timeout=seconds, metadata=metadata
            )
            await call
        elif method.server_streaming:
            stream = channel.unary_stream(path)(
                _bytes(question), timeout=seconds, metadata=metadata
            )
            await stream.read()
            stream.cancel()
        else:
            await channel.unary_unary(path)(_bytes(question), timeout=seconds, metadata=metadata)
    except grpc.aio.AioRpcError as error:
        return Said(error.code(), _reason(error), error.details() or "")
    return Said(grpc.StatusCode.OK)


def _bytes(message: Message) -> bytes:
    return message.SerializeToString()


def _reason(error: grpc.aio.AioRpcError) -> str:
    status = rpc_status.from_call(error)
    info = ErrorInfo()
    for detail in status.details if status else ():
        if detail.Unpack(info):
            return info.reason
    return ""
