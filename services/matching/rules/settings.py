"""How a tenant wants its work matched: what fairness counts, how strictly, and its own weights."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from services.matching.domain import day_of
from services.matching.rules.fairness import TOLERANCE_PERCENT
from services.matching.rules.policies import POLICIES

WEIGHT_MAX = 1_000


class Unit(StrEnum):
    """What is offered and given out fairly."""

    DAYS = "DAYS"
    # Working time, counted in minutes.
    HOURS = "HOURS"


@dataclass(frozen=True, slots=True)
class Settings:
    """One tenant's; `version` 0 means that it never said anything."""

    unit: Unit = Unit.DAYS
    tolerance_percent: int = TOLERANCE_PERCENT
    # Days before this one do not count for fairness.
    cutover: date | None = None
    # The most points of preferences, in place of the policy's own; 0 leaves one out.
    weights: Mapping[str, int] = field(default_factory=dict)
    version: int = 0

    @property
    def first_day(self) -> int | None:
        """The first day that counts, since 1970-01-01; None where all do."""
        return None if self.cutover is None else day_of(self.cutover)


USUAL = Settings()


def wrong_weights(weights: Mapping[str, int]) -> tuple[tuple[str, str], ...]:
    """Gives (preference, what is wrong) for weights that cannot be."""
    known = {name for policy in POLICIES if policy.weighable for name in policy.weights()}
    found = []
    for name, weight in sorted(weights.items()):
        if name not in known:
            found.append(
                (name, f"there is no such preference; there are {', '.join(sorted(known))}")
            )
        elif not 0 <= weight <= WEIGHT_MAX:
            found.append((name, f"must be from 0 to {WEIGHT_MAX}"))
    if not found and weights and all(weights.get(name) == 0 for name in known):
        found.append(("", "some preference must weigh something"))
    return tuple(found)
