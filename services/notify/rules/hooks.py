"""How a change is told to an endpoint, and when it is told again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import timedelta

from services.notify.domain import Answer, Change, DeliveryState, Message

# Waits after the first, second, ... failed attempt: Standard Webhooks' own suggestion, about three
# days in all.
WAITS: Sequence[timedelta] = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
ATTEMPTS_MAX = len(WAITS) + 1
# Waits are made longer by up to this share, so that what failed together does not return together.
WAIT_SPREAD = 0.2
RETRY_AFTER_MAX = timedelta(hours=24)
GONE = 410
ID_CHARS = 32


def message_of(tenant: str, event_id: str, index: int, change: Change) -> Message:
    """Returns the message of one change, the `index`-th that an event means.

    The same event always makes the same message with the same id, so that receivers can tell a
    repetition.
    """
    name = hashlib.sha256(f"{tenant}\0{event_id}\0{index}".encode()).hexdigest()[:ID_CHARS]
    kind = f"{change.topic}.{change.kind.lower()}"
    data = {
        "topic": str(change.topic),
        "kind": str(change.kind),
        "id": change.id,
        "version": change.version,
        "payload": dict(change.payload),
    }
    body = {"type": kind, "timestamp": change.at.isoformat(), "data": data}
    return Message(
        tenant=tenant,
        id=f"msg_{name}",
        topic=str(change.topic),
        type=kind,
        body=json.dumps(body, separators=(",", ":"), ensure_ascii=False, sort_keys=True),
        at=change.at,
    )


def wait_after(
    attempt: int, *, spread: float, retry_after: timedelta | None = None
) -> timedelta | None:
    """Returns how long to wait after the `attempt`-th (from 1) failed; None: it was the last.

    `spread` is between 0 and 1, by chance. An endpoint that asks for more time gets it.
    """
    if attempt >= ATTEMPTS_MAX:
        return None
    wait = WAITS[attempt - 1] * (1 + WAIT_SPREAD * spread)
    return max(wait, min(retry_after or timedelta(), RETRY_AFTER_MAX))


def outcome_of(answer: Answer, wait: timedelta | None) -> tuple[DeliveryState, bool]:
    """Returns where a delivery stands after an answer, and whether its endpoint wants no more."""
    if not answer.error:
        return DeliveryState.DELIVERED, False
    if answer.status == GONE:
        return DeliveryState.DEAD, True
    return (DeliveryState.PENDING if wait is not None else DeliveryState.DEAD), False
