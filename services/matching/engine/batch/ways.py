"""The places of a batch and the ways between them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from services.matching.domain import Place, Question
from services.matching.engine.batch.problem import NOT_SERVED, Roads

# Ways that are asked for in one question.
WAYS_MAX = 250_000


class Travel(Protocol):
    """Knows how long ways take."""

    async def ways(
        self, origins: Sequence[Place], destinations: Sequence[Place]
    ) -> tuple[tuple[int, ...], ...]:
        """Returns the minutes from each origin to every destination."""
        ...


@dataclass(frozen=True, slots=True)
class Map:
    """The places of a batch, and the minutes between them; empty where nobody travels."""

    places: tuple[Place, ...] = ()
    minutes: tuple[tuple[int, ...], ...] = ()

    def roads(self, asked: Sequence[Place | None]) -> Roads | None:
        """Gives the roads between what requests ask for."""
        if not self.places:
            return None
        number_of = {place: number for number, place in enumerate(self.places)}
        sites = [NOT_SERVED if place is None else number_of[place] for place in asked]
        ways = np.array(self.minutes, dtype=np.int64)
        return Roads(np.array(sites, dtype=np.int64), ways)


NOWHERE = Map()


async def map_of(questions: Sequence[Question], travel: Travel | None) -> Map:
    """Measures the ways between the places of a batch."""
    places = tuple(dict.fromkeys(one.place for one in questions if one.place is not None))
    if travel is None or len(places) < 2:
        return NOWHERE
    size = max(WAYS_MAX // len(places), 1)
    blocks = [places[first : first + size] for first in range(0, len(places), size)]
    rows = await asyncio.gather(*(travel.ways(origins, places) for origins in blocks))
    return Map(places, tuple(row for block in rows for row in block))
