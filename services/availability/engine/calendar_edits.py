"""Edits of what outside calendars say."""

from collections.abc import Sequence

from services.availability.domain import ExternalBusy
from services.availability.engine.recording import Recording


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
