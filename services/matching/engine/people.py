"""Finds whom a month is shared among: all who could do the work, asked for and free or not."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from services.matching.domain import Month
from services.matching.engine.outside import Availability, Offer, Workload

# Days offered in one month by each person compared.
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
) -> tuple[Pool, ...]:
    """Returns per month the people who have all of the skills, and the days they offer.

    The same people that GetFairness compares, so that a forecast says what the report will say.
    """
    wanted = tuple(dict.fromkeys(skills)) or ("",)
    asked = [(month, skill) for month in months for skill in wanted]
    answers = await asyncio.gather(
        *(
            availability.offers(
                month, skill=skill, resource_ids=(), at_least_as_fresh=at_least_as_fresh
            )
            for month, skill in asked
        )
    )
    found: dict[Month, Pool] = {}
    for (month, _), answer in zip(asked, answers, strict=True):
        able = _people(answer.offers)
        earlier = found.get(month, able)
        found[month] = {name: days for name, days in able.items() if name in earlier}
    return tuple(found[month] for month in months)


def totals(months: Sequence[Month], shared: Sequence[Pool], workload: Workload) -> Totals:
    """Sums what the people of each month's pool offer and what the workload gave them."""
    given = []
    for month, pool in zip(months, shared, strict=True):
        counted = np.array([name in pool for name in workload.resource_ids], dtype=np.bool_)
        held = (workload.days >= month.first_day) & (workload.days < month.end_day)
        given.append(int(counted[workload.indexes[held]].sum()))
    return Totals(offered=tuple(sum(pool.values()) for pool in shared), given=tuple(given))


def _people(offers: Sequence[Offer]) -> Pool:
    return {offer.resource.id: offer.days for offer in offers if offer.resource.is_person}
