"""Says what of an outside calendar makes somebody busy, by whose clocks it is to be read."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from services.availability.domain import MINUTES_PER_DAY, Span, ceil_minute, day_of, floor_minute
from services.availability.rules.calendar_text import CalendarText, Hours, When
from services.availability.rules.intervals import Spans, spans_of, subtracted
from services.availability.rules.zones import Zone, Zones


@dataclass(frozen=True, slots=True)
class Busy:
    """One busy time, as it will be known."""

    uid: str
    series: str
    sequence: int
    stamped_at: datetime
    span: Span


def busy_times(said: CalendarText, *, horizon: Span, zone: Zone, zones: Zones) -> list[Busy]:
    """Gives what makes busy inside the horizon, by uid.

    Whole days and floating times are read by the clocks the calendar names, or else by `zone`.
    """
    own = zones.get(said.zone_name) if said.zone_name else zone
    found: dict[str, Busy] = {}
    for one in (*said.occurrences, *said.later):
        span = _span(one.start, one.end, own)
        if one.busy and span.start < span.end and span.end > horizon.start:
            made = Busy(one.uid, one.series, one.sequence, one.stamped_at, span)
            known = found.get(one.uid)
            if known is None or _rank(known) < _rank(made):
                found[one.uid] = made
    for busy in _outside_hours(said.hours, horizon, own):
        found.setdefault(busy.uid, busy)
    return [found[uid] for uid in sorted(found)]


def _rank(busy: Busy) -> tuple[int, datetime, Span]:
    return busy.sequence, busy.stamped_at, busy.span


def _outside_hours(hours: Sequence[Hours], horizon: Span, zone: Zone) -> Iterable[Busy]:
    """Gives the busy time of statements of availability; the weightier one decides its range."""
    decided: list[Span] = []
    for one in sorted(hours, key=lambda one: (one.priority, one.uid)):
        start = horizon.start if one.start is None else _minute(one.start, zone, first=True)
        end = horizon.end if one.end is None else _minute(one.end, zone, first=False)
        whole = Span(max(start, horizon.start), min(end, horizon.end))
        if whole.start >= whole.end:
            continue
        offered = spans_of([_span(part.start, part.end, zone) for part in one.available])
        left = subtracted(subtracted(spans_of([whole]), offered), spans_of(decided))
        decided.append(whole)
        yield from (_gap(one, low, high) for low, high in _pairs(left))


def _gap(hours: Hours, low: int, high: int) -> Busy:
    uid = f"{hours.uid}/{low}"
    return Busy(uid, hours.uid, hours.sequence, hours.stamped_at, Span(low, high))


def _pairs(spans: Spans) -> Iterable[tuple[int, int]]:
    return zip(spans.starts.tolist(), spans.ends.tolist(), strict=True)


def _span(start: When, end: When, zone: Zone) -> Span:
    return Span(_minute(start, zone, first=True), _minute(end, zone, first=False))


def _minute(when: When, zone: Zone, *, first: bool) -> int:
    """Gives the minute of a moment; what is busy is never cut short, so ends are rounded up."""
    if isinstance(when, datetime) and when.tzinfo is not None:
        return floor_minute(when) if first else ceil_minute(when)
    wall = day_of(when) * MINUTES_PER_DAY
    if isinstance(when, datetime):
        wall += when.hour * 60 + when.minute + (0 if first or not when.second else 1)
    walls = np.array([wall], dtype=np.int64)
    return int((zone.earliest(walls) if first else zone.latest(walls))[0])


def horizon_of(said: CalendarText) -> Span:
    """Gives the whole minutes that a text was read for."""
    return Span(floor_minute(said.low), ceil_minute(said.high))
