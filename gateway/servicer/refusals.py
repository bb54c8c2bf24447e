"""Refusals over plain HTTP: the same google.rpc.Status in JSON that the edge writes."""

from __future__ import annotations

from collections.abc import Mapping

import grpc
from google.protobuf.json_format import MessageToDict
from starlette.responses import JSONResponse

from kit.fault import Fault, to_status

STATUSES: Mapping[grpc.StatusCode, int] = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 413,
    grpc.StatusCode.DEADLINE_EXCEEDED: 408,
    grpc.StatusCode.UNAVAILABLE: 503,
}


def refused(fault: Fault) -> JSONResponse:
    """Returns the answer that a fault means."""
    # What is left of the body is not read, so the connection cannot be used again.
    return JSONResponse(
        MessageToDict(to_status(fault)), STATUSES.get(fault.code, 500), {"connection": "close"}
    )
