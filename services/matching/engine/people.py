"""Finds whom a month is shared among: all who could do the work, asked for and free or not."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from services.matching.domain import Month
from services.matching.engine.outside import Availability, Column, Offer, Workload
from services.matching.rules.settings import USUAL, Settings, Unit

# Days, or minutes, offered in one month by each person compared.
Pool = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Totals:
    """What all people compared offered and were given, month by month."""

    offered: tuple[int, ...]
    given: tuple[int, ...]


async def pools(
    availability: Availability,
    months: Sequence[Month],
    skills: Sequence[str],
    *,
    at_least_as_fresh: str,
    settings: Settings = USUAL,
) -> tuple[Pool, ...]:
    """Returns per month the people who have all of the skills, and what they offer.

    The same people that GetFairness compares, so that a forecast says what the report will say.
    """
    wanted = tuple(dict.fromkeys(skills)) or ("",)
    asked = [(month, skill) for month in months for skill in wanted]
    answers = await asyncio.gather(
        *(
            availability.offers(
                month,
                skill=skill,
                resource_ids=(),
                at_least_as_fresh=at_least_as_fresh,
                since=settings.cutover,
            )
            for month, skill in asked
        )
    )
    found: dict[Month, Pool] = {}
    for (month, _), answer in zip(asked, answers, strict=True):
        able = {
            offer.resource.id: offered_units(offer, settings)
            for offer in answer.offers
            if offer.resource.is_person
        }
        earlier = found.get(month, able)
        found[month] = {name: days for name, days in able.items() if name in earlier}
    return tuple(found[month] for month in months)


def offered_units(offer: Offer, settings: Settings) -> int:
    """Gives what an offer counts for fairness."""
    return offer.minutes if settings.unit is Unit.HOURS else offer.days


def given_units(workload: Workload, settings: Settings) -> Column:
    """Gives what each entry of a workload counts for fairness: a day, or its minutes.

    Legacy records and days before the cutover count nothing. A day with both kinds of bookings
    counts its minutes by their share.
    """
    counted = workload.bookings
    if workload.legacy is not None:
        counted = counted - workload.legacy
    if settings.unit is Unit.HOURS:
        minutes = np.zeros_like(counted) if workload.minutes is None else workload.minutes
        units = minutes * counted // np.maximum(workload.bookings, 1)
    else:
        units = (counted > 0).astype(np.int64)
    if settings.first_day is not None:
        units = np.where(workload.days >= settings.first_day, units, 0)
    return units


def totals(
    months: Sequence[Month],
    shared: Sequence[Pool],
    workload: Workload,
    settings: Settings = USUAL,
) -> Totals:
    """Sums what the people of each month's pool offer and what the workload gave them."""
    given, units = [], given_units(workload, settings)
    for month, pool in zip(months, shared, strict=True):
        counted = np.array([name in pool for name in workload.resource_ids], dtype=np.bool_)
        held = (workload.days >= month.first_day) & (workload.days < month.end_day)
        given.append(int(units[held][counted[workload.indexes[held]]].sum()))
    return Totals(offered=tuple(sum(pool.values()) for pool in shared), given=tuple(given))
