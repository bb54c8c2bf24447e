"""Follows the events of other contexts in order and hands what they mean to the feed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import nats.errors
import nats.js.errors
from fairslot.assignment.v1 import events_pb2 as ledger_pb2
from fairslot.assignment.v1 import request_pb2
from fairslot.availability.v1 import events_pb2 as catalog_pb2
from fairslot.matching.v1 import events_pb2 as matching_pb2
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError

from kit.bus import Bus
from kit.event import Event
from kit.logs import logger
from kit.stopping import stopped
from services.notify.domain import (
    AllocationMoved,
    CatalogMoved,
    Change,
    FairnessMoved,
    Happened,
    Kind,
    RequestMoved,
    Topic,
)
from services.notify.rules import changes_of
from services.notify.senders import FeedSender, Lost

log = logger("notify")

ALLOCATION = "fairslot.assignment.v1.AllocationChanged"
REQUEST = "fairslot.assignment.v1.RequestChanged"
CATALOG = "fairslot.availability.v1.CatalogChanged"
DRIFT = "fairslot.matching.v1.FairnessDrifted"
# Each source is a stream; only these of its subjects mean something to planners.
SOURCES: Mapping[str, Sequence[str]] = {
    "ASSIGNMENT": (f"{ALLOCATION}.*", f"{REQUEST}.*"),
    "AVAILABILITY": (f"{CATALOG}.*",),
    "MATCHING": (f"{DRIFT}.*",),
}
# How long a writer that was refused leaves the feed to the other.
YIELD_SECONDS = 1.0
# How often a source that is not there yet is looked for.
SOURCE_POLL_SECONDS = 0.5


class Listener:
    """Keeps the feed: each event of each source becomes one entry, once."""

    def __init__(self, bus: Bus, sender: FeedSender) -> None:
        self._bus = bus
        self._sender = sender
        self._writing = asyncio.Lock()

    async def run(self) -> None:
        """Writes for ever; when the feed refuses, reads where it stands and goes on from there."""
        while True:
            try:
                await self._write()
            except (Lost, nats.errors.Error, TimeoutError, OSError) as error:
                log.warning("the feed is read again", error=repr(error))
            # Spread, so that two writers do not meet again and again.
            await asyncio.sleep(YIELD_SECONDS * random.uniform(0.5, 1.5))

    async def _write(self) -> None:
        """Follows all sources until one of them cannot go on; raises what stopped it."""
        read = await self._sender.resume()
        tasks = [
            asyncio.create_task(self._follow(source, subjects, read.get(source, 0)))
            for source, subjects in SOURCES.items()
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await stopped(tasks)
        for task in tasks:
            if not task.cancelled():
                task.result()

    async def _follow(self, source: str, subjects: Sequence[str], after: int) -> None:
        await self._made(source)
        async for batch in self._bus.follow(source, subjects, after=after):
            entries = [(event, changes) for event in batch if (changes := shaped(event))]
            async with self._writing:
                await self._sender.publish(source, entries)

    async def _made(self, source: str) -> None:
        """Waits for a source whose owner has not made it yet."""
        while True:
            try:
                await self._bus.made_at(source)
            except nats.js.errors.NotFoundError:
                await asyncio.sleep(SOURCE_POLL_SECONDS)
            else:
                return


def shaped(event: Event) -> Sequence[Change]:
    """Returns the changes an event means; one that nobody understands is logged and means none."""
    try:
        return changes_of(happened(event))
    except (DecodeError, KeyError, ValueError) as error:
        log.error(
            "an event is left out of the feed",
            subject=event.subject,
            position=event.position,
            exc_info=error,
        )
        return ()


def happened(event: Event) -> Happened:
    """Returns what an event says; raises KeyError for an event of an unknown type."""
    return READERS[event.type](event)


def _allocation(event: Event) -> AllocationMoved:
    said = ledger_pb2.AllocationChanged.FromString(event.body)
    state = ledger_pb2.AllocationChanged.State.Name
    at = said.at.ToDatetime(UTC)
    common: dict[str, Any] = {
        "id": said.id,
        "resourceIds": [one.resource_id for one in said.resources],
        "start": said.slot.start_time.ToJsonString(),
        "end": said.slot.end_time.ToJsonString(),
        "serviceTypeId": said.service_type_id,
        "bookingRequestId": said.booking_request_id,
        "partySize": said.party_size,
        "actor": said.actor,
    }
    if said.risks:
        common |= {"flags": ["AT_RISK"], "risks": [MessageToDict(risk) for risk in said.risks]}
    hold = {"state": _hold_state(state(said.state)), "heldBy": said.held_by, **common}
    if said.HasField("expires_at"):
        hold["expiresAt"] = said.expires_at.ToJsonString()
    assignment = {
        "state": state(said.state),
        **common,
        "occupied": {
            "startTime": said.occupied.start_time.ToJsonString(),
            "endTime": said.occupied.end_time.ToJsonString(),
        },
        "reason": said.reason,
    }
    request = None
    if said.HasField("request"):
        request = _moved(said.request, said.request_version, at)
    return AllocationMoved(
        id=said.id,
        version=said.version,
        state=state(said.state),
        previous_state=state(said.previous_state),
        hold=hold,
        assignment=assignment,
        request=request,
        at=at,
        at_risk=bool(said.risks),
    )


def _hold_state(state: str) -> str:
    """Returns what the ledger's state is called on a hold."""
    return "CONFIRMED" if state == "ASSIGNED" else state


def _request(event: Event) -> RequestMoved:
    said = ledger_pb2.RequestChanged.FromString(event.body)
    return _moved(said.request, said.version, said.at.ToDatetime(UTC))


def _moved(request: request_pb2.BookingRequest, version: int, at: datetime) -> RequestMoved:
    return RequestMoved(
        id=request.id,
        version=version,
        state=request_pb2.BookingRequest.State.Name(request.state),
        view=MessageToDict(request),
        at=at,
    )


def _catalog(event: Event) -> CatalogMoved:
    said = catalog_pb2.CatalogChanged.FromString(event.body)
    kind = catalog_pb2.CatalogChanged.Kind.Name(said.kind)
    topic, change, sort = CATALOG_KINDS[kind]
    view: dict[str, Any] = {}
    for part in (said.resource, said.service_type):
        if part.id:
            view = MessageToDict(part)
    return CatalogMoved(
        topic=topic,
        kind=change,
        ids=tuple(said.ids) or (event.tenant,),
        revision=said.revision,
        sort=sort,
        view=view if len(said.ids) == 1 else {},
        at=event.at,
    )


def _drift(event: Event) -> FairnessMoved:
    said = matching_pb2.FairnessDrifted.FromString(event.body)
    return FairnessMoved(
        id=f"{said.month}/{said.resource_id}",
        version=said.version,
        within=said.within_tolerance,
        view=MessageToDict(said, always_print_fields_with_no_presence=True),
        at=event.at,
    )


CATALOG_KINDS: Mapping[str, tuple[Topic, Kind, str]] = {
    "RESOURCE_SAVED": (Topic.CATALOG, Kind.SAVED, "resource"),
    "RESOURCE_DELETED": (Topic.CATALOG, Kind.DELETED, "resource"),
    "SERVICE_TYPE_SAVED": (Topic.CATALOG, Kind.SAVED, "serviceType"),
    "SERVICE_TYPE_DELETED": (Topic.CATALOG, Kind.DELETED, "serviceType"),
    "TENANT_SAVED": (Topic.CATALOG, Kind.SAVED, "tenant"),
    "SCHEDULE_SAVED": (Topic.SCHEDULES, Kind.SAVED, "schedule"),
    "EXTERNAL_BUSY_SAVED": (Topic.SCHEDULES, Kind.SAVED, "externalBusy"),
    "CALENDAR_QUARANTINED": (Topic.SCHEDULES, Kind.SAVED, "quarantine"),
}
READERS: Mapping[str, Callable[[Event], Happened]] = {
    ALLOCATION: _allocation,
    REQUEST: _request,
    CATALOG: _catalog,
    DRIFT: _drift,
}
