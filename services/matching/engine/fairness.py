"""Compares, for one month, what each person offered with what each was given."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np

from services.matching.domain import Month, Window, day_start, moment_of
from services.matching.engine.outside import Assignment, Availability, Offer, Workload
from services.matching.rules.fairness import TOLERANCE_PERCENT, Share


@dataclass(frozen=True, slots=True, kw_only=True)
class FairnessCall:
    """Asks for the fairness of a month among those with a skill, or among those named."""

    month: Month
    skill: str = ""
    resource_ids: tuple[str, ...] = ()
    at_least_as_fresh: str = ""


@dataclass(frozen=True, slots=True)
class FairnessRow:
    """One person: days worked so far, days still to come, and how both compare."""

    resource_id: str
    display_name: str
    delivered_days: int
    committed_days: int
    share: Share


@dataclass(frozen=True, slots=True)
class Fairness:
    """One row per person, by id."""

    rows: tuple[FairnessRow, ...]
    month: Month
    time_zone: str
    tolerance_percent: int


async def fairness(
    call: FairnessCall, availability: Availability, assignment: Assignment
) -> Fairness:
    """Compares the people asked about with each other. Committed days to come count as given."""
    offers = await availability.offers(
        call.month,
        skill=call.skill,
        resource_ids=call.resource_ids,
        at_least_as_fresh=call.at_least_as_fresh,
    )
    people = sorted(
        (offer for offer in offers.offers if offer.resource.is_person),
        key=lambda offer: offer.resource.id,
    )
    worked: dict[str, tuple[int, int]] = {}
    if people:
        zone = ZoneInfo(offers.time_zone)
        edges = (call.month.first_day, call.month.end_day)
        workload = await assignment.workload(
            Window(*(moment_of(day_start(day, zone)) for day in edges)),
            time_zone=offers.time_zone,
            resource_ids=tuple(offer.resource.id for offer in people),
        )
        worked = _worked(workload, *edges)
    return Fairness(
        rows=_rows(people, worked),
        month=call.month,
        time_zone=offers.time_zone,
        tolerance_percent=TOLERANCE_PERCENT,
    )


def _worked(workload: Workload, first_day: int, end_day: int) -> dict[str, tuple[int, int]]:
    """Gives the days delivered and the days still to come, per resource."""
    held = (workload.days >= first_day) & (workload.days < end_day)
    size = len(workload.resource_ids)
    done = np.bincount(workload.indexes[held & workload.delivered], minlength=size).tolist()
    ahead = np.bincount(workload.indexes[held & ~workload.delivered], minlength=size).tolist()
    return dict(zip(workload.resource_ids, zip(done, ahead, strict=True), strict=True))


def _rows(people: list[Offer], worked: dict[str, tuple[int, int]]) -> tuple[FairnessRow, ...]:
    counts = [worked.get(offer.resource.id, (0, 0)) for offer in people]
    offered_all = sum(offer.days for offer in people)
    given_all = sum(done + ahead for done, ahead in counts)
    return tuple(
        FairnessRow(
            resource_id=offer.resource.id,
            display_name=offer.resource.display_name,
            delivered_days=done,
            committed_days=ahead,
            share=Share(
                offered=offer.days,
                offered_all=offered_all,
                given=done + ahead,
                given_all=given_all,
            ),
        )
        for offer, (done, ahead) in zip(people, counts, strict=True)
    )
