"""The engine's answers to the shared workload have the hashes on which others agreed."""

import pytest

from bench.workload import (
    BUFFER_MINUTES,
    CELLS,
    DURATION_MINUTES,
    WINDOW_START,
    WORKING_RANGES,
    Cell,
    Worker,
    answer_hash,
    workers,
)
from services.availability.domain import (
    LAST_MINUTE,
    ExternalBusy,
    Resource,
    ResourceKind,
    Schedule,
    SlotShape,
    Span,
    StartBounds,
    Tenant,
    WallRange,
    WeeklyRule,
)
from services.availability.rules.expansions import Expansions
from services.availability.rules.lane import Lane, lane_of
from services.availability.rules.slots import Contender, SlotTable, free_slots
from services.availability.rules.working import pattern_of
from services.availability.rules.zones import Zones

_RULES = tuple(
    WeeklyRule(weekdays=frozenset(range(1, 6)), hours=WallRange(start, end))
    for start, end in WORKING_RANGES
)


def lane_for(worker: Worker) -> Lane:
    """Turns a worker of the workload into a lane."""
    busy = tuple(
        ExternalBusy(resource_id=worker.id, uid=str(n), sequence=0, span=Span(start, end))
        for n, (start, end) in enumerate(worker.busy.tolist())
    )
    resource = Resource(id=worker.id, kind=ResourceKind.PERSON, time_zone=worker.time_zone)
    schedule = Schedule(rules=_RULES, external_busy=busy)
    pattern = pattern_of(resource, schedule, Tenant("acme"))
    return lane_of(resource, schedule, (), pattern=pattern, now=WINDOW_START)


def answer(lanes: list[Lane], cell: Cell, expansions: Expansions) -> SlotTable:
    """Asks the engine the workload's question: the grid is that of UTC."""
    return free_slots(
        [Contender(lane) for lane in lanes],
        SlotShape(
            duration=DURATION_MINUTES,
            granularity=cell.granularity,
            buffer_before=BUFFER_MINUTES,
            buffer_after=BUFFER_MINUTES,
            grid_zone="UTC",
        ),
        window=Span(*cell.window),
        bounds=StartBounds(earliest=0, latest=LAST_MINUTE),
        expansions=expansions,
    )


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_answer_has_the_hash_on_which_five_implementations_agreed(cell: Cell) -> None:
    lanes = [lane_for(worker) for worker in workers(cell)]
    table = answer(lanes, cell, Expansions(Zones()))
    assert answer_hash(table.starts, table.capacities, table.candidates) == cell.answer_hash
