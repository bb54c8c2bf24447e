"""Turns what the database's functions answer into domain values, and domain values into what they
take.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from services.assignment.domain import (
    Allocation,
    AllocationState,
    BookingRequest,
    Candidate,
    Checks,
    Outcome,
    Place,
    Refusal,
    RequestState,
    Risk,
    Span,
)

Record = Mapping[str, Any]


def moment(text: str | None) -> datetime | None:
    """Returns a moment out of JSON, in UTC."""
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def span(start: str, end: str) -> Span:
    """Returns a span out of JSON, in UTC."""
    return Span(
        datetime.fromisoformat(start).astimezone(UTC), datetime.fromisoformat(end).astimezone(UTC)
    )


def allocation_of(record: Record) -> Allocation:
    """Returns an allocation as assignment.allocation_record() tells it."""
    return Allocation(
        id=record["id"],
        version=record["version"],
        state=AllocationState(record["state"]),
        resource_ids=tuple(record["resource_ids"]),
        slot=span(record["slot_start"], record["slot_end"]),
        occupied=span(record["occupied_start"], record["occupied_end"]),
        service_type_id=record["service_type_id"],
        booking_request_id=record.get("request_id", ""),
        party_size=record["party_size"],
        held_at=moment(record.get("held_at")),
        expires_at=moment(record.get("hold_expires_at")),
        held_by=record.get("held_by", ""),
        reason=record["reason"],
        assigned_by=record.get("assigned_by", ""),
        assigned_at=moment(record.get("assigned_at")),
        cancel_reason=record.get("cancel_reason", ""),
        risks=tuple(Risk(**risk) for risk in record.get("risks") or ()),
        legacy=record.get("legacy", False),
    )


def request_of(record: Record) -> BookingRequest:
    """Returns a booking request as assignment.request_record() tells it."""
    return BookingRequest(
        id=record["id"],
        service_type_id=record["service_type_id"],
        window=span(record["window"]["start_time"], record["window"]["end_time"]),
        party_size=record["party_size"],
        place=place_of(record.get("place")),
        customer_hash=record["customer_hash"],
        required_skills=tuple(record.get("required_skills", ())),
        resource_ids=tuple(record.get("resource_ids", ())),
        zone=record.get("zone", ""),
        labels=record.get("labels", {}),
        state=RequestState(record["state"]),
        assignment_id=record.get("assignment_id", ""),
        created_at=moment(record["created_at"]),
        etag=record["etag"],
        edition=record.get("edition", 0),
    )


def wish_of(request: BookingRequest) -> dict[str, Any]:
    """Returns the part of a booking request that is kept as it was asked, in the words of
    BookingRequest.
    """
    wish: dict[str, Any] = {
        "place": place_json(request.place),
        "required_skills": list(request.required_skills),
        "resource_ids": list(request.resource_ids),
        "zone": request.zone,
        "labels": dict(request.labels),
    }
    return {key: value for key, value in wish.items() if value}


def place_of(record: Record | None) -> Place | None:
    """Returns a place in the words of LatLng."""
    return Place(record.get("latitude", 0.0), record.get("longitude", 0.0)) if record else None


def place_json(place: Place | None) -> dict[str, float] | None:
    """Returns a place in the words of LatLng."""
    if place is None:
        return None
    return {"latitude": place.latitude, "longitude": place.longitude}


def checks_json(checks: Checks) -> dict[str, Any] | None:
    """Returns what a plan was checked against, as assignment.refusal_of_checks() reads it."""
    found: dict[str, Any] = {
        "edition": checks.edition,
        "revision": checks.revision,
        "generations": dict(checks.generations),
        "limits": {name: asdict(limits) for name, limits in checks.limits.items()},
    }
    return {key: value for key, value in found.items() if value} or None


def outcome_of(answer: Record) -> Outcome:
    """Returns the outcome of a write: what it made, or why it was refused."""
    replayed = bool(answer.get("replayed"))
    if "refused" in answer:
        return Outcome(refusal=refusal_of(answer), replayed=replayed)
    allocation, request = answer.get("allocation"), answer.get("request")
    return Outcome(
        allocation=allocation_of(allocation) if allocation else None,
        request=request_of(request) if request else None,
        generations=answer.get("generations") or {},
        replayed=replayed,
    )


def refusal_of(answer: Record) -> Refusal:
    """Returns a refusal. Of several that have the time, the first is told in full."""
    metadata = dict(answer["metadata"])
    blocked = metadata.pop("blocked", None)
    if blocked:
        metadata |= blocked[0]
        if len(blocked) > 1:
            metadata["also_taken"] = ",".join(sorted({b["resource_id"] for b in blocked[1:]}))
    found = answer.get("alternatives")
    return Refusal(
        reason=answer["refused"],
        metadata={key: _text(value) for key, value in metadata.items()},
        alternatives=None if found is None else tuple(map(candidate_of, found)),
    )


def _text(value: object) -> str:
    return str(value).replace("+00:00", "Z")


def refusal_json(refusal: Refusal) -> dict[str, Any]:
    """Returns a refusal as the database stores it."""
    return {"refused": refusal.reason, "metadata": dict(refusal.metadata)}


def candidate_of(record: Record) -> Candidate:
    """Returns a candidate as it was stored."""
    return Candidate(
        resource_ids=tuple(record["resource_ids"]),
        slot=span(record["start"], record["end"]),
        match_percent=record["match_percent"],
        explanation=record["explanation"],
    )


def candidates_json(candidates: Sequence[Candidate]) -> list[dict[str, Any]]:
    """Returns candidates as the database stores them."""
    return [
        {
            "resource_ids": list(candidate.resource_ids),
            "start": candidate.slot.start.isoformat(),
            "end": candidate.slot.end.isoformat(),
            "match_percent": candidate.match_percent,
            "explanation": candidate.explanation,
        }
        for candidate in candidates
    ]
