"""One edit in progress: its transaction, who makes it, and the event it leaves."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from kit.call import Caller
from kit.db import Connection
from kit.fault import Conflict, Exists, NotFound
from services.availability.domain import Resource, ScheduleException, ServiceType, TimeOff
from services.availability.engine.records import event
from services.availability.engine.worlds import CATALOG
from services.availability.rules.zones import Zones
from services.availability.store import CatalogRows, ChangeRows, ScheduleRows

Named = TypeVar("Named", Resource, ServiceType, ScheduleException, TimeOff)


class Recording:
    """What every edit needs; what it changed becomes visible when its block ends."""

    def __init__(
        self,
        connection: Connection,
        caller: Caller,
        zones: Zones,
        new_id: Callable[[], str],
        now: datetime,
    ) -> None:
        """Binds the edit to a transaction and to who makes it."""
        self.connection = connection
        self.revision = 0
        self.zones = zones
        self.now = now
        self._caller = caller
        self._new_id = new_id
        self.catalog = CatalogRows(connection, caller.tenant)
        self.schedules = ScheduleRows(connection, caller.tenant)
        self._changes = ChangeRows(connection, caller.tenant)

    @property
    def freshness(self) -> Mapping[str, int]:
        """What a search must have seen to see this edit."""
        return {CATALOG: self.revision}

    async def resource(self, resource_id: str) -> Resource:
        """Finds a resource and keeps others from editing it."""
        found = await self.catalog.resource(resource_id, lock=True)
        if found is None:
            raise missing("resource", resource_id)
        return found

    async def record(self, kind: str, ids: Sequence[str], **saved: dict[str, object]) -> None:
        """Leaves the event of a change in the outbox and takes its revision."""
        payload = event(kind, ids, self._caller.subject, **saved)
        self.revision = await self._changes.record(payload)

    def named(self, thing: Named) -> Named:
        """Gives the thing an id if the client made none."""
        return thing if thing.id else replace(thing, id=self._new_id())


def check_etag(etag: str, version: int) -> None:
    """Refuses an etag that is given and not the current one."""
    if etag and etag != str(version):
        raise Conflict(
            "STALE_ETAG", "it was changed since it was read; read it again", etag=str(version)
        )


def missing(what: str, name: str) -> NotFound:
    """Returns the refusal of a name that the tenant does not have."""
    return NotFound("NOT_FOUND", f"there is no {what} {name!r}", id=name)


def taken(what: str, name: str) -> Exists:
    """Returns the refusal of a name that something else has."""
    which = f" {name!r}" if name else " of this id"
    return Exists("ALREADY_EXISTS", f"there is a {what}{which} already", id=name)
