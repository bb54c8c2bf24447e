"""Reads the events availability listens to."""

from datetime import UTC

from fairslot.assignment.v1 import events_pb2 as ledger_pb2
from fairslot.availability.v1 import events_pb2 as catalog_pb2
from google.protobuf.message import DecodeError
from google.type.interval_pb2 import Interval

from kit.event import Event
from kit.logs import logger
from services.availability.domain import (
    SECONDS_PER_MINUTE,
    Allocation,
    AllocationState,
    Place,
    Span,
)
from services.availability.store import LedgerMove

log = logger("availability")

LEDGER_STREAM, LEDGER_SUBJECTS = "ASSIGNMENT", ("fairslot.assignment.v1.>",)
CATALOG_STREAM, CATALOG_SUBJECTS = "AVAILABILITY", ("fairslot.availability.v1.>",)
ALLOCATION_CHANGED = ledger_pb2.AllocationChanged.DESCRIPTOR.full_name
CATALOG_CHANGED = catalog_pb2.CatalogChanged.DESCRIPTOR.full_name


def ledger_move(event: Event) -> LedgerMove | None:
    """Returns what an event of the ledger says of allocations; nothing if it says nothing."""
    if event.type != ALLOCATION_CHANGED:
        return None
    try:
        message = ledger_pb2.AllocationChanged.FromString(event.body)
        return LedgerMove(
            tenant=event.tenant,
            allocation=_allocation(message),
            generations={
                one.resource_id: one.generation for one in (*message.resources, *message.left)
            },
            position=event.position,
        )
    except (DecodeError, ValueError) as error:
        # The stream must go on: one event nobody can read may not hold back all that follow.
        log.error("an event cannot be read", position=event.position, error=repr(error))
        return None


def catalog_revision(event: Event) -> int:
    """Returns the revision an event of the catalog brings; 0 if it brings none."""
    if event.type != CATALOG_CHANGED:
        return 0
    try:
        return int(catalog_pb2.CatalogChanged.FromString(event.body).revision)
    except DecodeError as error:
        log.error("an event cannot be read", position=event.position, error=repr(error))
        return 0


def _allocation(message: ledger_pb2.AllocationChanged) -> Allocation:
    expires_at = None
    if message.HasField("expires_at"):
        expires_at = message.expires_at.ToDatetime(UTC)
    state = ledger_pb2.AllocationChanged.State.Name(message.state)
    booked_at = None
    if message.state == ledger_pb2.AllocationChanged.ASSIGNED and message.HasField("at"):
        booked_at = message.at.ToDatetime(UTC)
    place = None
    if message.HasField("place"):
        place = Place(message.place.latitude, message.place.longitude)
    return Allocation(
        id=message.id,
        version=message.version,
        state=AllocationState(state),
        resource_ids=tuple(one.resource_id for one in message.resources),
        slot=_span(message.slot),
        occupied=_span(message.occupied),
        expires_at=expires_at,
        place=place,
        service_type_id=message.service_type_id,
        booked_at=booked_at,
    )


def _span(message: Interval) -> Span:
    # Straight from the seconds: every event of the ledger comes through here.
    start, end = message.start_time, message.end_time
    touched = end.seconds + (end.nanos > 0)
    return Span(start.seconds // SECONDS_PER_MINUTE, -(-touched // SECONDS_PER_MINUTE))
