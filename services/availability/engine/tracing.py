"""Tells how an answer came about, from what was there anyway: nothing is kept for it beforehand."""

from collections.abc import Sequence
from itertools import islice
from time import perf_counter

from services.availability.engine.answers import Step, Trace
from services.availability.engine.looking import Look
from services.availability.engine.outcomes import first_reasons, rejections
from services.availability.engine.surveying import Search
from services.availability.rules.expansions import Expansions
from services.availability.rules.slots import SlotTable

# Rejections of one trace; more are counted only.
REJECTIONS_MAX = 1_000


class Watch:
    """Takes the time of the steps of one search."""

    def __init__(self) -> None:
        """Starts now."""
        self._last = perf_counter()

    def lap(self) -> float:
        """Gives the seconds since the last lap."""
        last, self._last = self._last, perf_counter()
        return self._last - last


def trace_of(
    search: Search, look: Look, table: SlotTable, laps: Sequence[float], expansions: Expansions
) -> Trace:
    """Gives who dropped out at which step and why; `laps` are of asking, looking and listing."""
    world, question = search.whole, search.question
    ineligible = first_reasons(world.roster.ineligible(question.wanted))
    why = ", ".join(f"{code} {count}" for code, count in sorted(ineligible.items()))
    tally = search.tally
    asked, looked, listed = laps
    steps = [
        Step("asked", "resources the question is about", world.roster.count_asked(question.wanted)),
        Step("eligible", why or "nobody is kept out", len(search.eligible.ids), asked),
        Step(
            "looked",
            f"days asked {tally.asked}, read from others {tally.read}, computed {tally.computed}",
            look.starts,
            looked,
        ),
        Step("listed", "candidates on this page", len(table.candidates), listed),
    ]
    ranked = world.roster.ranked
    free = frozenset(ranked[rank] for rank in set(look.table().candidates.tolist()))
    contenders = world.contenders(question.wanted, question.now, keep=not search.bypass)
    left_out = rejections(world, question, contenders, free, expansions=expansions)
    return Trace(
        steps=steps,
        rejections=list(islice(left_out, REJECTIONS_MAX)),
        rejected_count=world.roster.count_asked(question.wanted) - len(free),
    )
