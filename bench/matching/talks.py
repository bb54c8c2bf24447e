"""Gives the talks of a real conference rooms, all together, each at its own time."""

import csv
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from bench.matching.inline import Inline
from bench.table import Bench, Row
from services.matching.domain import Month, Question, Resource, Window, floor_minute
from services.matching.engine import Matrix, Offers, Workload
from services.matching.engine.batch import BatchCall, Batches, Outcome, Tally

DATA = Path(__file__).parents[3] / "shared" / "data" / "conference" / "fosdem_2025.csv"
SECONDS, WORKERS = 5.0, 2


@dataclass(frozen=True)
class Talk:
    """One talk: when it is, and where it really was."""

    id: str
    start: datetime
    end: datetime
    room: str


def talks() -> list[Talk]:
    """Reads the talks; those without a length take no room."""
    with DATA.open(newline="") as file:
        found = [
            Talk(row["id"], _moment(row, "start_local"), _moment(row, "end_local"), row["room"])
            for row in csv.DictReader(file)
        ]
    return [one for one in found if one.start < one.end]


def _moment(row: dict[str, str], edge: str) -> datetime:
    local = datetime.fromisoformat(row[edge]).replace(tzinfo=ZoneInfo(row["timezone"]))
    return local.astimezone(UTC)


class Venue:
    """The two contexts, for rooms that are all free and all alike."""

    def __init__(self, found: list[Talk]) -> None:
        """Knows the talks by id."""
        self.talks = {one.id: one for one in found}
        self.rooms = tuple(Resource(name) for name in sorted({one.room for one in found}))

    async def question_of(self, booking_request_id: str) -> Question:
        """Asks for the talk's own time."""
        talk = self.talks[booking_request_id]
        minutes = (talk.end - talk.start).seconds // 60
        return Question(f"{minutes} minutes", Window(talk.start, talk.end))

    async def buffers(self, service_type_id: str) -> tuple[int, int]:
        """Keeps nothing free between talks, as the conference does."""
        return 0, 0

    async def slots(self, question: Question, **_: Any) -> Matrix:
        """Offers every room at every start of a talk of that length in the window."""
        assert question.window.start is not None
        assert question.window.end is not None
        low, high = floor_minute(question.window.start), floor_minute(question.window.end)
        length = int(question.service_type_id.split()[0])
        starts = sorted(
            {
                floor_minute(one.start)
                for one in self.talks.values()
                if low <= floor_minute(one.start) <= high - length
            }
        )
        count = len(self.rooms)
        return Matrix(
            window_start=low,
            window_end=high,
            duration=length,
            required_skills=(),
            resources=self.rooms,
            offered=np.zeros((count, 1), dtype=np.int64),
            months=(Month(2025, 2),),
            starts=np.array(starts, dtype=np.int64),
            capacities=np.full(len(starts), count, dtype=np.int64),
            pairs=np.tile(np.arange(count, dtype=np.int64), len(starts)),
            rejections=(),
            rejected_count=0,
            time_zone="Europe/Brussels",
            freshness="",
            result="",
        )

    async def offers(self, month: Month, **_: Any) -> Offers:
        """Compares nobody."""
        return Offers((), "Europe/Brussels")

    async def workload(self, window: Window, **_: Any) -> Workload:
        """Has nothing committed yet."""
        none = np.zeros(0, dtype=np.int64)
        return Workload((), none, none, none, none > 0, none, none)

    async def duration_minutes(self, service_type_id: str) -> int:
        """Reads the length off the name."""
        return int(service_type_id.split(maxsplit=1)[0])


async def placed(found: list[Talk]) -> tuple[dict[str, tuple[str, int, int]], Tally]:
    """Plans all talks together; gives room, start and end of each that has a place."""
    venue = Venue(found)
    batches = Batches(
        availability=venue,
        assignment=venue,
        pool=Inline(1),
        workers=WORKERS,
        new_key=str,
    )
    call = BatchCall(booking_request_ids=tuple(venue.talks), seconds=SECONDS)
    places: dict[str, tuple[str, int, int]] = {}
    tally: Tally | None = None
    async for said in batches.plan(call):
        if isinstance(said, Outcome) and said.candidate is not None:
            one = said.candidate
            places[said.booking_request_id] = (one.resource_ids[0], one.start, one.end)
        elif isinstance(said, Tally):
            tally = said
    assert tally is not None
    return places, tally


def overlaps(places: dict[str, tuple[str, int, int]]) -> int:
    """Counts neighbours in one room that overlap."""
    order = sorted(places.values())
    return sum(one[0] == other[0] and other[1] < one[2] for one, other in pairwise(order))


async def rows_of(bench: Bench) -> AsyncIterator[Row]:
    """Places the talks, if the schedule is at hand."""
    if not DATA.exists():
        bench.say(f"{DATA} is not there: no conference")
        return
    found = talks()
    bench.say(f"placing {len(found):,} talks")
    begun = time.perf_counter()
    places, tally = await placed(found)
    seconds = time.perf_counter() - begun
    assert tally.first is not None
    clashing = overlaps(places)
    yield Row(
        name="FOSDEM 2025: talks without a room",
        value=len(found) - len(places),
        unit="talks",
        against="greedy",
        against_value=len(found) - tally.first.greedy_served,
        goal="all placed, no overlap",
        reached=len(places) == len(found) and clashing == 0,
        note=f"{len(found):,} talks, 35 rooms, {clashing} overlaps, {seconds:.1f} s",
    )
