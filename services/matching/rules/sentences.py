"""Says why, in plain sentences with the numbers; the same numbers always give the same words."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from services.matching.domain import Month, Resource, Term, moment_of
from services.matching.rules.facts import DayFacts, PairFacts, SlotFacts
from services.matching.rules.fairness import Share
from services.matching.rules.filters import Filter

MINUTES_PER_HOUR = 60
MINUTES_PER_DAY = 24 * MINUTES_PER_HOUR
# Reasons named in an explanation beside fairness.
REASONS_SAID = 2
# Not from the locale: the same words on every machine.
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


@dataclass(frozen=True, slots=True)
class Story:
    """What sentences about one candidate need beside its facts."""

    resource: Resource
    # What the month gave before the assignment; None where nobody is compared.
    share: Share | None
    # Units the assignment would add to the month.
    added: int
    month: Month
    # Whether units are minutes, told as hours; else they are days.
    in_hours: bool = False


def fairness_clause(story: Story) -> str:
    """Says what the month has given so far and where this assignment would lead."""
    share, month = story.share, _month(story.month)
    assert share is not None
    if share.offered_all == 0:
        return f"nobody offers days in {month}, so there is nothing to compare"
    if share.given_all == 0:
        first = "the first work" if story.in_hours else "its first day"
        return f"nothing is given in {month} yet, so this is {first}"
    so_far = (
        f"a fair share is {_percent(share.target_tenths)}; {month} gave {_given(story, share)} "
        f"({_gap(share)})"
    )
    if story.added == 0:
        return f"{so_far}, which stays so, as that day is worked already"
    after = share.with_more(story.added)
    return f"{so_far}, with this it is {_after(story, after)} ({_standing(after)})"


def bookings_clause(facts: DayFacts) -> str:
    """Says how full the day is."""
    count = int(facts.bookings)
    return f"{_count(count, 'other booking') if count else 'no other booking'} that day"


def priority_clause(facts: DayFacts, story: Story) -> str:
    """Says where the static priority stands among the candidates'."""
    number, rank = story.resource.priority, int(facts.priority_rank)
    if rank == 0:
        return f"priority {number}, the best of {facts.priority_levels}"
    return f"priority {number}, number {rank + 1} of {facts.priority_levels}"


def fit_clause(facts: DayFacts) -> str:
    """Says how many seats would stay empty."""
    empty, seats = int(facts.capacity_max) - facts.party_size, int(facts.capacity_max)
    if empty == 0:
        return f"seats the party of {facts.party_size} exactly"
    return f"leaves {empty} of {_count(seats, 'seat')} empty"


def joints_clause(facts: DayFacts) -> str:
    """Says how many resources serve together."""
    return f"joins {_count(facts.parts, 'resource')}"


def continuity_clause(facts: DayFacts) -> str:
    """Says whether the customer is known; what is committed and still to come counts too."""
    count = int(facts.served_before)
    if not count:
        return "new to this customer"
    return f"booked for this customer {_count(count, 'time')} lately"


def spare_skills_clause(facts: DayFacts) -> str:
    """Says how many skills somebody has that another choice does without."""
    count = int(facts.spare_skills)
    if not count:
        return "no other choice has fewer skills"
    return f"{_count(count, 'skill')} more than another choice has"


def wishes_clause(facts: PairFacts) -> str:
    """Says how the slot suits what the resource likes."""
    suits = int(facts.suits)
    if suits == 0:
        return "neither liked nor disliked at that time"
    return f"a {'liked' if suits > 0 else 'disliked'} time ({suits:+} of 100)"


def proximity_clause(facts: PairFacts) -> str:
    """Says how far away the work is."""
    minutes = int(facts.travel_minutes)
    return f"{_elapsed(minutes)} away" if minutes else "already there"


def earliest_clause(facts: SlotFacts) -> str:
    """Says how long after the first possible start it is."""
    wait = int(facts.wait)
    return f"starts {_elapsed(wait)} into the window" if wait else "the first start of the window"


def explanation(name: str, terms: Sequence[Term], *, when: str, alone: bool) -> str:
    """Says in one or two sentences who, when, the strongest reasons and what fairness would become.

    `alone` says that nobody else could serve.
    """
    said = sorted(
        (term for term in terms if term.points and term.rule != "fairness"),
        key=lambda term: -term.points,
    )[:REASONS_SAID]
    reasons = [*(("the only candidate",) if alone else ()), *(_clause(one.reason) for one in said)]
    sentences = [f"{name}, {when}: {'; '.join(reasons) or 'free'}."]
    sentences.extend(
        f"Fairness: {_clause(term.reason)}." for term in terms if term.rule == "fairness"
    )
    return " ".join(sentences)


def together_text(names: Sequence[str]) -> str:
    """Names the resources of a plan."""
    if len(names) == 1:
        return names[0]
    return f"{', '.join(names[:-1])} and {names[-1]} together"


def sentence(clause: str) -> str:
    """Makes a sentence of a clause."""
    return f"{clause[0].upper()}{clause[1:]}."


def _clause(text: str) -> str:
    return text[0].lower() + text[1:-1]


def slot_text(start: int, end: int, zone: tzinfo, zone_name: str) -> str:
    """Says a slot by the clocks of a zone, with the offset where the clocks show a time twice."""
    first, last = moment_of(start).astimezone(zone), moment_of(end).astimezone(zone)
    until = _clock(last)
    if first.date() != last.date():
        until = f"{_date(last)} {until}"
    return f"{_date(first)}, {_clock(first)} to {until} ({zone_name})"


def drift_sentence(name: str, share: Share, month: Month) -> str:
    """Says on which side of the tolerance somebody stands."""
    return (
        f"{name} was given {_percent(share.actual_tenths)} of {_month(month)} where "
        f"{_percent(share.target_tenths)} would be fair ({_standing(share)})."
    )


def clock_text(minute: int, zone: tzinfo) -> str:
    """Says a moment by the clocks of a zone."""
    return _clock(moment_of(minute).astimezone(zone))


def found_sentence(count: int, best: str) -> str:
    """Says how many candidates there are and which is the best."""
    if count == 1:
        return f"There is one candidate: {best}."
    return f"There are {count:,} candidates, best first; the best is {best}."


def nothing_sentence(failures: Iterable[tuple[Filter, int]]) -> str:
    """Says by which filters everybody was left out."""
    parts = [
        f"{count:,} {'is' if count == 1 else 'are'} {rule.failing}" for rule, count in failures
    ]
    return f"There is no candidate: {', '.join(parts)}."


def _given(story: Story, share: Share) -> str:
    if story.in_hours:
        return f"{_hours(share.given)} of {_hours(share.given_all)} hours"
    return f"{share.given} of {_count(share.given_all, 'day')}"


def _after(story: Story, share: Share) -> str:
    if story.in_hours:
        return f"{_hours(share.given)} of {_hours(share.given_all)}"
    return f"{share.given} of {share.given_all}"


def _hours(minutes: int) -> str:
    return _tenths((minutes * 10 + MINUTES_PER_HOUR // 2) // MINUTES_PER_HOUR)


def _gap(share: Share) -> str:
    tenths = share.gap_tenths
    sign = "-" if tenths < 0 else "+" if tenths else ""
    return f"gap {sign}{_tenths(abs(tenths))} points"


def _standing(share: Share) -> str:
    side = "within" if share.within_tolerance else "outside"
    return f"{_gap(share)}, {side} the tolerance of {share.tolerance_percent} %"


def _percent(tenths: int) -> str:
    return f"{_tenths(tenths)} %"


def _tenths(number: int) -> str:
    return f"{number // 10}.{number % 10}"


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def _elapsed(minutes: int) -> str:
    days, rest = divmod(minutes, MINUTES_PER_DAY)
    hours, left = divmod(rest, MINUTES_PER_HOUR)
    parts = ((days, "day"), (hours, "hour"), (left, "minute"))
    return " ".join(_count(number, thing) for number, thing in parts if number)


def _month(month: Month) -> str:
    return f"{MONTHS[month.number - 1]} {month.year}"


def _date(local: datetime) -> str:
    return f"{WEEKDAYS[local.weekday()]} {local.day} {MONTHS[local.month - 1]} {local.year}"


def _clock(local: datetime) -> str:
    text = f"{local.hour:02}:{local.minute:02}"
    other = local.replace(fold=1 - local.fold).utcoffset()
    here = local.utcoffset()
    if other == here or other is None or here is None:
        return text
    minutes = here // timedelta(minutes=1)
    sign = "-" if minutes < 0 else "+"
    return f"{text} UTC{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
