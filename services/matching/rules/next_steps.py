"""What a person could do so that a request nobody can serve could be served after all."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.matching.domain import MINUTES_PER_DAY, NextStep, Question, Rejection

# Resources named in one step.
NAMED_MAX = 3
TAKEN = frozenset({"BUSY", "HELD", "BUFFER", "COVERED_ELSEWHERE"})
UNQUALIFIED = frozenset({"NOT_QUALIFIED", "SKILL_EXPIRED"})
TOO_SMALL = frozenset({"PARTY_TOO_LARGE"})
ELSEWHERE = frozenset({"WRONG_ZONE"})


@dataclass(frozen=True, slots=True)
class Later:
    """The first slot after the window at which somebody could serve; minutes since the epoch."""

    resource_name: str
    resource_id: str
    start: int
    end: int
    # The slot by the clocks of the tenant.
    said: str


@dataclass(frozen=True, slots=True)
class Dead:
    """A request without a candidate, and what is known about it."""

    question: Question
    window: tuple[int, int]
    duration: int
    rejections: Sequence[Rejection]
    # The clock at which the window's first slot would start, as "19:00".
    first_clock: str
    may_merge: bool
    later: Later | None = None


def next_steps(dead: Dead) -> tuple[NextStep, ...]:
    """Gives what would help, the smallest step first."""
    steps = [
        _free(dead),
        _later(dead),
        _choice(dead),
        _merge(dead),
        _split(dead),
        _qualify(dead),
    ]
    return tuple(step for step in steps if step is not None)


def advice(steps: Sequence[NextStep]) -> str:
    """Says the first two steps in one sentence; nothing where there are none."""
    said = [step.sentence[0].lower() + step.sentence[1:].rstrip(".") for step in steps[:2]]
    return f" You could {', or '.join(said)}." if said else ""


def _only(dead: Dead, reasons: frozenset[str]) -> list[str]:
    """Gives those who are kept out by nothing else."""
    return [one.resource_id for one in dead.rejections if one.reasons and reasons >= {*one.reasons}]


def _named(ids: Sequence[str]) -> str:
    shown = ", ".join(ids[:NAMED_MAX])
    return f"{shown} or {len(ids) - NAMED_MAX:,} others" if len(ids) > NAMED_MAX else shown


def _free(dead: Dead) -> NextStep | None:
    ids = _only(dead, TAKEN)
    if not ids:
        return None
    low, high = dead.window
    if high - low >= 2 * dead.duration:
        return NextStep(
            "FREE_RESOURCE", f"Free {_named(ids)} in the window.", tuple(ids[:NAMED_MAX])
        )
    return NextStep(
        "FREE_RESOURCE",
        f"Free {_named(ids)} at {dead.first_clock}.",
        tuple(ids[:NAMED_MAX]),
        (low, low + dead.duration),
    )


def _later(dead: Dead) -> NextStep | None:
    later = dead.later
    if later is None:
        return None
    days = -((dead.window[1] - later.end) // MINUTES_PER_DAY)
    longer = "a day" if days <= 1 else f"{days} days"
    return NextStep(
        "WIDEN_WINDOW",
        f"Extend the window by {longer}: {later.resource_name} is free on {later.said}.",
        (later.resource_id,),
        (later.start, later.end),
    )


def _choice(dead: Dead) -> NextStep | None:
    asked = dead.question
    ids = _only(dead, ELSEWHERE)
    if asked.zone and ids:
        return NextStep("WIDEN_CHOICE", f"Ask for another zone than {asked.zone}.", tuple(ids[:3]))
    if asked.resource_ids:
        return NextStep("WIDEN_CHOICE", "Ask for any resource, not only for those named.")
    return None


def _merge(dead: Dead) -> NextStep | None:
    ids = _only(dead, TOO_SMALL)
    if dead.may_merge or len(ids) < 2:
        return None
    return NextStep(
        "ALLOW_MERGE", "Let several serve together: the service type allows one at a time."
    )


def _split(dead: Dead) -> NextStep | None:
    ids = _only(dead, TOO_SMALL)
    if not ids:
        return None
    return NextStep(
        "SPLIT_PARTY",
        f"Split the party of {dead.question.party_size} into smaller ones.",
        tuple(ids[:NAMED_MAX]),
    )


def _qualify(dead: Dead) -> NextStep | None:
    ids = _only(dead, UNQUALIFIED)
    if not ids:
        return None
    return NextStep(
        "QUALIFY", f"Give {_named(ids)} the skill that is missing.", tuple(ids[:NAMED_MAX])
    )
