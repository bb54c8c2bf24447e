"""Edits of weekly rules, exceptions, leave and preferences."""

from collections.abc import Sequence

from services.availability.domain import Preference, ScheduleException, TimeOff, WeeklyRule
from services.availability.engine.recording import Recording, check_etag, missing, taken
from services.availability.store import TakenError


class ScheduleEdits(Recording):
    """What can be done to the working time of resources."""

    async def set_rules(self, resource_id: str, rules: Sequence[WeeklyRule], etag: str) -> int:
        """Replaces the weekly rules of a resource; gives their version."""
        await self.resource(resource_id)
        schedule = await self.schedules.schedule(resource_id)
        assert schedule is not None
        check_etag(etag, schedule.version)
        version = await self.schedules.set_rules(resource_id, rules)
        await self.record("SCHEDULE_SAVED", [resource_id])
        return version

    async def create_exception(self, exception: ScheduleException) -> ScheduleException:
        """Adds an exception to the weekly rules."""
        await self.resource(exception.resource_id)
        made = self.named(exception)
        try:
            await self.schedules.insert_exception(made)
        except TakenError as error:
            raise taken("exception", made.id) from error
        await self.record("SCHEDULE_SAVED", [made.resource_id])
        return made

    async def create_time_off(self, leave: TimeOff) -> TimeOff:
        """Enters leave."""
        made = self.named(leave)
        try:
            await self.schedules.insert_time_off(made)
        except TakenError as error:
            raise taken("leave", made.id) from error
        await self.record("SCHEDULE_SAVED", [made.resource_id])
        return made

    async def delete_exception(self, resource_id: str, exception_id: str) -> None:
        """Deletes an exception."""
        await self.resource(resource_id)
        if not await self.schedules.delete("schedule_exception", resource_id, exception_id):
            raise missing("exception", exception_id)
        await self.record("SCHEDULE_SAVED", [resource_id])

    async def delete_time_off(self, resource_id: str, leave_id: str) -> None:
        """Takes leave back."""
        await self.resource(resource_id)
        if not await self.schedules.delete("time_off", resource_id, leave_id):
            raise missing("leave", leave_id)
        await self.record("SCHEDULE_SAVED", [resource_id])

    async def set_preferences(self, resource_id: str, wishes: Sequence[Preference]) -> None:
        """Replaces what a resource likes and dislikes."""
        await self.resource(resource_id)
        for wish in wishes:
            known = wish.service_type_id
            if known and await self.catalog.service_type(known) is None:
                raise missing("service type", known)
        await self.schedules.set_preferences(resource_id, wishes)
        await self.record("SCHEDULE_SAVED", [resource_id])
