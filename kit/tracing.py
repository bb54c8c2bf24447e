"""Carries the request id and the W3C trace context from call to call."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

REQUEST_ID = "x-request-id"
TRACEPARENT = "traceparent"
REQUEST_ID_CHARS_MAX = 128


def request_id(metadata: Mapping[str, str]) -> str:
    """Returns the caller's request id, or a new one."""
    given = metadata.get(REQUEST_ID, "")
    return given[:REQUEST_ID_CHARS_MAX] if given else secrets.token_hex(16)


def traceparent(metadata: Mapping[str, str]) -> str:
    """Returns the caller's trace context, or a new one that nobody samples."""
    given = metadata.get(TRACEPARENT, "")
    return given or f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"
