"""Bookings of an outside calendar as they are told to us, and what became of each telling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Happening(StrEnum):
    """What happened to the booking."""

    CREATED = "CREATED"
    RESCHEDULED = "RESCHEDULED"
    CANCELLED = "CANCELLED"
    # Something that changes nobody's time.
    OTHER = "OTHER"


class Outcome(StrEnum):
    """What became of a telling."""

    # Written down; not yet applied.
    WAITING = "WAITING"
    APPLIED = "APPLIED"
    # A newer one about the same booking was applied before.
    OLD = "OLD"
    # The time is taken, but no service type names this event type.
    UNKNOWN_EVENT_TYPE = "UNKNOWN_EVENT_TYPE"
    # No resource is the calendar's user; nothing was applied.
    UNKNOWN_RESOURCE = "UNKNOWN_RESOURCE"
    # It changes nobody's time.
    IGNORED = "IGNORED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """One telling: what the outside calendar says of a booking at one moment."""

    happening: Happening
    # The calendar's own word for it.
    trigger: str
    uid: str
    # The booking that this one replaces; empty: none.
    replaced_uid: str
    # Rises with every change of the booking.
    revision: int
    start: datetime | None
    end: datetime | None
    # Under which names the kind of booking may be known, the most exact first.
    event_type_keys: tuple[str, ...]
    # Whose time it takes: each one's names (id, user name, e-mail), in lower case.
    users: tuple[tuple[str, ...], ...]
    told_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A telling that was written down."""

    tenant: str
    id: str
    booking: Booking
    outcome: Outcome
    service_type_id: str
    required_skills: tuple[str, ...]
    resource_ids: tuple[str, ...]
    # Skills that the kind of booking takes and one of the resources lacks.
    missing_skills: tuple[str, ...]
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a booking means in the tenant's own catalog."""

    service_type_id: str
    required_skills: tuple[str, ...]
    resource_ids: tuple[str, ...]
    missing_skills: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the catalog knows of outside calendars."""

    # By key: the service type and the skills it takes.
    types: Mapping[str, tuple[str, tuple[str, ...]]]
    # By a user's name in lower case: the resource and its skills.
    users: Mapping[str, tuple[str, frozenset[str]]]
