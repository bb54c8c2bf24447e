"""Keeps of a calendar what goes on for ever, so that it can be read further later."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

# A component of a calendar: what its properties are is known only when they are read.
Part = Any

# What says when; what says why, where or with whom is nobody's business here.
TIMES = frozenset(
    {
        *("UID", "SEQUENCE", "DTSTAMP", "LAST-MODIFIED", "STATUS", "TRANSP", "PRIORITY"),
        *("DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "EXRULE", "RECURRENCE-ID"),
    }
)
OF_EVENTS, OF_HOURS = ("VEVENT",), ("VAVAILABILITY", "AVAILABLE")
KEPT = frozenset({"VEVENT", "VAVAILABILITY", "VTIMEZONE"})


def text_of_open(roots: Iterable[Part], repeated: frozenset[str], high: datetime) -> str:
    """Gives the text of what recurs, with its times alone; empty where all of it ends by `high`.

    Takes the calendars apart: they are of no use to others after it.
    """
    kept = [_stripped(root, repeated) for root in roots if _goes_on(root, high)]
    return "\r\n".join(kept)


def _goes_on(root: Part, high: datetime) -> bool:
    for part in root.walk():
        if part.name == "VTIMEZONE" or part.name in ("STANDARD", "DAYLIGHT"):
            continue
        if part.name == "VAVAILABILITY" or "RDATE" in part:
            return True
        rules = part.get("RRULE", [])
        for rule in rules if isinstance(rules, list) else [rules]:
            until = rule.get("UNTIL")
            # How far a count reaches is only known when it is counted.
            if not until or any(_moment(one) >= high for one in _listed(until)):
                return True
    return False


def _stripped(root: Part, repeated: frozenset[str]) -> str:
    root.subcomponents = [
        part
        for part in root.subcomponents
        if part.name in KEPT and (part.name != "VEVENT" or str(part.get("UID", "")) in repeated)
    ]
    for part in root.walk():
        if part.name in (*OF_EVENTS, *OF_HOURS):
            for name in [one for one in part if one.upper() not in TIMES]:
                del part[name]
        if part.name in OF_EVENTS:
            part.subcomponents = []
    return str(root.to_ical().decode())


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _moment(when: date | datetime) -> datetime:
    if not isinstance(when, datetime):
        return datetime(when.year, when.month, when.day, 23, 59, tzinfo=UTC)
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
