"""Preferences: how well a resource and a slot suit, each in whole points of a maximum."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from services.matching.rules.facts import DayFacts, PairFacts, SlotFacts
from services.matching.rules.sentences import (
    Story,
    bookings_clause,
    continuity_clause,
    earliest_clause,
    fairness_clause,
    fit_clause,
    joints_clause,
    priority_clause,
    proximity_clause,
    spare_skills_clause,
    wishes_clause,
)

if TYPE_CHECKING:
    from services.matching.rules.facts import Truth, Whole

# How much a slot suits at most.
SUITS_MOST = 100
# A way of so many minutes costs half of what proximity gives.
HALF_WAY_MINUTES = 30
# Who has so many skills more than others could do with is kept free for what they cannot do.
SPARE_SKILLS_MOST = 3

Facts = TypeVar("Facts", DayFacts, SlotFacts, PairFacts)


def _by_weight(weight: int, _facts: DayFacts | SlotFacts | PairFacts) -> "Whole":
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


def _continuity_points(weight: int, facts: DayFacts) -> "Whole":
    """Gives all to whoever was booked for the customer lately."""
    return weight * (facts.served_before > 0)


def _skills_differ(facts: DayFacts) -> "Truth":
    return facts.skills_differ


def _spare_skills_points(weight: int, facts: DayFacts) -> "Whole":
    """Falls evenly with each skill that others do not need, to nothing."""
    left = SPARE_SKILLS_MOST - facts.spare_skills
    return weight * left * (left > 0) // SPARE_SKILLS_MOST


def _joints_points(weight: int, facts: DayFacts) -> "Whole":
    """Falls with every resource beyond two."""
    return weight * 2 // max(facts.parts, 2)


def _wishes_points(weight: int, facts: PairFacts) -> "Whole":
    """Rises evenly from most disliked to most liked."""
    return weight * (facts.suits + SUITS_MOST) // (2 * SUITS_MOST)


def _travel_known(facts: PairFacts) -> "Truth":
    return facts.travel_minutes >= 0


def _proximity_points(weight: int, facts: PairFacts) -> "Whole":
    """Halves with the first half hour on the way, then falls ever more slowly."""
    way = facts.travel_minutes * (facts.travel_minutes > 0)
    return weight * HALF_WAY_MINUTES // (HALF_WAY_MINUTES + way)


FAIRNESS = Preference(
    name="fairness",
    sentence="Prefers whom the month has given least for what they offer.",
    weight=50,
    applies=lambda facts: facts.is_person,
    points=_fairness_points,
    reason=lambda _facts, story: fairness_clause(story),
)
CONTINUITY = Preference(
    name="continuity",
    sentence="Prefers who was booked for the same customer lately.",
    weight=15,
    applies=lambda facts: facts.customer_known,
    points=_continuity_points,
    reason=lambda facts, _story: continuity_clause(facts),
)
SPARE_SKILLS = Preference(
    name="spare_skills",
    sentence="Keeps free who can do what others cannot: prefers who has the fewest skills.",
    weight=20,
    applies=_skills_differ,
    points=_spare_skills_points,
    reason=lambda facts, _story: spare_skills_clause(facts),
)
JOINTS = Preference(
    name="joints",
    sentence="Prefers what puts the fewest resources together.",
    weight=20,
    applies=lambda facts: facts.parts > 1,
    points=_joints_points,
    reason=lambda facts, _story: joints_clause(facts),
)
WISHES = Preference(
    name="preference_windows",
    sentence="Prefers times that whoever serves likes.",
    weight=15,
    applies=lambda facts: facts.wishes_known,
    points=_wishes_points,
    reason=lambda facts, _story: wishes_clause(facts),
)
PROXIMITY = Preference(
    name="proximity",
    sentence="Prefers who has the shortest way from the last job's end, or from home.",
    weight=25,
    applies=_travel_known,
    points=_proximity_points,
    reason=lambda facts, _story: proximity_clause(facts),
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
