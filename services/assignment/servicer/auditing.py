"""Reads questions about the audit log, and tells its steps."""

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from fairslot.assignment.v1 import assignment_pb2 as pb
from google.protobuf.struct_pb2 import Struct

from kit.fault import Invalid
from services.assignment.domain import AuditEntry, AuditPlace, Span
from services.assignment.peers.moments import timestamp
from services.assignment.servicer import reading

# Without a window: what happened lately, or all of what is named.
LATELY = timedelta(days=1)
WINDOW_MAX = timedelta(days=31)
ALWAYS = timedelta(days=100 * 365)


def window_in(request: pb.ListAuditRequest, *, now: datetime, named: bool) -> Span:
    """Returns the span of time that is asked about."""
    start, end = reading.ends(request.window, "window")
    last = end or now + LATELY
    first = start or (last - ALWAYS if named else last - 2 * LATELY)
    span = reading.checked(Span(first, last), "window")
    if not named and span.end - span.start > WINDOW_MAX:
        raise Invalid.field("window", f"is longer than {WINDOW_MAX.days} days")
    return span


def entry(found: AuditEntry) -> pb.AuditEntry:
    """Returns one step."""
    return pb.AuditEntry(
        aggregate=found.aggregate,
        seq=found.seq,
        at=timestamp(found.at),
        actor=found.actor,
        action=found.action,
        reason=found.reason,
        state_before=found.state_before,
        state_after=found.state_after,
        before=_struct(found.before) if found.before is not None else None,
        after=_struct(found.after),
        previous_hash=found.previous_hash.hex(),
        hash=found.hash.hex(),
    )


def _struct(record: Mapping[str, Any]) -> Struct:
    message = Struct()
    message.update(record)
    return message


def page_token(last: AuditPlace | None) -> str:
    """Returns the token of the page after a step; empty after the last."""
    if last is None:
        return ""
    text = json.dumps([last.at.isoformat(), last.aggregate, last.seq])
    return base64.urlsafe_b64encode(text.encode()).decode()


def page_after(token: str) -> AuditPlace | None:
    """Returns the step after which a page begins; refuses a token that is not ours."""
    if not token:
        return None
    try:
        at, aggregate, seq = json.loads(base64.urlsafe_b64decode(token))
        place = AuditPlace(datetime.fromisoformat(at), str(aggregate), int(seq))
    except (binascii.Error, ValueError, TypeError) as error:
        raise Invalid.field("page_token", "is not a page token of ours") from error
    if place.at.tzinfo is None or abs(place.seq) >= 2**62:
        raise Invalid.field("page_token", "is not a page token of ours")
    return place
