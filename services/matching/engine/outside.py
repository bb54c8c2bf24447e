"""What the engine asks of the two other contexts, and their answers as columns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from services.matching.domain import Month, Question, Rejection, Resource, Window
from services.matching.rules.merges import Terms

Column: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Free slots of a window. Times in minutes since the epoch (UTC)."""

    # The window that was searched and the length of a slot.
    window_start: int
    window_end: int
    duration: int
    # All that the work requires, by name.
    required_skills: tuple[str, ...]
    # Who could serve; `pairs` points into it.
    resources: tuple[Resource, ...]
    # Working days offered: one row per resource, one column per month.
    offered: Column
    months: tuple[Month, ...]
    # Slot i starts at starts[i]; its capacities[i] resources come next in `pairs`.
    starts: Column
    capacities: Column
    pairs: Column
    rejections: tuple[Rejection, ...]
    rejected_count: int
    # The tenant's zone, whose days and months are meant.
    time_zone: str
    freshness: str
    result: str
    # Beside the pairs: how much the slot suits the resource, -100 to 100, and how many minutes it
    # travels, -1 where that is not known. None: nobody has wishes; no place was given.
    suits: Column | None = None
    travel_minutes: Column | None = None
    # How several may serve together; None: they may not.
    merging: Terms | None = None


@dataclass(frozen=True, slots=True)
class Workload:
    """Committed work: one entry of each column per resource and local day with work."""

    resource_ids: tuple[str, ...]
    # Into resource_ids.
    indexes: Column
    # Days since 1970-01-01.
    days: Column
    bookings: Column
    # Whether all of the day's work has ended.
    delivered: Mask
    # Minutes of work on the day, and how many of the bookings are records taken over from
    # elsewhere, which fairness leaves out; None: not said, and none.
    minutes: Column | None = None
    legacy: Column | None = None
    # Who served the customer lately, and how often.
    familiar: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Offer:
    """How many working days, and minutes on them, one resource offers in a month."""

    resource: Resource
    days: int
    minutes: int = 0


@dataclass(frozen=True, slots=True)
class Offers:
    """What everybody asked about offers in a month of the tenant's zone."""

    offers: tuple[Offer, ...]
    time_zone: str


class Availability(Protocol):
    """Knows who is free when."""

    async def slots(
        self,
        question: Question,
        *,
        max_rejections: int,
        at_least_as_fresh: str,
        as_if_now: datetime | None,
    ) -> Matrix:
        """Returns the free slots of the question's window and who could serve them."""
        ...

    async def duration_minutes(self, service_type_id: str) -> int:
        """Returns how long the service type takes."""
        ...

    async def buffers(self, service_type_id: str) -> tuple[int, int]:
        """Returns the minutes the service type keeps free before and after its slot."""
        ...

    async def offers(
        self,
        month: Month,
        *,
        skill: str,
        resource_ids: tuple[str, ...],
        at_least_as_fresh: str,
        since: date | None = None,
    ) -> Offers:
        """Returns what those with the skill, or those named, offer in a month, or in what of it
        lies on or after `since`.
        """
        ...


class Assignment(Protocol):
    """Knows what is wanted and what is committed."""

    async def question_of(self, booking_request_id: str) -> Question:
        """Returns what a booking request asks for."""
        ...

    async def workload(
        self, window: Window, *, time_zone: str, resource_ids: tuple[str, ...]
    ) -> Workload:
        """Returns the work in the window of these resources, by local days of the zone."""
        ...


class Customers(Protocol):
    """Knows who served whom."""

    async def served_by(self, customer_hash: str, *, but_for: str) -> Mapping[str, int]:
        """Returns who was assigned to a customer lately, and how often; the allocation `but_for`
        does not count.
        """
        ...


class Strangers:
    """Knows no customer."""

    async def served_by(self, customer_hash: str, *, but_for: str) -> Mapping[str, int]:
        """Returns nobody."""
        return {}
