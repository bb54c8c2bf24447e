"""Looks for what could be done about a request that nobody can serve."""

from dataclasses import replace
from datetime import timedelta

import numpy as np

from kit.fault import Fault
from services.matching.domain import Ranking, Window, moment_of
from services.matching.engine.layout import Scope
from services.matching.engine.outside import Availability
from services.matching.rules.next_steps import Dead, Later, advice, next_steps
from services.matching.rules.sentences import clock_text, slot_text

# How far after its window somebody is looked for.
BEYOND = timedelta(days=7)


async def with_next_steps(
    ranking: Ranking, scope: Scope, availability: Availability, *, fresh: str
) -> Ranking:
    """Adds what a person could do; asks availability once, for the days after the window."""
    matrix, asked = scope.matrix, scope.asked
    dead = Dead(
        question=asked.question,
        window=(matrix.window_start, matrix.window_end),
        duration=matrix.duration,
        rejections=ranking.rejections,
        first_clock=clock_text(matrix.window_start, scope.zone),
        may_merge=matrix.merging is not None,
        later=await _later(scope, availability, fresh=fresh),
    )
    steps = next_steps(dead)
    return replace(ranking, next_steps=steps, result=f"{ranking.result}{advice(steps)}")


async def _later(scope: Scope, availability: Availability, *, fresh: str) -> Later | None:
    """Finds the first slot that ends after the window; nothing where availability refuses."""
    matrix = scope.matrix
    first = matrix.window_end - matrix.duration + 1
    begin = moment_of(max(first, matrix.window_start))
    window = Window(begin, moment_of(matrix.window_end) + BEYOND)
    try:
        found = await availability.slots(
            replace(scope.asked.question, window=window),
            max_rejections=0,
            at_least_as_fresh=fresh,
            as_if_now=None,
        )
    except Fault:
        return None
    if not len(found.pairs):
        return None
    slot = int(np.flatnonzero(found.capacities)[0])
    resource = found.resources[int(found.pairs[0])]
    start = int(found.starts[slot])
    end = start + found.duration
    said = slot_text(start, end, scope.zone, matrix.time_zone)
    return Later(resource.name, resource.id, start, end, said)
