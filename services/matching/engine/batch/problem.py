"""A joint plan as plain numbers: requests, the options of each, and what a solution is."""

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from services.matching.engine.outside import Column


class Objective(StrEnum):
    """What comes second and third after the number of requests served."""

    SERVED_QUALITY_FAIRNESS = "SERVED_QUALITY_FAIRNESS"
    SERVED_FAIRNESS_QUALITY = "SERVED_FAIRNESS_QUALITY"


class Stage(StrEnum):
    """What is being improved."""

    READING = "READING"
    SERVED = "SERVED"
    QUALITY = "QUALITY"
    FAIRNESS = "FAIRNESS"


STAGES = {
    Objective.SERVED_QUALITY_FAIRNESS: (Stage.SERVED, Stage.QUALITY, Stage.FAIRNESS),
    Objective.SERVED_FAIRNESS_QUALITY: (Stage.SERVED, Stage.FAIRNESS, Stage.QUALITY),
}


@dataclass(frozen=True, slots=True)
class Credit:
    """What fairness compares in one pool of people over one month, before the batch.

    All days that a member works from `first_day` up to `end_day` count, whatever the work is.
    `given` and `offered` are per member; `given_all` and `offered_all` include those who are no
    option of any request.
    """

    first_day: int
    end_day: int
    members: tuple[int, ...]
    given: tuple[int, ...]
    offered: tuple[int, ...]
    given_all: int
    offered_all: int


def _nothing() -> Column:
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Further:
    """What options take beyond their first resource, option after option: one row per resource.

    Days are those of `Problem.days`.
    """

    options: Column = field(default_factory=_nothing)
    resources: Column = field(default_factory=_nothing)
    days: Column = field(default_factory=_nothing)

    def of(self, options: Column) -> Column:
        """Gives the rows of some options."""
        return np.flatnonzero(np.isin(self.options, options))


@dataclass(frozen=True, slots=True)
class Roads:
    """Where requests are, by the number of the place or -1, and the minutes between places."""

    sites: Column
    ways: Column

    def apart(self, one: int, other: int) -> int:
        """Gives the minutes that one request's place is away from another's."""
        here, there = int(self.sites[one]), int(self.sites[other])
        return 0 if here < 0 or there < 0 else int(self.ways[here, there])


@dataclass(frozen=True, slots=True)
class Problem:
    """Requests and their options, request after request.

    Option i takes resource `resources[i]` from minute `starts[i]` up to `ends[i]`, buffers
    included, and brings `points[i]`. It makes the day `days[i]` one that its resource works, or
    -1 where that day counts already, or for nobody. A plan of several resources takes `further`
    ones at the same time. Between two places a resource needs the time that `roads` tell.
    """

    # How many resources there are, by number.
    width: int
    # Request r has the options from offsets[r] up to offsets[r + 1].
    offsets: Column
    resources: Column
    starts: Column
    ends: Column
    points: Column
    days: Column
    shares: tuple[Credit, ...] = ()
    further: Further = field(default_factory=Further)
    # None: nobody travels.
    roads: Roads | None = None

    @property
    def count(self) -> int:
        """How many requests there are."""
        return len(self.offsets) - 1

    @property
    def owners(self) -> Column:
        """The request of each option."""
        return np.repeat(np.arange(self.count, dtype=np.int64), np.diff(self.offsets))

    @property
    def servable(self) -> int:
        """How many requests have any option."""
        return int((np.diff(self.offsets) > 0).sum())

    def of(self, request: int) -> slice:
        """Gives where a request's options lie."""
        return slice(int(self.offsets[request]), int(self.offsets[request + 1]))

    def kept(self, options: Column) -> "Problem":
        """Gives the same problem with these options alone, which are ascending."""
        owners, rows = self.owners[options], self.further.of(options)
        offsets = np.zeros(self.count + 1, dtype=np.int64)
        np.cumsum(np.bincount(owners, minlength=self.count), out=offsets[1:])
        return Problem(
            width=self.width,
            offsets=offsets,
            resources=self.resources[options],
            starts=self.starts[options],
            ends=self.ends[options],
            points=self.points[options],
            days=self.days[options],
            shares=self.shares,
            further=Further(
                options=np.searchsorted(options, self.further.options[rows]),
                resources=self.further.resources[rows],
                days=self.further.days[rows],
            ),
            roads=self.roads,
        )

    def uses(self, options: Column) -> tuple[Column, Column, Column]:
        """Gives (option, resource, day) for all that some options take."""
        rows = self.further.of(options)
        return (
            np.concatenate((options, self.further.options[rows])),
            np.concatenate((self.resources[options], self.further.resources[rows])),
            np.concatenate((self.days[options], self.further.days[rows])),
        )

    @property
    def everything(self) -> tuple[Column, Column, Column]:
        """Gives (option, resource, day) for all options, their first resources first."""
        return (
            np.concatenate((np.arange(len(self.points), dtype=np.int64), self.further.options)),
            np.concatenate((self.resources, self.further.resources)),
            np.concatenate((self.days, self.further.days)),
        )


# Per request the number of its chosen option, or -1.
Chosen = Column
NOT_SERVED = -1


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a search has come; a bound of 0 is not known yet."""

    stage: Stage
    served: int
    served_bound: int
    points: int
    points_bound: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Solution:
    """The best plan found, what nothing can be better than, and what greedy came to."""

    chosen: Chosen
    served: int
    served_bound: int
    points: int
    points_bound: int
    greedy_served: int
    greedy_points: int
    # The sum of |given * offered_all - offered * given_all| over all credits.
    unfairness: int
    unfairness_bound: int
    seconds: float = field(compare=False)
    # Whether all that could be chosen was there to choose from.
    whole: bool = True

    @property
    def optimal(self) -> bool:
        """Whether neither more requests nor more points are possible."""
        reached = self.served == self.served_bound and self.points == self.points_bound
        return reached and self.whole

    @property
    def gap_percent(self) -> float:
        """How far the points may be from the best, in percent of the bound."""
        if self.points_bound <= self.points:
            return 0.0
        # Points can be below 0 where several must serve together.
        return 100.0 * (self.points_bound - self.points) / max(abs(self.points_bound), 1)


def total(values: Column, chosen: Chosen) -> int:
    """Sums over the chosen options."""
    return int(values[chosen[chosen != NOT_SERVED]].sum())


def clashes(problem: Problem, chosen: Chosen) -> int:
    """Counts pairs on one resource that overlap or leave no time for the way; a plan has none."""
    options, resources, _ = problem.uses(chosen[chosen != NOT_SERVED])
    owners = problem.owners[options]
    found = 0
    for resource in np.unique(resources).tolist():
        mine = np.flatnonzero(resources == resource)
        mine = mine[np.argsort(problem.starts[options[mine]], kind="stable")]
        ends, starts = problem.ends[options[mine]], problem.starts[options[mine]]
        gone = ends[:, None]
        if problem.roads is not None:
            sites = problem.roads.sites[owners[mine]]
            known = (sites[:, None] >= 0) & (sites[None, :] >= 0)
            gone = gone + np.where(known, problem.roads.ways[sites[:, None], sites[None, :]], 0)
        found += int(np.triu(starts[None, :] < gone, k=1).sum())
    return found


def unfairness(problem: Problem, chosen: Chosen) -> int:
    """Sums how far everybody is from their share; 0 where all have exactly theirs."""
    found = 0
    if not problem.shares:
        return found
    _, resources, days = problem.uses(chosen[chosen != NOT_SERVED])
    for share in problem.shares:
        held = (days >= share.first_day) & (days < share.end_day)
        held &= np.isin(resources, share.members)
        worked = np.unique(np.stack((resources[held], days[held])), axis=1)
        added = np.bincount(worked[0], minlength=problem.width)
        given_all = share.given_all + int(added.sum())
        found += sum(
            abs((given + int(added[member])) * share.offered_all - offered * given_all)
            for member, given, offered in zip(
                share.members, share.given, share.offered, strict=True
            )
        )
    return found
