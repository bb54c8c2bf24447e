"""Why a slot does not lie inside working time: hours, breaks, closed days and public holidays."""

from collections.abc import Iterable, Iterator

import numpy as np

from services.availability.domain import (
    MINUTES_PER_DAY,
    ExceptionKind,
    Obstacle,
    ObstacleCode,
    Span,
    date_of,
    day_of,
)
from services.availability.rules.attempt import Attempt
from services.availability.rules.expansions import Expansions
from services.availability.rules.intervals import (
    Spans,
    clipped,
    containing,
    merged,
    minutes,
    subtracted,
)
from services.availability.rules.lane import Lane
from services.availability.rules.public_holidays import holidays_between
from services.availability.rules.sentences import date_text, span_text
from services.availability.rules.working import Pieces, Shifts, expand, local_days


def hours(lane: Lane, attempt: Attempt, expansions: Expansions) -> Iterator[Obstacle]:
    """Gives what keeps a slot from lying inside working time; none where it does."""
    slot = attempt.slot
    worked = expansions.working(lane.pattern, slot.start, slot.end)
    if containing(worked, minutes([slot.start]), attempt.shape.duration)[0]:
        return
    zone = expansions.zones.get(lane.pattern.time_zone)
    shifts = expand(zone, lane.pattern, *local_days(slot.start, slot.end))
    breaks = clipped(shifts.breaks.spans(), slot.start, slot.end)
    whole = merged(
        Spans(
            np.concatenate((worked.starts, breaks.starts)),
            np.concatenate((worked.ends, breaks.ends)),
        )
    )
    if not containing(whole, minutes([slot.start]), attempt.shape.duration)[0]:
        when = span_text(slot, lane.pattern.time_zone)
        detail = f"{lane.name} does not work all of the time {when}."
        yield Obstacle(ObstacleCode.OUTSIDE_HOURS, detail)
        first, last = zone.wall_of(slot.start), zone.wall_of(slot.end - 1)
        days = range(first // MINUTES_PER_DAY, last // MINUTES_PER_DAY + 1)
        yield from _closed(lane, days)
        yield from _holidays(lane, days)
    for start, end in _uncovered(breaks, worked):
        pause = _whole_break(shifts.breaks, start, end)
        when = span_text(pause, lane.pattern.time_zone)
        if _split(shifts, pause, attempt.shape.duration):
            detail = f"Each part of {lane.name}'s shift around the break {when} is too short."
            yield Obstacle(ObstacleCode.SPLIT_BY_BREAK, detail, "", pause)
        else:
            yield Obstacle(ObstacleCode.BREAK, f"{lane.name} has a break {when}.", "", pause)


def _closed(lane: Lane, days: range) -> Iterator[Obstacle]:
    for exception in lane.schedule.exceptions:
        if exception.kind is not ExceptionKind.CLOSED or exception.on is None:
            continue
        if day_of(exception.on) in days:
            reason = f": {exception.reason}" if exception.reason else ""
            detail = f"{lane.name} is closed on {date_text(exception.on)}{reason}."
            yield Obstacle(ObstacleCode.CLOSED, detail, exception.id)


def _holidays(lane: Lane, days: range) -> Iterator[Obstacle]:
    calendar = lane.pattern.holidays
    for day, name in holidays_between(calendar, days.start, days.stop).items():
        on = date_of(day)
        where = calendar.country
        if calendar.subdivision:
            where = f"{calendar.country}-{calendar.subdivision}"
        detail = f"{date_text(on)} is a public holiday for {lane.name}: {name}."
        yield Obstacle(ObstacleCode.HOLIDAY, detail, f"{where}/{on.isoformat()}")


def _uncovered(breaks: Spans, worked: Spans) -> Iterable[tuple[int, int]]:
    """Gives the parts of breaks during which no other rule has the resource at work."""
    left = subtracted(breaks, worked)
    return zip(left.starts.tolist(), left.ends.tolist(), strict=True)


def _whole_break(breaks: Pieces, start: int, end: int) -> Span:
    spans = breaks.spans()
    index = int(np.searchsorted(spans.starts, start, side="right")) - 1
    return Span(int(spans.starts[index]), int(spans.ends[index]))


def _split(shifts: Shifts, pause: Span, duration: int) -> bool:
    """Says whether the service is longer than each part of the shift around a break."""
    days = shifts.breaks.days[
        (shifts.breaks.starts < pause.end) & (shifts.breaks.ends > pause.start)
    ]
    of_day = np.isin(shifts.worked.days, days)
    parts = merged(
        Spans(minutes(shifts.worked.starts[of_day]), minutes(shifts.worked.ends[of_day]))
    )
    return bool(len(parts)) and int((parts.ends - parts.starts).max()) < duration
