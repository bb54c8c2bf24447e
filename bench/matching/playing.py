"""Plays a year day by day: each request given at once, or all open ones together every Monday."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

from bench.matching.inline import Inline
from bench.matching.team import DAY, END, Story, Wanted, days_of
from bench.matching.year import Played, Year, question_of
from services.matching.domain import Candidate, Question, Window, moment_of
from services.matching.engine import RankCall, Workload
from services.matching.engine.batch import BatchCall, Batches, Objective, Outcome
from services.matching.engine.ranking import rank

WEEK = 7 * DAY
WORKERS = 2


class Player:
    """Plays a year day by day; how requests are given is left to the two ways below."""

    def __init__(self, story: Story) -> None:
        """Begins before the first request is known."""
        self.year = Year(story)
        self.played = Played(story)
        self.wanted = {one.number: one for one in story.wanted}
        self.open: list[int] = []
        self.arrivals = _by_day(story.wanted, lambda one: one.known)
        self.leaves = _by_day(story.wanted, lambda one: one.cancelled)

    async def play(self, *, policy: str, weekly_seconds: float = 0.0) -> Played:
        """Plays the year: each request at once, or all open ones together every Monday."""
        for day in days_of(min(self.arrivals), END):
            self.year.today = day
            for one in self.leaves.get(day, []):
                self._give_back(one.number, since=day)
                self.open = [number for number in self.open if number != one.number]
            lost = self._sick_today()
            self.open += [one.number for one in self.arrivals.get(day, [])]
            if not weekly_seconds:
                await self._rank([*lost, *self.open], policy)
                self.open = []
                continue
            await self._rank(lost, policy)
            if day.weekday() == 0:
                await self._plan(policy, weekly_seconds)
        return self.played

    async def _rank(self, numbers: list[int], policy: str) -> None:
        """Gives each to whom the policy ranks first."""
        for number in numbers:
            question = question_of(self.wanted[number], self.year.today)
            call = RankCall(question=question, policy=policy, limit=1)
            ranking = (await rank(call, self.year, self)).ranking
            if ranking.candidates:
                self._give(number, ranking.candidates[0])
            else:
                self.played.unserved.append(number)

    async def _plan(self, policy: str, seconds: float) -> None:
        """Plans all open requests together and gives those of the coming week; the others stay
        open, to be planned again when more is known.
        """
        if not self.open:
            return
        batches = Batches(
            availability=self.year,
            assignment=self,
            pool=Inline(1),
            workers=WORKERS,
            new_key=str,
        )
        call = BatchCall(
            booking_request_ids=tuple(map(str, self.open)),
            objective=Objective.SERVED_FAIRNESS_QUALITY,
            seconds=seconds,
            policy=policy,
        )
        async for said in batches.plan(call):
            if not isinstance(said, Outcome):
                continue
            number = int(said.booking_request_id)
            if said.candidate is None:
                if self.wanted[number].end <= self.year.today + WEEK:
                    self.played.unserved.append(number)
                    self.open.remove(number)
            elif day_of_start(said.candidate.start) <= self.year.today + WEEK:
                self._give(number, said.candidate)
                self.open.remove(number)

    async def question_of(self, booking_request_id: str) -> Question:
        """Gives what a request asks; nothing is planned for today."""
        return question_of(self.wanted[int(booking_request_id)], self.year.today + DAY)

    async def workload(self, window: Window, **asked: Any) -> Workload:
        """Gives who works when."""
        return await self.year.workload(window, **asked)

    def _give(self, number: int, candidate: Candidate) -> None:
        day = day_of_start(candidate.start)
        (name,) = candidate.resource_ids
        self.year.taken[name].add(day)
        self.played.given[number] = (name, day)

    def _give_back(self, number: int, *, since: date) -> None:
        name, day = self.played.given.get(number, ("", since))
        if name and day >= since:
            del self.played.given[number]
            self.year.taken[name].discard(day)

    def _sick_today(self) -> list[int]:
        """Takes today's courses from those who are sick; they are looked for again at once."""
        today = self.year.today
        lost = [
            number
            for number, (name, day) in self.played.given.items()
            if day == today and (name, day) in self.year.story.sick
        ]
        for number in lost:
            self._give_back(number, since=today)
        return lost


def play(story: Story, policy: str, *, weekly_seconds: float = 0.0) -> Played:
    """Plays a year under a policy; with seconds for it, by a joint plan every Monday."""
    return asyncio.run(Player(story).play(policy=policy, weekly_seconds=weekly_seconds))


def day_of_start(start: int) -> date:
    """Gives the day of a minute."""
    return moment_of(start).date()


def _by_day(
    wanted: Iterable[Wanted], day_of_one: Callable[[Wanted], date | None]
) -> dict[date, list[Wanted]]:
    found: dict[date, list[Wanted]] = defaultdict(list)
    for one in wanted:
        day = day_of_one(one)
        if day is not None:
            found[day].append(one)
    return found
