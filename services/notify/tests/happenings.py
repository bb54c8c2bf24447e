"""Domain events as the owners publish them, for tests."""

import uuid
from datetime import UTC, datetime

from fairslot.assignment.v1 import events_pb2 as ledger_pb2
from fairslot.availability.v1 import events_pb2 as catalog_pb2

from kit.bus import MESSAGE_ID
from kit.event import Event

AT = datetime(2027, 3, 1, 9, 30, tzinfo=UTC)


def event(message, tenant="acme", *, key=""):
    """Returns the message as the relay of its owner publishes it."""
    headers = {MESSAGE_ID: key or str(uuid.uuid4()), "Fairslot-At": AT.isoformat()}
    subject = f"{message.DESCRIPTOR.full_name}.{tenant}"
    return Event(subject, message.SerializeToString(), headers)


def allocation(name="a1", version=1, state="HELD", previous="STATE_UNSPECIFIED", request=None):
    """Returns an allocation's change; `request` is (id, version, state) where it moved too."""
    said = ledger_pb2.AllocationChanged(
        id=name,
        version=version,
        state=state,
        previous_state=previous,
        resources=[{"resource_id": "r1", "generation": version}],
        service_type_id="visit",
        party_size=2,
        reason="nearest",
        actor="ada",
        held_by="ben",
    )
    said.at.FromDatetime(AT)
    said.slot.start_time.FromJsonString("2027-03-01T10:00:00Z")
    said.slot.end_time.FromJsonString("2027-03-01T11:00:00Z")
    said.occupied.CopyFrom(said.slot)
    if state == "HELD":
        said.expires_at.FromJsonString("2027-03-01T09:31:30Z")
    if request:
        said.request.id, said.request_version, wanted = request
        said.request.state = said.request.State.Value(wanted)
        said.booking_request_id = said.request.id
    return said


def request(name="q1", version=1, state="OPEN"):
    """Returns a booking request's change."""
    said = ledger_pb2.RequestChanged(version=version, actor="ada")
    said.request.id = name
    said.request.service_type_id = "visit"
    said.request.state = said.request.State.Value(state)
    said.at.FromDatetime(AT)
    return said


def catalog(kind, ids, revision=7, **parts):
    """Returns a change of the catalog."""
    return catalog_pb2.CatalogChanged(kind=kind, ids=ids, revision=revision, **parts)
