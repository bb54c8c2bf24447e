"""Webhooks: where changes are sent, each change on its way, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An address of the tenant's that changes are sent to."""

    id: str
    url: str
    # Empty: all topics.
    topics: tuple[str, ...]
    description: str
    # whsec_ and base64; the one before it signs too until it expires.
    secret: str
    previous_secret: str
    previous_expires_at: datetime | None
    active: bool
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One change as it is sent, the same for every endpoint and in every attempt."""

    tenant: str
    id: str
    topic: str
    type: str
    body: str
    at: datetime


class DeliveryState(StrEnum):
    """Where a message stands on its way to one endpoint."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    DEAD = "DEAD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an endpoint said; status 0 means nothing."""

    at: datetime
    status: int
    # Empty: it was taken.
    error: str
    took: timedelta
    # How long the endpoint asks to be left alone.
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One time that a delivery was sent."""

    at: datetime
    status: int
    error: str
    took: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message on its way to one endpoint."""

    id: str
    endpoint_id: str
    message_id: str
    type: str
    state: DeliveryState
    attempt_count: int
    created_at: datetime
    next_attempt_at: datetime | None
    attempts: tuple[Attempt, ...]
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A delivery that this process has taken on to send now."""

    tenant: str
    id: str
    endpoint_id: str
    message_id: str
    url: str
    # The newest first; each signs.
    secrets: tuple[str, ...]
    body: str
    # Which attempt of this round it is, from 1.
    round_attempt: int
