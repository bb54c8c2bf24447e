"""Compares, for one month, what each person offered with what each was given."""

from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

import numpy as np

from services.matching.domain import Month, Window, day_start, moment_of
from services.matching.engine.outside import (
    Assignment,
    Availability,
    Column,
    Mask,
    Offer,
    Workload,
)
from services.matching.engine.people import given_units, offered_units
from services.matching.rules.fairness import Share
from services.matching.rules.settings import USUAL, Settings, Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class FairnessCall:
    """Asks for the fairness of a month among those with a skill, or among those named."""

    month: Month
    skill: str = ""
    resource_ids: tuple[str, ...] = ()
    at_least_as_fresh: str = ""


@dataclass(frozen=True, slots=True)
class FairnessRow:
    """One person: what was delivered, what is still to come, and how both compare.

    In days, or in minutes where hours are compared.
    """

    resource_id: str
    display_name: str
    offered_days: int
    delivered: int
    committed: int
    share: Share


@dataclass(frozen=True, slots=True)
class Fairness:
    """One row per person, by id."""

    rows: tuple[FairnessRow, ...]
    month: Month
    time_zone: str
    tolerance_percent: int
    unit: Unit = Unit.DAYS
    cutover: date | None = None


async def fairness(
    call: FairnessCall,
    availability: Availability,
    assignment: Assignment,
    settings: Settings = USUAL,
) -> Fairness:
    """Compares the people asked about with each other. Committed days to come count as given."""
    offers = await availability.offers(
        call.month,
        skill=call.skill,
        resource_ids=call.resource_ids,
        at_least_as_fresh=call.at_least_as_fresh,
        since=settings.cutover,
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
        worked = _worked(workload, given_units(workload, settings), *edges)
    return Fairness(
        rows=_rows(people, worked, settings),
        month=call.month,
        time_zone=offers.time_zone,
        tolerance_percent=settings.tolerance_percent,
        unit=settings.unit,
        cutover=settings.cutover,
    )


def _worked(
    workload: Workload, units: Column, first_day: int, end_day: int
) -> dict[str, tuple[int, int]]:
    """Gives the units delivered and those still to come, per resource."""
    held = (workload.days >= first_day) & (workload.days < end_day)
    size = len(workload.resource_ids)

    def summed(kept: Mask) -> list[int]:
        counts = np.zeros(size, dtype=np.int64)
        np.add.at(counts, workload.indexes[kept], units[kept])
        return [int(count) for count in counts]

    done, ahead = summed(held & workload.delivered), summed(held & ~workload.delivered)
    return dict(zip(workload.resource_ids, zip(done, ahead, strict=True), strict=True))


def _rows(
    people: list[Offer], worked: dict[str, tuple[int, int]], settings: Settings
) -> tuple[FairnessRow, ...]:
    counts = [worked.get(offer.resource.id, (0, 0)) for offer in people]
    offered = [offered_units(offer, settings) for offer in people]
    given_all = sum(done + ahead for done, ahead in counts)
    return tuple(
        FairnessRow(
            resource_id=offer.resource.id,
            display_name=offer.resource.display_name,
            offered_days=offer.days,
            delivered=done,
            committed=ahead,
            share=Share(
                offered=units,
                offered_all=sum(offered),
                given=done + ahead,
                given_all=given_all,
                tolerance_percent=settings.tolerance_percent,
            ),
        )
        for offer, units, (done, ahead) in zip(people, offered, counts, strict=True)
    )
