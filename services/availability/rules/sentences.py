"""Says times and results in plain sentences, fit to be read aloud."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

from services.availability.domain import ObstacleCode, Span, Verdict, moment_of

_REASONS: Mapping[ObstacleCode, str] = {
    ObstacleCode.INACTIVE: "switched off",
    ObstacleCode.NOT_QUALIFIED: "without the required skill",
    ObstacleCode.SKILL_EXPIRED: "with a skill that runs out",
    ObstacleCode.WRONG_ZONE: "in another zone",
    ObstacleCode.PARTY_TOO_LARGE: "too small for the party",
    ObstacleCode.PARTY_TOO_SMALL: "too large for the party",
    ObstacleCode.OUTSIDE_HOURS: "outside working hours",
    ObstacleCode.HOLIDAY: "on a public holiday",
    ObstacleCode.CLOSED: "closed",
    ObstacleCode.TIME_OFF: "on leave",
    ObstacleCode.BREAK: "in a break",
    ObstacleCode.SPLIT_BY_BREAK: "with shifts split too short by a break",
    ObstacleCode.NOTICE: "needing more notice",
    ObstacleCode.HORIZON: "beyond the booking horizon",
    ObstacleCode.BUSY: "booked",
    ObstacleCode.HELD: "held for somebody else",
    ObstacleCode.EXTERNAL_BUSY: "busy in an outside calendar",
    ObstacleCode.BUFFER: "without room for the buffers",
    ObstacleCode.TRAVEL: "without time to travel",
    ObstacleCode.DAY_LIMIT: "full for the day",
    ObstacleCode.WEEK_LIMIT: "full for the week",
    ObstacleCode.MINUTES_LIMIT: "at the limit of hours for the day",
    ObstacleCode.OFF_GRID: "off the grid of starts",
}

# A sentence that begins with a name keeps it as it is when it becomes part of another.
_COMMON_WORDS = frozenset({"The", "Each", "Starts"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a search came to: counts, the first start, and why nothing where there is nothing."""

    starts: int
    first: int | None
    complete: bool = True
    past: bool = False
    notice: bool = False
    horizon: bool = False
    short: bool = False
    reasons: Counter[ObstacleCode] = field(default_factory=Counter)


def date_text(day: date) -> str:
    """Says a date."""
    return f"{day:%A} {day.day} {day:%B %Y}"


def moment_text(moment: datetime, time_zone: str) -> str:
    """Says a moment by the clocks of a zone."""
    local = moment.astimezone(ZoneInfo(time_zone))
    return f"{date_text(local)} at {local:%H:%M}"


def span_text(span: Span, time_zone: str) -> str:
    """Says a span by the clocks of a zone, with the second date only if it is another."""
    zone = ZoneInfo(time_zone)
    start, end = moment_of(span.start).astimezone(zone), moment_of(span.end).astimezone(zone)
    until = f"{end:%H:%M}"
    if start.date() != end.date():
        until = f"{end:%A} {end.day} {end:%B %Y} {until}"
    return f"from {start:%A} {start.day} {start:%B %Y} {start:%H:%M} to {until}"


def result_sentence(outcome: Outcome, time_zone: str) -> str:
    """Says in one sentence how many starts there are and the first, or why there is none."""
    if outcome.first is None:
        return f"Nothing is free: {_why_nothing(outcome)}."
    first = moment_text(moment_of(outcome.first), time_zone)
    if outcome.starts == 1 and outcome.complete:
        return f"There is one free start: {first}, {_clock_name(time_zone)}."
    least = "" if outcome.complete else "at least "
    return (
        f"There are {least}{outcome.starts:,} free starts; "
        f"the first is {first}, {_clock_name(time_zone)}."
    )


def verdict_sentence(verdicts: Sequence[Verdict], span: Span, time_zone: str) -> str:
    """Says in one sentence who of those asked about is free in a slot, and why others are not."""
    when = f"{span_text(span, time_zone)}, {_clock_name(time_zone)}"
    asked, free = len(verdicts), sum(verdict.free for verdict in verdicts)
    if asked == 0:
        return "There is no resource to ask about."
    if asked == 1:
        (verdict,) = verdicts
        name = verdict.display_name or verdict.resource_id
        if free:
            return f"{name} is free {when}."
        return f"{name} is not free {when}, because {_because(verdict)}."
    if free == asked:
        return f"All {asked} resources are free {when}."
    others = Counter(verdict.obstacles[0].code for verdict in verdicts if not verdict.free)
    if free == 0:
        return f"None of {asked} resources is free {when}: {_counted(others)}."
    some = f"{free} of {asked} resources {'is' if free == 1 else 'are'} free {when}"
    return f"{some}; of the others, {_counted(others)}."


def _because(verdict: Verdict) -> str:
    """Joins the sentences of what is in the way into one."""
    parts = []
    for obstacle in verdict.obstacles:
        first, _, rest = obstacle.detail.rstrip(".").partition(" ")
        parts.append(f"{first.lower() if first in _COMMON_WORDS else first} {rest}")
    return _joined(list(dict.fromkeys(parts)))


def _counted(reasons: Counter[ObstacleCode]) -> str:
    """Counts how many are kept by what, the most common first."""
    return _joined(
        [
            f"{count} {'is' if count == 1 else 'are'} {_REASONS[code]}"
            for code, count in sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
        ]
    )


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _why_nothing(outcome: Outcome) -> str:
    if outcome.past:
        return "the window lies in the past"
    if outcome.notice:
        return "the notice required leaves no start in the window"
    if outcome.horizon:
        return "the window lies beyond the booking horizon"
    if outcome.short:
        return "the window is shorter than the service"
    if not outcome.reasons:
        return "there is no resource to serve it"
    total = sum(outcome.reasons.values())
    if total == 1:
        return f"the only resource is {_REASONS[next(iter(outcome.reasons))]}"
    return f"of {total:,} resources, {_counted(outcome.reasons)}"


def _clock_name(time_zone: str) -> str:
    """Says a zone as people say it: the city, not the path."""
    if "/" not in time_zone:
        return time_zone
    return f"{time_zone.rsplit('/', 1)[1].replace('_', ' ')} time"
