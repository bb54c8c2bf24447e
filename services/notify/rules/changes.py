"""Which changes, and in which order, planners see of one thing that happened."""

from __future__ import annotations

from collections.abc import Mapping

from services.notify.domain import (
    AllocationMoved,
    CatalogMoved,
    Change,
    FairnessMoved,
    Happened,
    Kind,
    RequestMoved,
    Topic,
)

HELD = "HELD"
ASSIGNED = "ASSIGNED"

# Where an allocation came to stand, and what that is called on the feed.
HOLD_KINDS: Mapping[str, Kind] = {
    HELD: Kind.HELD,
    "RELEASED": Kind.RELEASED,
    "EXPIRED": Kind.EXPIRED,
}
ASSIGNMENT_KINDS: Mapping[str, Kind] = {
    ASSIGNED: Kind.ASSIGNED,
    "CANCELLED": Kind.CANCELLED,
    "COMPLETED": Kind.COMPLETED,
}
REQUEST_KINDS: Mapping[str, Kind] = {
    "OPEN": Kind.OPEN,
    HELD: Kind.HELD,
    ASSIGNED: Kind.ASSIGNED,
    "COMPLETED": Kind.COMPLETED,
    "CANCELLED": Kind.CANCELLED,
}


def changes_of(happened: Happened) -> tuple[Change, ...]:
    """Returns the changes in order: what gives way, what takes its place, then the request.

    A state that has no name here raises KeyError: nothing is left out unseen.
    """
    if isinstance(happened, CatalogMoved):
        return _of_catalog(happened)
    if isinstance(happened, RequestMoved):
        return _of_request(happened)
    if isinstance(happened, FairnessMoved):
        return _of_fairness(happened)
    return _of_allocation(happened)


def _of_allocation(moved: AllocationMoved) -> tuple[Change, ...]:
    changes = []
    confirmed = moved.state == ASSIGNED and moved.previous_state == HELD
    if confirmed or moved.state not in ASSIGNMENT_KINDS:
        hold_kind = Kind.CONFIRMED if confirmed else HOLD_KINDS[moved.state]
        if moved.flagged:
            hold_kind = Kind.AT_RISK
        changes.append(
            Change(Topic.HOLDS, hold_kind, moved.id, moved.version, moved.hold, moved.at)
        )
    if moved.state in ASSIGNMENT_KINDS:
        kind, view = ASSIGNMENT_KINDS[moved.state], moved.assignment
        if moved.flagged:
            kind = Kind.AT_RISK
        changes.append(Change(Topic.ASSIGNMENTS, kind, moved.id, moved.version, view, moved.at))
    if moved.request is not None:
        changes += _of_request(moved.request)
    return tuple(changes)


def _of_request(moved: RequestMoved) -> tuple[Change, ...]:
    kind = REQUEST_KINDS[moved.state]
    return (Change(Topic.REQUESTS, kind, moved.id, moved.version, moved.view, moved.at),)


def _of_fairness(moved: FairnessMoved) -> tuple[Change, ...]:
    kind = Kind.RECOVERED if moved.within else Kind.DRIFTED
    return (Change(Topic.FAIRNESS, kind, moved.id, moved.version, moved.view, moved.at),)


def _of_catalog(moved: CatalogMoved) -> tuple[Change, ...]:
    return tuple(
        Change(
            topic=moved.topic,
            kind=moved.kind,
            id=one,
            version=moved.revision,
            payload={"type": moved.sort, "id": one, **moved.view},
            at=moved.at,
        )
        for one in moved.ids
    )
