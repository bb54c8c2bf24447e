"""Follows changes of working time, leave and outside events, and has what collides flagged."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import nats.errors
import nats.js.errors
import psycopg
from fairslot.availability.v1 import events_pb2
from google.protobuf.message import DecodeError

from kit.bus import Bus
from kit.db import Connection, leading
from kit.event import Event
from kit.fault import Fault
from kit.logs import logger
from kit.signing import Signer
from services.assignment.engine import Risks

log = logger("assignment")

STREAM = "AVAILABILITY"
CHANGED = events_pb2.CatalogChanged
SUBJECT = f"{CHANGED.DESCRIPTOR.full_name}.*"
# Changes of these can bring a plan that was placed before into collision with its resources.
OF_RESOURCES = frozenset(
    {
        CHANGED.RESOURCE_SAVED,
        CHANGED.RESOURCE_DELETED,
        CHANGED.SCHEDULE_SAVED,
        CHANGED.EXTERNAL_BUSY_SAVED,
    }
)
LEADER_LOCK = 0x_0CA7_A106
LEAD_POLL_SECONDS = 0.5
BACKOFF_SECONDS = 0.5
LOOK_SECONDS = 60.0
POSITION = "SELECT made_at, position FROM assignment.following WHERE stream = %s"
MOVE = (
    "INSERT INTO assignment.following VALUES (%s, %s, %s) ON CONFLICT (stream) DO UPDATE"
    " SET made_at = excluded.made_at, position = excluded.position"
)


@dataclass(slots=True)
class _Touched:
    """What some events touched of one tenant; None: all of it."""

    revision: int = 0
    resource_ids: set[str] | None = field(default_factory=set)


class CatalogListener:
    """One process at a time looks; its place in the stream moves once it has looked."""

    def __init__(self, bus: Bus, url: str, risks: Risks, signer: Signer) -> None:
        """Takes where events come from, the worker's database, and who looks."""
        self._bus = bus
        self._url = url
        self._risks = risks
        self._signer = signer

    async def run(self) -> None:
        """Follows for ever; after a failure it takes the lead and the place anew."""
        while True:
            try:
                async with self._lead() as connection:
                    if connection is None:
                        await asyncio.sleep(LEAD_POLL_SECONDS)
                        continue
                    await self._follow(connection)
            except nats.js.errors.NotFoundError:
                # Availability has never said anything yet.
                await asyncio.sleep(LEAD_POLL_SECONDS)
            except (
                Fault,
                psycopg.Error,
                nats.errors.Error,
                nats.js.errors.Error,
                TimeoutError,
                OSError,
            ) as error:
                log.warning("changes of the catalog are read again", error=repr(error))
            await asyncio.sleep(BACKOFF_SECONDS)

    @asynccontextmanager
    async def _lead(self) -> AsyncIterator[Connection | None]:
        async with leading(self._url, LEADER_LOCK, application="assignment-catalog") as connection:
            yield connection

    async def _follow(self, connection: Connection) -> None:
        made_at = await self._bus.made_at(STREAM)
        row = await (await connection.execute(POSITION, (STREAM,))).fetchone()
        # A stream made anew counts from its beginning; looking twice changes nothing.
        after = row[1] if row is not None and row[0] == made_at else 0
        async for batch in self._bus.follow(STREAM, [SUBJECT], after=after):
            for tenant, touched in _touched(batch).items():
                await self._look(tenant, touched)
            made_at = await self._bus.made_at(STREAM)
            await connection.execute(MOVE, (STREAM, made_at, batch[-1].position))

    async def _look(self, tenant: str, touched: _Touched) -> None:
        ids = touched.resource_ids
        chosen = None if ids is None else tuple(sorted(ids))
        await self._signer.calling(
            lambda: self._risks.look(tenant, chosen, revision=touched.revision),
            tenant=tenant,
            subject="ledger",
            method="AtRisk",
            request_id=f"catalog-{touched.revision}",
            seconds=LOOK_SECONDS,
        )


def _touched(batch: Sequence[Event]) -> dict[str, _Touched]:
    """Returns what a batch of events touched, by tenant; what nobody can read touches nothing."""
    found: dict[str, _Touched] = {}
    for event in batch:
        try:
            said = CHANGED.FromString(event.body)
        except DecodeError as error:
            log.error("an event cannot be read", position=event.position, error=repr(error))
            continue
        if said.kind not in OF_RESOURCES and said.kind != CHANGED.TENANT_SAVED:
            continue
        touched = found.setdefault(event.tenant, _Touched())
        touched.revision = max(touched.revision, said.revision)
        if said.kind == CHANGED.TENANT_SAVED or not said.ids:
            touched.resource_ids = None
        elif touched.resource_ids is not None:
            touched.resource_ids.update(said.ids)
    return found
