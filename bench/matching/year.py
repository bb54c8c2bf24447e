"""A year as matching sees it: who is free, who works when, and what each is given in the end."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any

import numpy as np

from bench.matching.team import DAY, FIRST, Story, Trainer, Wanted, days_of
from services.matching.domain import (
    Month,
    Question,
    Resource,
    Window,
    ceil_minute,
    date_of,
    day_of,
    floor_minute,
)
from services.matching.engine import Matrix, Offer, Offers, Workload
from services.matching.rules.fairness import Share

ZONE = "UTC"
STARTS_AT, MINUTES = time(9, tzinfo=UTC), 480


@dataclass
class Played:
    """What a year came to: who gave which course on which day."""

    story: Story
    # Request number to (trainer, day).
    given: dict[int, tuple[str, date]] = field(default_factory=dict)
    # Wanted and never given, though not cancelled before.
    unserved: list[int] = field(default_factory=list)

    def worked(self) -> dict[str, set[date]]:
        """Gives the days worked per trainer."""
        found: dict[str, set[date]] = defaultdict(set)
        for name, day in self.given.values():
            found[name].add(day)
        return found

    def shares(self) -> dict[tuple[str, Month], Share]:
        """Gives each trainer's share of each month of the year, as GetFairness counts it."""
        worked = self.worked()
        found = {}
        for month in months():
            days = span(month)
            offers = {one.name: len(one.offered & days) for one in self.story.trainers}
            counts = {one.name: len(worked[one.name] & days) for one in self.story.trainers}
            for name, offered in offers.items():
                if offered:
                    found[name, month] = Share(
                        offered, sum(offers.values()), counts[name], sum(counts.values())
                    )
        return found


def months() -> list[Month]:
    """Lists the months of the year."""
    return [Month(FIRST.year, number) for number in range(1, 13)]


def span(month: Month) -> frozenset[date]:
    """Gives the days of a month."""
    return frozenset(days_of(date_of(month.first_day), date_of(month.end_day)))


class Year:
    """The two contexts as matching sees them on one day of the year."""

    def __init__(self, story: Story) -> None:
        """Begins with nothing given."""
        self.story = story
        self.today = FIRST
        self.taken: dict[str, set[date]] = defaultdict(set)
        self.resources = {
            one.name: Resource(
                one.name,
                one.name,
                is_person=True,
                priority=one.priority,
                skill_count=len(one.topics),
            )
            for one in story.trainers
        }

    async def slots(self, question: Question, **_: Any) -> Matrix:
        """Gives a slot for every day on which somebody who can is free."""
        assert question.window.start is not None
        assert question.window.end is not None
        first, end = question.window.start.date(), question.window.end.date()
        (topic,) = question.required_skills
        able = sorted(
            (one for one in self.story.trainers if topic in one.topics),
            key=lambda one: (one.priority, one.name),
        )
        starts, capacities, pairs = [], [], []
        for day in days_of(first, end):
            free = [row for row, one in enumerate(able) if self.is_free(one, day)]
            if free:
                starts.append(start_of(day))
                capacities.append(len(free))
                pairs.extend(free)
        inside = sorted({Month(day.year, day.month) for day in (*days_of(first, end), end)})
        offered = [[len(one.offered & span(month)) for month in inside] for one in able]
        return Matrix(
            window_start=ceil_minute(question.window.start),
            window_end=floor_minute(question.window.end),
            duration=MINUTES,
            required_skills=question.required_skills,
            resources=tuple(self.resources[one.name] for one in able),
            offered=np.array(offered, dtype=np.int64).reshape(len(able), len(inside)),
            months=tuple(inside),
            starts=np.array(starts, dtype=np.int64),
            capacities=np.array(capacities, dtype=np.int64),
            pairs=np.array(pairs, dtype=np.int64),
            rejections=(),
            rejected_count=0,
            time_zone=ZONE,
            freshness="",
            result="",
        )

    def is_free(self, trainer: Trainer, day: date) -> bool:
        """Whether a trainer offers a day and has nothing on it."""
        return (
            day in trainer.offered
            and day not in self.taken[trainer.name]
            and not (day == self.today and (trainer.name, day) in self.story.sick)
        )

    async def duration_minutes(self, service_type_id: str) -> int:
        """Gives the length of a course."""
        return MINUTES

    async def buffers(self, service_type_id: str) -> tuple[int, int]:
        """Gives the minutes kept free around a course: none."""
        return 0, 0

    async def offers(self, month: Month, *, skill: str, **_: Any) -> Offers:
        """Gives what those with a skill offer in a month."""
        able = [one for one in self.story.trainers if not skill or skill in one.topics]
        days = span(month)
        return Offers(
            tuple(Offer(self.resources[one.name], len(one.offered & days)) for one in able), ZONE
        )

    async def workload(self, window: Window, **_: Any) -> Workload:
        """Gives who works on which day of a window."""
        assert window.start is not None
        assert window.end is not None
        first, end = window.start.date(), window.end.date()
        cells = [
            (number, day_of(day))
            for number, one in enumerate(self.story.trainers)
            for day in sorted(self.taken[one.name])
            if first <= day < end
        ]
        rows = np.array(cells, dtype=np.int64).reshape(len(cells), 2)
        ones = np.ones(len(cells), dtype=np.int64)
        return Workload(
            resource_ids=tuple(one.name for one in self.story.trainers),
            indexes=rows[:, 0],
            days=rows[:, 1],
            bookings=ones,
            delivered=rows[:, 1] < day_of(self.today),
            minutes=ones * MINUTES,
            legacy=ones * 0,
        )


def start_of(day: date) -> int:
    """Gives the minute at which a course starts."""
    return floor_minute(datetime.combine(day, STARTS_AT))


def question_of(one: Wanted, today: date) -> Question:
    """Gives what a request asks, from a day on."""
    first = max(one.first, today)
    edges = (datetime.combine(day, time(tzinfo=UTC)) for day in (first, max(one.end, first + DAY)))
    return Question(one.topic, Window(*edges), required_skills=(one.topic,))
