"""What planners see of each thing that happens."""

import pytest
from fairslot.matching.v1 import events_pb2 as drift_pb2

from services.notify.listener import happened, shaped
from services.notify.rules import changes_of
from services.notify.tests.happenings import allocation, catalog, event, request


def seen(message, tenant="acme"):
    changes = changes_of(happened(event(message, tenant)))
    return [(one.topic, one.kind, one.id, one.version) for one in changes]


@pytest.mark.parametrize(
    ("state", "previous", "expected"),
    [
        ("HELD", "STATE_UNSPECIFIED", [("holds", "HELD")]),
        ("RELEASED", "HELD", [("holds", "RELEASED")]),
        ("EXPIRED", "HELD", [("holds", "EXPIRED")]),
        ("ASSIGNED", "HELD", [("holds", "CONFIRMED"), ("assignments", "ASSIGNED")]),
        ("ASSIGNED", "STATE_UNSPECIFIED", [("assignments", "ASSIGNED")]),
        ("ASSIGNED", "ASSIGNED", [("assignments", "ASSIGNED")]),
        ("CANCELLED", "ASSIGNED", [("assignments", "CANCELLED")]),
        ("COMPLETED", "ASSIGNED", [("assignments", "COMPLETED")]),
    ],
)
def test_an_allocation_is_a_hold_an_assignment_or_both(state, previous, expected):
    got = seen(allocation(version=3, state=state, previous=previous))
    assert got == [(topic, kind, "a1", 3) for topic, kind in expected]


@pytest.mark.parametrize(("state", "topic"), [("ASSIGNED", "assignments"), ("HELD", "holds")])
def test_what_has_come_into_the_way_of_an_allocation_is_told_to_planners(state, topic):
    message = allocation(version=4, state=state, previous=state)
    message.risks.add(resource_id="r1", code="TIME_OFF", detail="on leave")
    assert seen(message) == [(topic, "AT_RISK", "a1", 4)]
    [change] = shaped(event(message))
    assert change.payload["flags"] == ["AT_RISK"]
    assert change.payload["risks"][0]["code"] == "TIME_OFF"


@pytest.mark.parametrize("state", ["OPEN", "HELD", "ASSIGNED", "COMPLETED", "CANCELLED"])
def test_a_request_is_told_by_its_state(state):
    assert seen(request(version=4, state=state)) == [("requests", state, "q1", 4)]


def test_a_request_that_moves_along_is_told_last_with_its_own_version():
    message = allocation(
        version=2, state="ASSIGNED", previous="HELD", request=("q9", 5, "ASSIGNED")
    )
    assert seen(message) == [
        ("holds", "CONFIRMED", "a1", 2),
        ("assignments", "ASSIGNED", "a1", 2),
        ("requests", "ASSIGNED", "q9", 5),
    ]


@pytest.mark.parametrize(
    ("kind", "topic", "change"),
    [
        ("RESOURCE_SAVED", "catalog", "SAVED"),
        ("RESOURCE_DELETED", "catalog", "DELETED"),
        ("SERVICE_TYPE_SAVED", "catalog", "SAVED"),
        ("SERVICE_TYPE_DELETED", "catalog", "DELETED"),
        ("SCHEDULE_SAVED", "schedules", "SAVED"),
        ("EXTERNAL_BUSY_SAVED", "schedules", "SAVED"),
    ],
)
def test_a_change_of_the_catalog_is_told_once_per_id(kind, topic, change):
    assert seen(catalog(kind, ["x", "y"])) == [(topic, change, "x", 7), (topic, change, "y", 7)]


def test_the_tenants_settings_are_told_under_its_name():
    assert seen(catalog("TENANT_SAVED", []), tenant="acme") == [("catalog", "SAVED", "acme", 7)]


def test_payloads_are_the_things_and_never_a_secret():
    message = allocation(state="ASSIGNED", previous="HELD", request=("q9", 5, "ASSIGNED"))
    hold, assignment, wanted = changes_of(happened(event(message)))
    assert hold.payload["state"] == "CONFIRMED"
    assert assignment.payload["state"] == "ASSIGNED"
    assert assignment.payload["resourceIds"] == ["r1"]
    assert assignment.payload["start"] == "2027-03-01T10:00:00Z"
    assert assignment.payload["occupied"]["endTime"] == "2027-03-01T11:00:00Z"
    assert assignment.payload["partySize"] == 2
    assert wanted.payload == {"id": "q9", "state": "ASSIGNED"}
    assert "token" not in str([hold.payload, assignment.payload]).lower()
    (held,) = changes_of(happened(event(allocation())))
    assert held.payload["expiresAt"] == "2027-03-01T09:31:30Z"


def test_a_saved_resource_is_told_whole_and_many_are_told_by_id():
    one = catalog("RESOURCE_SAVED", ["r1"], resource={"id": "r1", "display_name": "Ada"})
    (change,) = changes_of(happened(event(one)))
    assert change.payload == {"type": "resource", "id": "r1", "displayName": "Ada"}
    changes = changes_of(happened(event(catalog("RESOURCE_SAVED", ["r1", "r2"]))))
    assert [dict(change.payload) for change in changes] == [
        {"type": "resource", "id": "r1"},
        {"type": "resource", "id": "r2"},
    ]


def test_what_nobody_understands_is_left_out_and_does_not_stop_the_feed():
    good = event(allocation())
    assert shaped(good)
    assert shaped(type(good)(good.subject, b"\xff\xff\xff", good.headers)) == ()
    assert shaped(type(good)("fairslot.assignment.v1.Unheard.acme", b"", {})) == ()
    assert shaped(event(allocation(state="STATE_UNSPECIFIED"))) == ()


@pytest.mark.parametrize(("within", "kind"), [(False, "DRIFTED"), (True, "RECOVERED")])
def test_who_changes_sides_of_the_tolerance_is_told(within, kind):
    message = drift_pb2.FairnessDrifted(
        month="2027-03", resource_id="ada", within_tolerance=within, version=4, sentence="Ada."
    )
    assert seen(message) == [("fairness", kind, "2027-03/ada", 4)]
    [change] = shaped(event(message))
    assert change.payload["withinTolerance"] is within
