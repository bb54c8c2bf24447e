"""Says what a search came to, and of those left out why."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from services.availability.domain import ObstacleCode, Question, floor_minute
from services.availability.engine.world import World
from services.availability.rules.absences import absence
from services.availability.rules.eligibility import ineligibility
from services.availability.rules.expansions import Expansions
from services.availability.rules.sentences import Outcome
from services.availability.rules.slots import Contender, start_range
from services.availability.rules.travel import site_of

# Resources that qualify and are free nowhere are asked one by one for a sentence, up to so many.
REASONS_MAX = 200


@dataclass(frozen=True, slots=True)
class Rejection:
    """A resource left out, with every kind of reason."""

    resource_id: str
    reasons: tuple[ObstacleCode, ...]


def rejections(
    world: World,
    question: Question,
    contenders: Sequence[Contender],
    free: frozenset[str],
    *,
    expansions: Expansions,
) -> Iterator[Rejection]:
    """Gives those asked about who are free at no slot, by id."""
    qualified = {contender.lane.resource.id: contender for contender in contenders}
    for resource in world.roster.asked(question.wanted):
        if resource.id in free:
            continue
        contender = qualified.get(resource.id)
        if contender is None:
            found = ineligibility(resource, question.wanted)
            reasons = tuple(dict.fromkeys(one.code for one in found))
        else:
            reasons = _absence(world, contender, question, expansions)
        yield Rejection(resource.id, reasons)


def rejection_counts(
    world: World, question: Question, contenders: Sequence[Contender], *, expansions: Expansions
) -> Counter[tuple[ObstacleCode, ...]]:
    """Counts those asked about by why they are left out, where nobody is free."""
    counted = Counter(world.roster.ineligible(question.wanted))
    counted.update(_absence(world, one, question, expansions) for one in contenders)
    return counted


def first_reasons(counted: Mapping[tuple[ObstacleCode, ...], int]) -> Counter[ObstacleCode]:
    """Counts each resource for its first reason alone."""
    found = Counter[ObstacleCode]()
    for reasons, count in counted.items():
        found[reasons[0]] += count
    return found


def outcome_of_nothing(
    world: World,
    question: Question,
    contenders: Sequence[Contender],
    expansions: Expansions,
    *,
    counted: Mapping[tuple[ObstacleCode, ...], int] | None = None,
) -> Outcome:
    """Says why nothing is free: the clock, or what keeps the resources from serving, unless that
    was `counted` already.
    """
    window, bounds, shape = question.window, question.bounds, question.shape
    low, high = start_range(shape, window, bounds)
    if window.end <= floor_minute(question.now):
        return Outcome(0, None, past=True)
    if window.end - window.start < shape.duration:
        return Outcome(0, None, short=True)
    if low >= high:
        beyond = window.start >= bounds.latest
        return Outcome(0, None, horizon=beyond, notice=not beyond)
    if counted is not None:
        return Outcome(0, None, reasons=first_reasons(counted))
    reasons = first_reasons(world.roster.ineligible(question.wanted))
    for contender in islice(contenders, REASONS_MAX):
        reasons[_absence(world, contender, question, expansions)[0]] += 1
    return Outcome(0, None, reasons=reasons)


def _absence(
    world: World, contender: Contender, question: Question, expansions: Expansions
) -> tuple[ObstacleCode, ...]:
    return absence(
        contender,
        question.shape,
        window=question.window,
        bounds=question.bounds,
        expansions=expansions,
        now=question.now,
        site=None if question.near is None else site_of(world.tenant, question.near),
    )
