"""How much each slot of an answer suits the wishes of those who could serve it."""

from collections.abc import Mapping, Sequence

import numpy as np

from services.availability.domain import Question, Resource, Schedule
from services.availability.rules.bits import Index
from services.availability.rules.intervals import Minutes
from services.availability.rules.preferences import suits
from services.availability.rules.zones import Zones


def preferences(
    question: Question,
    kept: Sequence[Resource],
    schedules: Mapping[str, Schedule],
    *,
    starts: Minutes,
    candidates: Index,
    tenant_zone: str,
    zones: Zones,
) -> Index:
    """Gives -100 to 100 for each pair of start and candidate; nothing where nobody has wishes.

    `starts` holds the start of each pair, `candidates` its index into `kept`.
    """
    wishes = [schedules[one.id].preferences if one.id in schedules else () for one in kept]
    if not any(wishes):
        return np.array([], dtype=np.int64)
    found = np.zeros(len(candidates), dtype=np.int64)
    for index, (resource, own) in enumerate(zip(kept, wishes, strict=True)):
        if own:
            pairs = np.flatnonzero(candidates == index)
            found[pairs] = suits(
                own,
                starts[pairs],
                duration=question.shape.duration,
                service_type_id=question.service_type_id,
                zone=zones.get(resource.time_zone or tenant_zone),
            )
    return found
