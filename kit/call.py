"""What is known of the call being served: who calls, until when, under which key and request id."""

from __future__ import annotations

import time
from contextvars import ContextVar
from dataclasses import dataclass, field

from kit.fault import Fault, TimedOut, Unauthenticated

# Left for the way back when a deadline is handed to the next hop.
HOP_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, as the verified token says."""

    tenant: str
    subject: str
    roles: frozenset[str]
    token: str = field(repr=False)


@dataclass(slots=True)
class Call:
    """One call being served."""

    method: str
    request_id: str
    caller: Caller | None = None
    idempotency_key: str = ""
    traceparent: str = ""
    # On the monotonic clock; None where the call may last for ever.
    deadline_at: float | None = None
    # Why we end a stream that its caller does not read; its task is then cancelled.
    cut_off: Fault | None = None
    # Sent back with the answer.
    trailers: dict[str, str] = field(default_factory=dict)


current: ContextVar[Call | None] = ContextVar("fairslot_call", default=None)


def current_call() -> Call:
    """Returns the call being served; outside of one, a call of nobody without a deadline."""
    return current.get() or Call(method="", request_id="")


def current_caller() -> Caller:
    """Returns who calls; refuses where nobody does."""
    caller = current_call().caller
    if caller is None:
        raise Unauthenticated("UNAUTHENTICATED", "nobody is calling")
    return caller


def remaining_seconds(*, default: float) -> float:
    """Returns how long the caller still waits; `default` where it waits for ever. Refuses when that
    is over.
    """
    deadline_at = current_call().deadline_at
    if deadline_at is None:
        return default
    left = deadline_at - time.monotonic()
    if left <= 0:
        raise TimedOut("DEADLINE_EXCEEDED", "the deadline has passed")
    return left
