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


@dataclass(frozen=True, slots=True)
class Problem:
    """Requests and their options, request after request.

    Option i takes resource `resources[i]` from minute `starts[i]` up to `ends[i]`, buffers
    included, and brings `points[i]`. It makes the day `days[i]` one that its resource works, or
    -1 where that day counts already, or for nobody.
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
        owners = self.owners[options]
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

    @property
    def optimal(self) -> bool:
        """Whether neither more requests nor more points are possible."""
        return self.served == self.served_bound and self.points == self.points_bound

    @property
    def gap_percent(self) -> float:
        """How far the points may be from the best, in percent of the bound."""
        if self.points_bound <= self.points:
            return 0.0
        return 100.0 * (self.points_bound - self.points) / self.points_bound


def total(values: Column, chosen: Chosen) -> int:
    """Sums over the chosen options."""
    return int(values[chosen[chosen != NOT_SERVED]].sum())


def clashes(problem: Problem, chosen: Chosen) -> int:
    """Counts pairs of neighbours on one resource that overlap; a plan has none."""
    taken = chosen[chosen != NOT_SERVED]
    order = taken[np.lexsort((problem.starts[taken], problem.resources[taken]))]
    same = problem.resources[order][1:] == problem.resources[order][:-1]
    return int((same & (problem.starts[order][1:] < problem.ends[order][:-1])).sum())


def unfairness(problem: Problem, chosen: Chosen) -> int:
    """Sums how far everybody is from their share; 0 where all have exactly theirs."""
    found = 0
    taken = chosen[chosen != NOT_SERVED]
    for share in problem.shares:
        held = (problem.days[taken] >= share.first_day) & (problem.days[taken] < share.end_day)
        mine = taken[held & np.isin(problem.resources[taken], share.members)]
        days = np.unique(np.stack((problem.resources[mine], problem.days[mine])), axis=1)
        added = np.bincount(days[0], minlength=problem.width)
        given_all = share.given_all + int(added.sum())
        found += sum(
            abs((given + int(added[member])) * share.offered_all - offered * given_all)
            for member, given, offered in zip(
                share.members, share.given, share.offered, strict=True
            )
        )
    return found
