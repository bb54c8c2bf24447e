"""Sums comparisons up and says whether the other policy is safe to promote."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.matching.engine.decisions.comparing import Comparison

# Fewer pairs say too little.
PAIRS_LEAST = 100
# The other policy may take so many times as long, and this much more, before it is too slow.
SLOWER_TIMES = 2.0
SLOWER_MS = 5.0


@dataclass(frozen=True, slots=True)
class Compared:
    """One comparison and what it was about."""

    at: datetime
    booking_request_id: str
    comparison: Comparison
    committed: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What two policies came to over many decisions."""

    deciding_policy: str
    other_policy: str
    compared: tuple[Compared, ...]
    decisions: int
    committed: int
    same_pick: int
    reproduced: int
    infeasible: int
    # Found by the deciding policy alone.
    nobody: int
    mean_score_difference: float
    max_score_difference: int
    # (median, 99th percentile) in milliseconds.
    deciding_ms: tuple[float, float]
    other_ms: tuple[float, float]
    reasons: tuple[tuple[str, int], ...]

    @property
    def objections(self) -> list[str]:
        """What speaks against letting the other policy decide."""
        found = []
        if self.decisions < PAIRS_LEAST:
            found.append(f"{self.decisions:,} decisions are fewer than the {PAIRS_LEAST} it takes")
        if self.infeasible:
            found.append(f"{self.infeasible:,} of its picks were not free")
        if self.nobody:
            found.append(f"it found nobody {self.nobody:,} times where somebody was free")
        if self.reproduced < self.decisions:
            lost = self.decisions - self.reproduced
            found.append(f"{lost:,} decisions cannot be reproduced from what was kept")
        if self.other_ms[1] > SLOWER_TIMES * self.deciding_ms[1] + SLOWER_MS:
            found.append(
                f"it takes {self.other_ms[1]:.1f} ms at the 99th percentile, "
                f"{self.deciding_policy} {self.deciding_ms[1]:.1f} ms"
            )
        return found

    @property
    def safe(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.objections

    @property
    def sentence(self) -> str:
        """The verdict for a person."""
        if not self.decisions:
            return "There is nothing to compare."
        same = 100 * self.same_pick // self.decisions
        agreed = (
            f"{self.other_policy} picks the same as {self.deciding_policy} in {same} % of "
            f"{self.decisions:,} decisions"
        )
        if self.safe:
            return f"{agreed}, is never infeasible and fast enough: it is safe to promote."
        return f"{agreed}. It is not safe to promote: {'; '.join(self.objections)}."


def verdict(deciding_policy: str, other_policy: str, compared: Sequence[Compared]) -> Verdict:
    """Sums up; what differs comes first in `compared` as it was given."""
    found = [one.comparison for one in compared]
    differences = [one.score_difference for one in found]
    reasons = Counter(one.reason for one in found if one.reason)
    return Verdict(
        deciding_policy=deciding_policy,
        other_policy=other_policy,
        compared=tuple(compared),
        decisions=len(found),
        committed=sum(one.committed for one in compared),
        same_pick=sum(one.same_pick for one in found),
        reproduced=sum(one.reproduced for one in found),
        infeasible=sum(not one.feasible for one in found),
        nobody=sum(one.other is None for one in found),
        mean_score_difference=sum(differences) / len(differences) if differences else 0.0,
        max_score_difference=max(differences, default=0),
        deciding_ms=_middle_and_end([one.deciding_ms for one in found]),
        other_ms=_middle_and_end([one.other_ms for one in found]),
        reasons=tuple(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))),
    )


def _middle_and_end(values: Sequence[float]) -> tuple[float, float]:
    if not values:
        return 0.0, 0.0
    ordered = sorted(values)
    last = len(ordered) - 1
    return ordered[last // 2], ordered[-(-last * 99 // 100)]
