"""Webhooks of Cal.com: verified over the raw body, then read into a booking."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.domain import Booking, Happening

# What Cal.com sends in place of a signature where no secret was set.
NO_SECRET = "no-secret-provided"  # noqa: S105 (the absence of one)
# Between the clocks of the calendar and of ours; and how old a telling may be.
AHEAD_MAX = timedelta(minutes=5)
AGE_MAX = timedelta(hours=24)
HAPPENINGS: Mapping[str, Happening] = {
    "BOOKING_CREATED": Happening.CREATED,
    "BOOKING_RESCHEDULED": Happening.RESCHEDULED,
    "BOOKING_CANCELLED": Happening.CANCELLED,
    "BOOKING_REJECTED": Happening.CANCELLED,
}
# A revision is the calendar's sequence above the moment of the change in milliseconds.
MOMENT_BITS = 42
SEQUENCE_MAX = (1 << 63 - MOMENT_BITS) - 1
# Of a booking that was replaced by another: nothing that is told of it later counts.
FINAL_REVISION = (SEQUENCE_MAX << MOMENT_BITS) | (1 << MOMENT_BITS) - 1
TEXT_MAX = 255
USERS_MAX = 50


class Unreadable(ValueError):
    """A signed message that is not what Cal.com sends, or not of today."""


def signed_by(secrets: Iterable[str], body: bytes, signature: str) -> bool:
    """Returns whether one of the secrets signed the body; takes as long whichever did."""
    given = signature.strip().lower().encode(errors="replace")
    if not given or given == NO_SECRET.encode():
        return False
    good = False
    for secret in secrets:
        expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().encode()
        good |= bool(secret) and hmac.compare_digest(expected, given)
    return good


def booking_of(body: bytes, *, now: datetime) -> Booking:
    """Reads a body whose signature was verified; raises Unreadable with a sentence."""
    try:
        told = json.loads(body)
        trigger, payload = str(told["triggerEvent"]), told.get("payload") or {}
        at = _moment(told["createdAt"])
        if not isinstance(payload, dict):
            raise TypeError("payload")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Unreadable(
            "it is not a webhook of Cal.com with triggerEvent and createdAt"
        ) from error
    if not now - AGE_MAX <= at <= now + AHEAD_MAX:
        raise Unreadable("createdAt is too old or lies ahead")
    happening = HAPPENINGS.get(trigger, Happening.OTHER)
    try:
        return _read(happening, trigger, payload, at)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise Unreadable(f"its payload cannot be read: {error}") from error


def _read(happening: Happening, trigger: str, payload: Mapping[str, Any], at: datetime) -> Booking:
    moves = happening is not Happening.OTHER
    start, end = payload.get("startTime"), payload.get("endTime")
    placed = moves and happening is not Happening.CANCELLED
    if placed and not _moment(str(start)) < _moment(str(end)):
        raise ValueError("endTime is not after startTime")
    uid = _text(payload["uid"] if moves else payload.get("uid", ""))
    if moves and not uid:
        raise ValueError("uid is empty")
    changed = _moment(payload["updatedAt"]) if payload.get("updatedAt") else at
    replaced = _text(payload.get("rescheduleUid") or "")
    return Booking(
        happening=happening,
        trigger=_text(trigger),
        uid=uid,
        replaced_uid=replaced if happening is Happening.RESCHEDULED and replaced != uid else "",
        revision=_revision(int(payload.get("iCalSequence") or 0), changed),
        start=_moment(str(start)) if placed else None,
        end=_moment(str(end)) if placed else None,
        event_type_keys=_event_type_keys(payload),
        users=_users(payload),
        told_at=at,
    )


def _event_type_keys(payload: Mapping[str, Any]) -> tuple[str, ...]:
    names = [payload.get("eventTypeId"), payload.get("type"), payload.get("eventTypeSlug")]
    plain = [_text(str(name)).lower() for name in names if name not in (None, "")]
    return tuple(dict.fromkeys([*(f"calcom:{name}" for name in plain), *plain]))


def _users(payload: Mapping[str, Any]) -> tuple[tuple[str, ...], ...]:
    team = payload.get("team") or {}
    hosts = [payload.get("organizer") or {}, *(team.get("members") or [])][:USERS_MAX]
    found = []
    for host in hosts:
        names = [host.get("email"), host.get("username"), host.get("id")]
        told = [_text(str(name)).lower() for name in names if name not in (None, "")]
        if told:
            found.append(tuple(told))
    return tuple(dict.fromkeys(found))


def _revision(sequence: int, changed: datetime) -> int:
    milliseconds = int(changed.timestamp() * 1000)
    if not 0 <= milliseconds < 1 << MOMENT_BITS:
        raise ValueError("updatedAt is out of range")
    return min(max(sequence, 0), SEQUENCE_MAX) << MOMENT_BITS | milliseconds


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(f"{text} has no offset")
    return found.astimezone(UTC)


def _text(value: str) -> str:
    if not isinstance(value, str) or len(value) > TEXT_MAX or "\0" in value:
        raise ValueError("a name is not a text of at most 255 characters")
    return value
