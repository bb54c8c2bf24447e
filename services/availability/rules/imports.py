"""Decides what an import of a whole calendar changes: by revision of each event, and never much."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.availability.domain import Span
from services.availability.rules.calendars import Busy

# Fewer events than this may go at once without anybody asking.
MISSING_MIN = 3


@dataclass(frozen=True, slots=True)
class Known:
    """A busy time as it is stored; `dropped` ones were deleted because their calendar lost them."""

    uid: str
    calendar_id: str
    sequence: int
    stamped_at: datetime
    span: Span
    deleted: bool = False
    dropped: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What an import changes: what to store, what it only confirms, what it lacks."""

    changed: tuple[Busy, ...]
    confirmed: tuple[Busy, ...]
    ignored: int
    missing: tuple[str, ...]
    # Occurrences after the time it was read for, of what is still there: to be read again then.
    unread: tuple[str, ...]
    # Most of the calendar is missing: nothing is freed until somebody says so.
    suspicious: bool


def plan_import(
    known: Mapping[str, Known], incoming: Sequence[Busy], *, calendar_id: str, horizon: Span
) -> Plan:
    """Compares a calendar with what is known of it; what lies behind the horizon is left alone.

    An event counts by (sequence, stamp): an older one changes nothing, and one that was deleted by
    itself comes back with a higher sequence only.
    """
    changed: list[Busy] = []
    confirmed: list[Busy] = []
    ignored = 0
    for busy in incoming:
        stored = known.get(busy.uid)
        if stored is None:
            changed.append(busy)
        elif _is_old(busy, stored):
            ignored += 1
        elif stored.span == busy.span and not stored.deleted:
            ignored += 1
            confirmed.append(busy)
        else:
            changed.append(busy)
    here = {busy.uid for busy in incoming}
    live = [
        one
        for one in known.values()
        if one.calendar_id == calendar_id and not one.deleted and one.span.end > horizon.start
    ]
    events = {_event(uid) for uid in here}
    unread = {
        one.uid
        for one in live
        if one.uid not in here and one.span.start >= horizon.end and _event(one.uid) in events
    }
    live = [one for one in live if one.uid not in unread]
    missing = sorted(one.uid for one in live if one.uid not in here)
    return Plan(
        changed=tuple(changed),
        confirmed=tuple(confirmed),
        ignored=ignored,
        missing=tuple(missing),
        unread=tuple(sorted(unread)),
        suspicious=_is_most(missing, [one.uid for one in live]),
    )


def _is_old(busy: Busy, stored: Known) -> bool:
    if stored.deleted and not stored.dropped:
        return busy.sequence <= stored.sequence
    return (busy.sequence, busy.stamped_at) < (stored.sequence, stored.stamped_at)


def _is_most(missing: Sequence[str], live: Sequence[str]) -> bool:
    """Says whether more than half of a calendar is gone: of its busy times, or of its events."""
    if len(missing) < MISSING_MIN:
        return False
    if len(missing) == len(live):
        return True
    gone, had = {_event(uid) for uid in missing}, {_event(uid) for uid in live}
    left = {_event(uid) for uid in set(live) - set(missing)}
    whole = gone - left
    return len(whole) >= MISSING_MIN and 2 * len(whole) > len(had)


def _event(uid: str) -> str:
    """Gives the event of a busy time: an occurrence is called by its event and when it is."""
    return uid.rpartition("/")[0] or uid
