"""Encodes the ledger's events for the relay.

The outbox holds proto3 JSON. The messages are put together field by field: that takes an eighth of
the time that the general reader of JSON takes, and every event passes through here.
"""

import base64
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from fairslot.assignment.v1 import assignment_pb2, events_pb2, request_pb2
from fairslot.type.v1 import type_pb2
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.interval_pb2 import Interval
from google.type.latlng_pb2 import LatLng

Json = Mapping[str, Any]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECONDS_PER_DAY = 86_400

allocation_state = events_pb2.AllocationChanged.State.Value
obstacle_code = type_pb2.Obstacle.Code.Value
request_state = request_pb2.BookingRequest.State.Value


def encode(type_name: str, payload: Json) -> bytes:
    """Returns the bytes of the event of that name whose proto3 JSON the outbox holds."""
    return bytes(EVENTS[type_name](payload).SerializeToString(deterministic=True))


def allocation_changed(payload: Json) -> events_pb2.AllocationChanged:
    """Returns the event of an allocation."""
    request = payload.get("request")
    return events_pb2.AllocationChanged(
        id=payload["id"],
        version=payload["version"],
        state=allocation_state(payload["state"]),
        previous_state=allocation_state(payload.get("previous_state", "STATE_UNSPECIFIED")),
        resources=[events_pb2.AllocatedResource(**found) for found in payload["resources"]],
        slot=_interval(payload["slot"]),
        occupied=_interval(payload["occupied"]),
        expires_at=_timestamp(payload.get("expires_at")),
        service_type_id=payload["service_type_id"],
        booking_request_id=payload.get("booking_request_id", ""),
        party_size=payload["party_size"],
        place=_place(payload),
        reason=payload["reason"],
        actor=payload["actor"],
        at=_timestamp(payload["at"]),
        request=_request(request) if request else None,
        request_version=payload.get("request_version", 0),
        left=[events_pb2.AllocatedResource(**found) for found in payload.get("left", ())],
        risks=map(_risk, payload.get("risks", ())),
        held_by=payload.get("held_by", ""),
    )


def request_changed(payload: Json) -> events_pb2.RequestChanged:
    """Returns the event of a booking request that moved on its own."""
    return events_pb2.RequestChanged(
        request=_request(payload["request"]),
        version=payload["version"],
        actor=payload["actor"],
        at=_timestamp(payload["at"]),
        reason=payload["reason"],
    )


def write_collided(payload: Json) -> events_pb2.WriteCollided:
    """Returns the event of a write that found its time taken."""
    return events_pb2.WriteCollided(
        method=payload["method"],
        actor=payload["actor"],
        at=_timestamp(payload["at"]),
        taken=map(_taken, payload["taken"]),
    )


def auto_assign_queued(payload: Json) -> events_pb2.AutoAssignQueued:
    """Returns the message of a task of automatic assignment."""
    return events_pb2.AutoAssignQueued(**payload)


def audit_sealed(payload: Json) -> events_pb2.AuditSealed:
    """Returns the message of a seal of the audit log."""
    return events_pb2.AuditSealed(
        number=payload["number"],
        head=base64.b64decode(payload["head"]),
        steps=payload["steps"],
        at=_timestamp(payload["at"]),
    )


def _request(record: Json) -> request_pb2.BookingRequest:
    return request_pb2.BookingRequest(
        id=record["id"],
        service_type_id=record["service_type_id"],
        window=_interval(record["window"]),
        party_size=record["party_size"],
        place=_place(record),
        customer_hash=record["customer_hash"],
        required_skills=record.get("required_skills", ()),
        resource_ids=record.get("resource_ids", ()),
        zone=record.get("zone", ""),
        labels=record.get("labels", {}),
        state=request_state(record["state"]),
        assignment_id=record.get("assignment_id", ""),
        created_at=_timestamp(record["created_at"]),
        etag=record["etag"],
    )


def _risk(record: Json) -> assignment_pb2.Risk:
    return assignment_pb2.Risk(**{**record, "code": obstacle_code(record["code"])})


def _taken(record: Json) -> events_pb2.TakenSlot:
    return events_pb2.TakenSlot(
        resource_id=record["resource_id"],
        assignment_id=record["assignment_id"],
        state=allocation_state(record["state"]),
        booking_request_id=record.get("booking_request_id") or "",
        slot=_interval({"start_time": record["start"], "end_time": record["end"]}),
        taken_by=record["taken_by"],
    )


def _timestamp(text: str | None) -> Timestamp | None:
    if text is None:
        return None
    since = datetime.fromisoformat(text) - EPOCH
    return Timestamp(
        seconds=since.days * SECONDS_PER_DAY + since.seconds, nanos=since.microseconds * 1000
    )


def _interval(record: Json) -> Interval:
    return Interval(
        start_time=_timestamp(record["start_time"]), end_time=_timestamp(record["end_time"])
    )


def _place(record: Json) -> LatLng | None:
    place = record.get("place")
    return LatLng(**place) if place else None


EVENTS: Mapping[str, Callable[[Json], Message]] = {
    events_pb2.AllocationChanged.DESCRIPTOR.full_name: allocation_changed,
    events_pb2.RequestChanged.DESCRIPTOR.full_name: request_changed,
    events_pb2.WriteCollided.DESCRIPTOR.full_name: write_collided,
    events_pb2.AutoAssignQueued.DESCRIPTOR.full_name: auto_assign_queued,
    events_pb2.AuditSealed.DESCRIPTOR.full_name: audit_sealed,
}
