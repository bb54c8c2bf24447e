"""Calls other services: the caller's token, the request id and a shortened deadline go with every
call.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import grpc

from kit.call import HOP_SECONDS, current_call, remaining_seconds
from kit.fault import from_rpc_error
from kit.tracing import REQUEST_ID, TRACEPARENT

Answer = TypeVar("Answer")
# What a call may take where nobody set a deadline.
DEFAULT_SECONDS = 10.0
MESSAGE_BYTES_MAX = 64 * 1024 * 1024

SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.05s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
    "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.1},
}

OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.service_config", json.dumps(SERVICE_CONFIG)),
    ("grpc.enable_retries", 1),
    ("grpc.keepalive_time_ms", 40_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
)


def open_channel(address: str) -> grpc.aio.Channel:
    """Returns a channel to one or more addresses ("host:port" or "ipv4:host:port,host:port"), for
    async with.
    """
    return grpc.aio.insecure_channel(address, options=OPTIONS)


async def call(method: Callable[..., Awaitable[Answer]], request: Any) -> Answer:
    """Calls another service's method on behalf of the current caller; its refusal is raised as our
    Fault.
    """
    here = current_call()
    metadata = [(REQUEST_ID, here.request_id), (TRACEPARENT, here.traceparent)]
    if here.caller is not None:
        metadata.append(("authorization", f"Bearer {here.caller.token}"))
    timeout = remaining_seconds(default=DEFAULT_SECONDS) - HOP_SECONDS
    try:
        return await method(request, timeout=max(timeout, 0.001), metadata=metadata)
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from error
