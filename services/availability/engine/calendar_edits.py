"""Edits of what outside calendars say."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.availability.domain import ExternalBusy, OpenCalendar, OutsideCalendar
from services.availability.engine.recording import Recording
from services.availability.rules.calendar_text import CalendarText
from services.availability.rules.calendars import Busy, busy_times, horizon_of
from services.availability.rules.imports import Known, Plan, plan_import
from services.availability.store.calendars import CalendarRows
from services.availability.store.open_calendars import OpenCalendarRows


@dataclass(frozen=True, slots=True)
class Wish:
    """A calendar somebody brings: what it says, and how far missing things may be believed."""

    resource_id: str
    calendar_id: str
    revision: int
    accept_missing: bool


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import came to."""

    calendar: OutsideCalendar
    applied: int
    ignored: int
    removed: int


class CalendarEdits(Recording):
    """What outside calendars can say, by (uid, sequence): order and repeats do not matter."""

    async def upsert_external(self, resource_id: str, events: Sequence[ExternalBusy]) -> int:
        """Enters outside events; gives how many changed something."""
        await self.resource(resource_id)
        # One order for all, so that two calls with the same events never wait for each other.
        ordered = sorted(events, key=lambda one: (one.uid, one.sequence))
        applied = await self.schedules.upsert_external(ordered)
        if applied:
            await self.record("EXTERNAL_BUSY_SAVED", [resource_id])
        return applied

    async def delete_external(self, resource_id: str, uid: str, sequence: int) -> bool:
        """Takes an outside event back; says whether that changed something."""
        await self.resource(resource_id)
        applied = await self.schedules.delete_external(resource_id, uid, sequence)
        if applied:
            await self.record("EXTERNAL_BUSY_SAVED", [resource_id])
        return applied

    async def import_calendar(self, wish: Wish, said: CalendarText) -> Imported:
        """Takes over a calendar; what is missing becomes free, unless it is most of it."""
        resource = await self.resource(wish.resource_id)
        rows = CalendarRows(self.connection, self._caller.tenant)
        known = await rows.calendar(wish.resource_id, wish.calendar_id)
        if known is not None and wish.revision and wish.revision < known.revision:
            return Imported(known, 0, len(said.occurrences), 0)
        name = resource.time_zone or (await self.catalog.tenant()).time_zone
        horizon = horizon_of(said)
        incoming = busy_times(said, horizon=horizon, zone=self.zones.get(name), zones=self.zones)
        stored = await rows.known(wish.resource_id, wish.calendar_id, [one.uid for one in incoming])
        plan = plan_import(
            {one.uid: _known(one, dropped=dropped) for one, dropped in stored},
            incoming,
            calendar_id=wish.calendar_id,
            horizon=horizon,
        )
        held = plan.suspicious and not wish.accept_missing
        await rows.store([_event(wish, one) for one in (*plan.changed, *plan.confirmed)])
        if not held:
            await rows.drop(wish.resource_id, (*plan.missing, *plan.unread))
        made = self._calendar(wish, known, plan, events=len(incoming), held=held)
        await rows.save(made)
        if not held:
            await self._leave_open(wish, said)
        removed = 0 if held else len(plan.missing)
        if held and (known is None or known.quarantined_at is None):
            await self.record("CALENDAR_QUARANTINED", [wish.resource_id])
        elif plan.changed or plan.unread or removed:
            await self.record("EXTERNAL_BUSY_SAVED", [wish.resource_id])
        return Imported(made, len(plan.changed), plan.ignored, removed)

    async def extend_calendar(self, calendar: OpenCalendar, said: CalendarText) -> None:
        """Enters what a calendar says after the time it was read for, unless it is another now."""
        resource = await self.resource(calendar.resource_id)
        rows = OpenCalendarRows(self.connection, self._caller.tenant)
        if await rows.find(calendar.resource_id, calendar.id) != calendar:
            return
        name = resource.time_zone or (await self.catalog.tenant()).time_zone
        horizon = horizon_of(said)
        found = busy_times(said, horizon=horizon, zone=self.zones.get(name), zones=self.zones)
        wish = Wish(calendar.resource_id, calendar.id, revision=0, accept_missing=False)
        entered = [_event(wish, one) for one in found]
        await CalendarRows(self.connection, self._caller.tenant).store_unread(entered)
        await rows.save(replace(calendar, read_until=said.high))
        await self.record("EXTERNAL_BUSY_SAVED", [calendar.resource_id])

    async def _leave_open(self, wish: Wish, said: CalendarText) -> None:
        """Keeps what goes on after the time the text was read for, to be read further one day."""
        rows = OpenCalendarRows(self.connection, self._caller.tenant)
        if not said.open_text:
            await rows.forget(wish.resource_id, wish.calendar_id)
            return
        left = OpenCalendar(wish.resource_id, wish.calendar_id, said.open_text, said.high)
        if await rows.find(wish.resource_id, wish.calendar_id) != left:
            await rows.save(left)
            if not self.revision:
                await self.record("EXTERNAL_BUSY_SAVED", [wish.resource_id])

    def _calendar(
        self, wish: Wish, known: OutsideCalendar | None, plan: Plan, *, events: int, held: bool
    ) -> OutsideCalendar:
        made = OutsideCalendar(
            resource_id=wish.resource_id,
            id=wish.calendar_id,
            revision=max(wish.revision, known.revision if known else 0),
            imported_at=self.now,
            events=events,
        )
        if not held:
            return made
        since = known.quarantined_at if known is not None else None
        return replace(
            made,
            events=events + len(plan.missing),
            quarantined_at=since or self.now,
            missing=len(plan.missing),
        )


def _known(event: ExternalBusy, *, dropped: bool) -> Known:
    return Known(
        uid=event.uid,
        calendar_id=event.calendar_id,
        sequence=event.sequence,
        stamped_at=event.stamped_at,
        span=event.span,
        deleted=event.deleted,
        dropped=dropped,
    )


def _event(wish: Wish, busy: Busy) -> ExternalBusy:
    return ExternalBusy(
        resource_id=wish.resource_id,
        uid=busy.uid,
        sequence=busy.sequence,
        span=busy.span,
        calendar_id=wish.calendar_id,
        stamped_at=busy.stamped_at,
    )
