"""What is written down while a run goes on, and what is read from the database after it."""

from dataclasses import dataclass
from enum import StrEnum

# Calls that take time, keep it for good, and give it back.
ACQUIRING = frozenset({"PlaceHold", "Assign"})
KEEPING = frozenset({"ConfirmHold", "Assign"})
FREEING = frozenset({"ReleaseHold", "CancelAssignment", "CancelRequest"})

LIVE = frozenset({"HELD", "ASSIGNED", "COMPLETED"})
KEPT = frozenset({"ASSIGNED", "COMPLETED"})


class Outcome(StrEnum):
    """How a call ended, as far as its caller can know."""

    OK = "ok"
    FAIL = "fail"
    # Nobody knows whether it happened.
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Op:
    """One call. Times are seconds of the driver's one monotonic clock."""

    process: int
    rpc: str
    # The idempotency key; empty for reads.
    key: str
    params: bytes
    invoked: float
    completed: float
    outcome: Outcome
    # The reason of the refusal, where there was one.
    reason: str = ""
    response: bytes = b""
    booking_request_id: str = ""
    # The allocation that was made, or that the call is about.
    allocation_id: str = ""
    resource_ids: tuple[str, ...] = ()
    # The slot, in minutes since the epoch, half-open.
    start: int = 0
    end: int = 0
    # The slot with its buffers, where the reply says.
    taken: tuple[int, int] | None = None
    # For a hold: until when it lives at least, on the driver's clock.
    expires: float = float("inf")


@dataclass(frozen=True, slots=True)
class Allocation:
    """One allocation as the database has it at the end."""

    id: str
    state: str
    resource_ids: tuple[str, ...]
    # The slot and, with its buffers, what of each resource is taken: minutes since the epoch.
    start: int
    end: int
    taken: tuple[int, int]
    booking_request_id: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """One change of an allocation, as the outbox has it; events come in the outbox's order."""

    id: str
    version: int
    state: str
    resource_ids: tuple[str, ...]
    # The slot with its buffers, in minutes since the epoch.
    taken: tuple[int, int]
    # When it happened and when the hold it speaks of expires, by the database's clock.
    at: float
    expires_at: float = float("inf")


@dataclass(frozen=True, slots=True)
class Seen:
    """One change as a watcher received it."""

    topic: str
    id: str
    version: int
    received: float = 0.0


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken promise: which, and what shows it."""

    check: str
    what: str
