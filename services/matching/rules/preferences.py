"""Preferences: how well a resource and a slot suit, each in whole points of a maximum."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from services.matching.rules.facts import DayFacts, SlotFacts
from services.matching.rules.sentences import (
    Story,
    bookings_clause,
    earliest_clause,
    fairness_clause,
    fit_clause,
    priority_clause,
)

if TYPE_CHECKING:
    from services.matching.rules.facts import Truth, Whole

Facts = TypeVar("Facts", DayFacts, SlotFacts)


def _by_weight(weight: int, _facts: DayFacts | SlotFacts) -> "Whole":
    return weight


@dataclass(frozen=True, slots=True)
class Preference(Generic[Facts]):
    """One soft rule: whether it applies, how many points it gives of how many, and why.

    The functions take the facts of one candidate or columns of them; `weight` comes first.
    """

    name: str
    sentence: str
    weight: int
    applies: "Callable[[Facts], Truth]"
    points: "Callable[[int, Facts], Whole]"
    # One clause without a full stop, from the facts of one candidate.
    reason: Callable[[Facts, Story], str]
    most: "Callable[[int, Facts], Whole]" = _by_weight


def _always(facts: DayFacts) -> "Truth":
    return facts.bookings >= 0


def _fairness_points(weight: int, facts: DayFacts) -> "Whole":
    """Falls with the square of how far this choice would be ahead of the fairest choice.

    Ahead means units given per unit offered, after the assignment. A square, because a tenth
    ahead must weigh more than an earlier start or a better static priority.
    """
    fair = (facts.fairest_given_after * facts.offered) ** 2
    here = (facts.given_after * facts.fairest_offered) ** 2
    # Where nobody offers there is nothing to compare, and everybody gets all points.
    nothing = here == 0
    return (weight * fair + weight * nothing) // (here + nothing)


def _load_points(weight: int, facts: DayFacts) -> "Whole":
    """Halves with the first booking of the day, then falls ever more slowly."""
    return weight // (facts.bookings + 1)


def _counted_load_points(weight: int, facts: DayFacts) -> "Whole":
    """Takes one point per booking of the day, so that one booking more is always worse."""
    return (weight - facts.bookings) * (facts.bookings < weight)


def _priorities_differ(facts: DayFacts) -> "Truth":
    return facts.priority_levels > 1


def _priority_points(weight: int, facts: DayFacts) -> "Whole":
    """Falls evenly over the levels found among the candidates."""
    steps = max(facts.priority_levels - 1, 1)
    return weight * (steps - facts.priority_rank) // steps


def _ruling_priority_points(weight: int, facts: DayFacts) -> "Whole":
    """Takes the whole weight per level, so that nothing lighter can outweigh a level."""
    return weight * (max(facts.priority_levels - 1, 1) - facts.priority_rank)


def _ruling_priority_most(weight: int, facts: DayFacts) -> "Whole":
    return weight * max(facts.priority_levels - 1, 1)


def _seats_known(facts: DayFacts) -> "Truth":
    return (facts.capacity_max > 0) & (facts.party_size > 0)


def _fit_points(weight: int, facts: DayFacts) -> "Whole":
    """Gives the share of the seats that would be used."""
    return weight * facts.party_size // (facts.capacity_max + (facts.capacity_max == 0))


def _window_has_room(facts: SlotFacts) -> "Truth":
    return facts.room > 0


def _earliest_points(weight: int, facts: SlotFacts) -> "Whole":
    """Falls evenly from the first possible start of the window to the last."""
    return weight * (facts.room - facts.wait) // max(facts.room, 1)


FAIRNESS = Preference(
    name="fairness",
    sentence="Prefers whom the month has given least for what they offer.",
    weight=50,
    applies=lambda facts: facts.is_person,
    points=_fairness_points,
    reason=lambda _facts, story: fairness_clause(story),
)
FIT = Preference(
    name="fit",
    sentence="Prefers what leaves the fewest seats empty.",
    weight=50,
    applies=_seats_known,
    points=_fit_points,
    reason=lambda facts, _story: fit_clause(facts),
)
LOAD = Preference(
    name="load",
    sentence="Prefers who has the fewest bookings that day.",
    weight=20,
    applies=_always,
    points=_load_points,
    reason=lambda facts, _story: bookings_clause(facts),
)
PRIORITY = Preference(
    name="priority",
    sentence="Prefers the lower static priority number.",
    weight=5,
    applies=_priorities_differ,
    points=_priority_points,
    reason=priority_clause,
)
EARLIEST = Preference(
    name="earliest",
    sentence="Prefers the earlier start in the window.",
    weight=10,
    applies=_window_has_room,
    points=_earliest_points,
    reason=lambda facts, _story: earliest_clause(facts),
)
RULING_PRIORITY = Preference(
    name="priority",
    sentence="Prefers the lower static priority number above all.",
    weight=101,
    applies=_priorities_differ,
    points=_ruling_priority_points,
    reason=priority_clause,
    most=_ruling_priority_most,
)
COUNTED_LOAD = Preference(
    name="load",
    sentence="Among equals, prefers who has the fewest bookings that day.",
    weight=100,
    applies=_always,
    points=_counted_load_points,
    reason=lambda facts, _story: bookings_clause(facts),
)


@dataclass(frozen=True, slots=True)
class Policy:
    """A named, versioned set of preferences; it never changes once it has decided anything."""

    name: str
    by_day: tuple[Preference[DayFacts], ...]
    by_slot: tuple[Preference[SlotFacts], ...] = ()

    @property
    def weighs_fairness(self) -> bool:
        """Whether it needs to know what whole months gave and offered."""
        return any(rule.name == FAIRNESS.name for rule in self.by_day)


# The old allocator and the fair one.
POLICIES = (
    Policy(name="v1", by_day=(RULING_PRIORITY, COUNTED_LOAD)),
    Policy(name="v2", by_day=(FAIRNESS, FIT, LOAD, PRIORITY), by_slot=(EARLIEST,)),
)
DECIDING_POLICY = "v2"


def policy_named(name: str) -> Policy | None:
    """Gives the policy of that name; the deciding one for no name, None for an unknown one."""
    wanted = name or DECIDING_POLICY
    return next((policy for policy in POLICIES if policy.name == wanted), None)
