"""Policies: named, versioned sets of preferences, and the weights a tenant may give them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from services.matching.rules.facts import DayFacts, PairFacts, SlotFacts
from services.matching.rules.preferences import (
    CONTINUITY,
    COUNTED_LOAD,
    EARLIEST,
    FAIRNESS,
    FIT,
    JOINTS,
    LOAD,
    PRIORITY,
    PROXIMITY,
    RULING_PRIORITY,
    SPARE_SKILLS,
    WISHES,
    Facts,
    Preference,
)


@dataclass(frozen=True, slots=True)
class Policy:
    """A named, versioned set of preferences; it never changes once it has decided anything."""

    name: str
    sentence: str
    by_day: tuple[Preference[DayFacts], ...]
    by_slot: tuple[Preference[SlotFacts], ...] = ()
    by_pair: tuple[Preference[PairFacts], ...] = ()
    # Whether a tenant's own weights take the place of its own.
    weighable: bool = False

    @property
    def weighs_fairness(self) -> bool:
        """Whether it needs to know what whole months gave and offered."""
        return self.weighs(FAIRNESS.name)

    def weighs(self, name: str) -> bool:
        """Whether it has a preference of that name."""
        return name in self.weights()

    def weights(self) -> dict[str, int]:
        """Gives the most points of each preference, in the order in which they are told."""
        return {name: weight for name, _, weight in self.told()}

    def told(self) -> tuple[tuple[str, str, int], ...]:
        """Gives name, sentence and weight of each preference, in the order they are told."""
        return (
            *((rule.name, rule.sentence, rule.weight) for rule in self.by_day),
            *((rule.name, rule.sentence, rule.weight) for rule in self.by_pair),
            *((rule.name, rule.sentence, rule.weight) for rule in self.by_slot),
        )

    def weighed(self, weights: Mapping[str, int]) -> "Policy":
        """Gives the policy with a tenant's weights; a weight of 0 leaves the preference out."""
        if not weights or not self.weighable:
            return self
        return replace(
            self,
            by_day=_weighed(self.by_day, weights),
            by_slot=_weighed(self.by_slot, weights),
            by_pair=_weighed(self.by_pair, weights),
        )


def _weighed(
    rules: tuple[Preference[Facts], ...], weights: Mapping[str, int]
) -> tuple[Preference[Facts], ...]:
    made = (replace(rule, weight=weights.get(rule.name, rule.weight)) for rule in rules)
    return tuple(rule for rule in made if rule.weight)


# The old allocator and the fair one.
POLICIES = (
    Policy(
        name="v1",
        sentence="The old allocator: static priority, then the fewest bookings that day.",
        by_day=(RULING_PRIORITY, COUNTED_LOAD),
    ),
    Policy(
        name="v2",
        sentence="The fair one: who the month has given least, and how well the plan suits.",
        by_day=(FAIRNESS, FIT, LOAD, PRIORITY, SPARE_SKILLS, CONTINUITY, JOINTS),
        by_pair=(PROXIMITY, WISHES),
        by_slot=(EARLIEST,),
        weighable=True,
    ),
)
DECIDING_POLICY = "v2"


def policy_named(name: str) -> Policy | None:
    """Gives the policy of that name; the deciding one for no name, None for an unknown one."""
    wanted = name or DECIDING_POLICY
    return next((policy for policy in POLICIES if policy.name == wanted), None)
