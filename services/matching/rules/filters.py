"""Hard filters: what a resource and a slot must satisfy before anybody asks how well they suit."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.matching.domain import Question, Rejection, Resource

if TYPE_CHECKING:
    from services.matching.rules.facts import Truth, Whole


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as availability understood it; edges and duration in minutes since the epoch."""

    question: Question
    window_start: int
    window_end: int
    duration: int
    # Only slots that start then; None: any in the window.
    slot_start: int | None = None


def _any_resource(_asked: Asked, _resource: Resource) -> bool:
    return True


def _any_slot(asked: Asked, starts: "Whole") -> "Truth":
    return starts >= asked.window_start


@dataclass(frozen=True, slots=True)
class Filter:
    """One hard rule.

    Availability decides it on the full facts; matching checks again what it knows itself.
    """

    name: str
    # What it demands.
    sentence: str
    # How to speak of one who fails it, after "1 is" or "3 are".
    failing: str
    # The reasons of availability that mean it failed; the first is the one matching itself gives.
    reasons: tuple[str, ...]
    # Matching's own check, of the resource and of the slot's start.
    serves: Callable[[Asked, Resource], bool] = _any_resource
    fits: "Callable[[Asked, Whole], Truth]" = _any_slot


def _duration_fits(asked: Asked, starts: "Whole") -> "Truth":
    return starts + asked.duration <= asked.window_end


def _inside_window(asked: Asked, starts: "Whole") -> "Truth":
    wanted = starts if asked.slot_start is None else asked.slot_start
    return (starts >= asked.window_start) & (starts == wanted)


def _party_fits(asked: Asked, resource: Resource) -> bool:
    return resource.capacity_max == 0 or asked.question.party_size <= resource.capacity_max


def _zone_matches(asked: Asked, resource: Resource) -> bool:
    return asked.question.zone in ("", resource.zone)


CAPABILITY = Filter(
    name="capability",
    sentence="Has every required skill, at its level, to the end of the slot.",
    failing="without a required skill",
    reasons=("NOT_QUALIFIED", "SKILL_EXPIRED"),
)
ZONE = Filter(
    name="zone",
    sentence="Belongs to the zone that was asked for.",
    failing="in another zone",
    reasons=("WRONG_ZONE",),
    serves=_zone_matches,
)
PARTY = Filter(
    name="party",
    sentence="Takes a party of this size.",
    failing="of the wrong size for the party",
    reasons=("PARTY_TOO_LARGE", "PARTY_TOO_SMALL"),
    serves=_party_fits,
)
DURATION = Filter(
    name="duration_fit",
    sentence="Works long enough at a stretch for the whole slot.",
    failing="free for too short a time",
    reasons=("SPLIT_BY_BREAK",),
    fits=_duration_fits,
)
WINDOW = Filter(
    name="inside_window",
    sentence="Works at a start inside the window that notice, horizon and grid allow.",
    failing="not at work in the window",
    reasons=(
        "INACTIVE",
        "OUTSIDE_HOURS",
        "HOLIDAY",
        "CLOSED",
        "TIME_OFF",
        "BREAK",
        "NOTICE",
        "HORIZON",
        "OFF_GRID",
    ),
    fits=_inside_window,
)
UNASSIGNED = Filter(
    name="unassigned",
    sentence="Has nothing else in the slot and in the buffers around it.",
    failing="taken",
    reasons=("BUSY", "HELD", "EXTERNAL_BUSY", "BUFFER", "COVERED_ELSEWHERE"),
)
TRAVEL = Filter(
    name="travel",
    sentence="Has time to come from where it was and to go on to where it must be.",
    failing="too far away",
    reasons=("TRAVEL",),
)
LIMIT = Filter(
    name="limit",
    sentence="Has room left within its limits of the day and of the week.",
    failing="at the limit of the day or the week",
    reasons=("DAY_LIMIT", "WEEK_LIMIT", "MINUTES_LIMIT"),
)

FILTERS = (CAPABILITY, ZONE, PARTY, DURATION, WINDOW, UNASSIGNED, LIMIT, TRAVEL)


def refusals(asked: Asked, resource: Resource) -> tuple[str, ...]:
    """Gives the reasons to leave the resource out, by what matching itself knows of it."""
    return tuple(rule.reasons[0] for rule in FILTERS if not rule.serves(asked, resource))


def failures(rejections: Iterable[Rejection]) -> tuple[tuple[Filter, int], ...]:
    """Counts who was left out by the first filter they fail, in the order of the filters."""
    counts = dict.fromkeys(FILTERS, 0)
    for rejection in rejections:
        for rule in FILTERS:
            if not set(rule.reasons).isdisjoint(rejection.reasons):
                counts[rule] += 1
                break
    return tuple((rule, count) for rule, count in counts.items() if count)
