"""What happened in the other contexts, and the changes that planners see of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

# What a planner's page shows of a thing: plain JSON.
View = Mapping[str, Any]


class Topic(StrEnum):
    """What changes are about; watchers choose among these."""

    REQUESTS = "requests"
    HOLDS = "holds"
    ASSIGNMENTS = "assignments"
    CATALOG = "catalog"
    SCHEDULES = "schedules"
    FAIRNESS = "fairness"


class Kind(StrEnum):
    """What happened to the thing."""

    SAVED = "SAVED"
    DELETED = "DELETED"
    OPEN = "OPEN"
    HELD = "HELD"
    CONFIRMED = "CONFIRMED"
    RELEASED = "RELEASED"
    EXPIRED = "EXPIRED"
    ASSIGNED = "ASSIGNED"
    CANCELLED = "CANCELLED"
    COMPLETED = "COMPLETED"
    AT_RISK = "AT_RISK"
    DRIFTED = "DRIFTED"
    RECOVERED = "RECOVERED"


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the feed. (topic, id, version) identifies it for ever."""

    topic: Topic
    kind: Kind
    id: str
    version: int
    payload: View
    at: datetime


@dataclass(frozen=True, slots=True)
class RequestMoved:
    """A booking request was created or moved on."""

    id: str
    version: int
    state: str
    view: View
    at: datetime


@dataclass(frozen=True, slots=True)
class AllocationMoved:
    """A hold or assignment came into being or moved on, perhaps with its booking request."""

    id: str
    version: int
    state: str
    previous_state: str
    hold: View
    assignment: View
    request: RequestMoved | None
    at: datetime
    # Whether something has come into its way since it was placed.
    at_risk: bool = False

    @property
    def flagged(self) -> bool:
        """Whether that is what happened."""
        return self.at_risk and self.state == self.previous_state


@dataclass(frozen=True, slots=True)
class CatalogMoved:
    """Something of the catalog or a schedule was saved or deleted; all of these share a version."""

    topic: Topic
    kind: Kind
    ids: tuple[str, ...]
    revision: int
    # What sort of thing: a resource and a service type may have the same id.
    sort: str
    view: View
    at: datetime


@dataclass(frozen=True, slots=True)
class FairnessMoved:
    """Somebody's share of a month left the tolerance, or came back into it."""

    id: str
    version: int
    within: bool
    view: View
    at: datetime


Happened = AllocationMoved | RequestMoved | CatalogMoved | FairnessMoved
