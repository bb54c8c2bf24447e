"""Edits, longer holds, moves and completion, as served: who may, until when, and what is kept."""

from __future__ import annotations

import asyncio
from datetime import UTC, timedelta

from fairslot.assignment.v1 import assignment_pb2 as pb
from fairslot.assignment.v1 import request_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from kit.fault import Conflict, Refused
from services.assignment.tests.books import violations
from services.assignment.tests.calls import alternatives, at, refused, window


def moment(hours: float) -> Timestamp:
    found = Timestamp()
    found.FromDatetime(at(hours))
    return found


async def test_what_is_wanted_can_be_edited_while_it_is_open(ann, ledger_database, world):
    wanted = await ann.want("q1", party_size=2, zone="north", labels={"colour": "red"})
    changed = await ann.update(id="q1", party_size=3, etag=wanted.etag)
    assert (changed.party_size, changed.zone, changed.etag) == (3, "north", "2")
    assert changed.labels == {"colour": "red"}
    cleared = await ann.update(["zone", "window"], id="q1", window=window(0, 10))
    assert (cleared.zone, cleared.party_size) == ("", 3)
    assert cleared.window.end_time.ToDatetime(UTC) == at(10)
    stale = await refused(ann.update(id="q1", party_size=4, etag="1"))
    assert (type(stale), stale.reason) == (Conflict, "STALE_ETAG")
    assert stale.metadata["current_etag"] == "3"
    unknown = await refused(ann.update(id="q1", service_type_id="dance"))
    assert unknown.reason == "NOT_FOUND"
    for wrong in (["state"], ["nothing"]):
        assert (await refused(ann.update(wrong, id="q1"))).reason == "INVALID_ARGUMENT"
    await ann.assign("q1", "r1", reason="fits")
    late = await refused(ann.update(id="q1", party_size=5))
    assert (type(late), late.reason) == (Refused, "REQUEST_NOT_OPEN")
    labelled = await ann.update(id="q1", labels={"colour": "blue"})
    assert (labelled.labels, labelled.party_size) == ({"colour": "blue"}, 3)
    assert (await refused(ann.update(id="q9", party_size=5))).reason == "NOT_FOUND"
    assert violations(ledger_database.admin_url) == {}


async def test_a_start_outside_the_window_of_the_request_is_refused(ann, world):
    await ann.want("q1", window=window(0, 4))
    early = await refused(ann.assign("q1", "r1", start=at(-1), reason="early"))
    assert (type(early), early.reason) == (Refused, "NOT_AVAILABLE")
    assert early.metadata["obstacles"] == "OUTSIDE_WINDOW"
    late = await refused(ann.hold("r1", start=at(3.5), booking_request_id="q1"))
    assert late.metadata["obstacles"] == "OUTSIDE_WINDOW"
    made = await ann.assign("q1", "r1", start=at(3), reason="the last that fits")
    moved = await refused(ann.reassign(made.id, start=moment(4), reason="later"))
    assert moved.metadata["obstacles"] == "OUTSIDE_WINDOW"


async def test_an_edit_between_check_and_commit_is_checked_again(ann, world, caller):
    """Whoever assigns was told of a plan for another party: it must not be committed for this."""
    for number in range(12):
        name = f"q{number}"
        await ann.want(name, party_size=1)
        edited, made = await asyncio.gather(
            ann.update(id=name, party_size=7),
            ann.assign(name, "r1", start=at(2 * number), reason="fits"),
            return_exceptions=True,
        )
        if isinstance(edited, BaseException):
            assert edited.reason == "REQUEST_NOT_OPEN"
            assert made.party_size == 1
        else:
            assert not isinstance(made, BaseException)
            assert made.party_size == 7


async def test_a_hold_is_extended_twice_and_never_beyond_the_tenants_time(ann, ledger_database):
    held = await ann.hold("r1", ttl=Duration(seconds=60))
    longer = await ann.extend(held.token, ttl=Duration(seconds=100))
    assert longer.state == pb.Hold.HELD
    gained = longer.expires_at.ToDatetime() - held.expires_at.ToDatetime()
    assert timedelta(seconds=39) < gained < timedelta(seconds=60)
    assert longer.ttl_remaining.ToTimedelta() == timedelta(seconds=100)
    # A shorter time takes nothing away.
    again = await ann.extend(held.token, ttl=Duration(seconds=1), request_id="k1")
    assert again.expires_at == longer.expires_at
    assert await ann.extend(held.token, ttl=Duration(seconds=1), request_id="k1") == again
    enough = await refused(ann.extend(held.token))
    assert (type(enough), enough.reason) == (Refused, "HOLD_NOT_EXTENDABLE")
    made = await ann.confirm(held.token)
    assert (await refused(ann.extend(held.token))).reason == "HOLD_ALREADY_CONFIRMED"
    assert made.state == pb.Assignment.ASSIGNED
    short = await ann.hold("r2", ttl=Duration(nanos=200_000_000))
    await asyncio.sleep(0.25)
    assert (await refused(ann.extend(short.token))).reason == "HOLD_EXPIRED"
    assert (await refused(ann.extend("nobody.s"))).reason == "NOT_FOUND"
    assert violations(ledger_database.admin_url) == {}


async def test_an_assignment_moves_in_one_step(ann, ledger_database, world):
    await ann.want("q1")
    made = await ann.assign("q1", "r1", reason="first")
    moved = await ann.reassign(made.id, "r2", etag=made.etag, reason="she is ill")
    assert (moved.id, list(moved.resource_ids), moved.etag) == (made.id, ["r2"], "2")
    assert (moved.assignment_reason, moved.start) == ("she is ill", made.start)
    assert world.ignored == made.id
    # Its old time is free, its new one taken, and its own time is never in its way.
    await ann.assign((await ann.want()).id, "r1", reason="free again")
    lost = await refused(ann.reassign(made.id, "r1", reason="back"))
    assert (type(lost), lost.reason) == (Conflict, "SLOT_TAKEN")
    assert alternatives(lost)
    later = await ann.reassign(made.id, start=moment(0.5), reason="half an hour later")
    assert list(later.resource_ids) == ["r2"]
    assert later.start.ToDatetime(UTC) == at(0.5)
    ranked = await ann.reassign(made.id, "r3")
    assert ranked.assignment_reason == f"r3 {world.explanation}"
    stale = await refused(ann.reassign(made.id, "r1", etag=made.etag, reason="old news"))
    assert (stale.reason, stale.metadata["current_etag"]) == ("STALE_ETAG", ranked.etag)
    assert await ann.state_of("q1") == "ASSIGNED"
    await ann.cancel(made.id)
    gone = await refused(ann.reassign(made.id, "r1", reason="too late"))
    assert (type(gone), gone.reason) == (Refused, "ASSIGNMENT_NOT_ACTIVE")
    assert (await refused(ann.reassign("a9", "r1", reason="?"))).reason == "NOT_FOUND"
    assert violations(ledger_database.admin_url) == {}


async def test_what_was_served_is_completed_once(ann, ledger_database):
    await ann.want("q1")
    made = await ann.assign("q1", "r1", reason="fits")
    stale = await refused(ann.complete(made.id, etag="7"))
    assert stale.reason == "STALE_ETAG"
    done = await ann.complete(made.id, etag=made.etag, reason="all went well")
    assert (done.state, done.assignment_reason) == (pb.Assignment.COMPLETED, "fits")
    assert await ann.state_of("q1") == "COMPLETED"
    assert (await ann.complete(made.id)).etag == done.etag
    for late in (ann.cancel(made.id), ann.reassign(made.id, "r2", reason="late")):
        assert (await refused(late)).reason == "ASSIGNMENT_NOT_ACTIVE"
    # Its time stays taken.
    assert (await refused(ann.hold("r1", alternatives=0))).reason == "SLOT_TAKEN"
    assert violations(ledger_database.admin_url) == {}


async def test_ones_own_hold_is_ranked_among_the_others_when_it_is_confirmed(ann, world):
    held = await ann.hold("r1", booking_request_id=(await ann.want()).id)
    made = (await ann("ConfirmHold", pb.ConfirmHoldRequest(hold_token=held.token))).assignment
    assert made.assignment_reason == f"r1 {world.explanation}"
    assert world.ignored == held.id


async def test_every_step_is_in_the_audit_log_with_who_what_and_why(ann, caller, ledger_database):
    bob = caller(sub="bob")
    await ann.want("q1")
    held = await ann.hold("r1", booking_request_id="q1")
    await ann.extend(held.token)
    made = await ann.confirm(held.token, "she knows the house")
    await bob.reassign(made.id, "r2", reason="she is ill")
    await bob.complete(made.id, reason="well done")
    request = pb.ListAuditRequest(booking_request_id="q1")
    steps = (await ann("ListAudit", request)).entries
    assert [(s.actor, s.action, s.state_before, s.state_after) for s in steps] == [
        ("ann", "create", "", "OPEN"),
        ("ann", "hold", "", "HELD"),
        ("ann", "extend", "HELD", "HELD"),
        ("ann", "confirm", "HELD", "ASSIGNED"),
        ("bob", "reassign", "ASSIGNED", "ASSIGNED"),
        ("bob", "complete", "ASSIGNED", "COMPLETED"),
    ]
    moved = steps[4]
    assert moved.reason == "she is ill"
    assert list(moved.before["allocation"]["resource_ids"]) == ["r1"]
    assert list(moved.after["allocation"]["resource_ids"]) == ["r2"]
    assert moved.previous_hash == steps[3].hash
    assert not steps[0].HasField("before")
    # By pages, by actor, and by time alone.
    paged, token = [], ""
    while True:
        page = await ann("ListAudit", pb.ListAuditRequest(page_size=2, page_token=token))
        paged += page.entries
        token = page.next_page_token
        if not token:
            break
    assert paged == list(steps)
    mine = await ann("ListAudit", pb.ListAuditRequest(assignment_id=made.id, actor="bob"))
    assert [entry.action for entry in mine.entries] == ["reassign", "complete"]
    viewer = caller(roles=("viewer",))
    assert (await refused(viewer("ListAudit", request))).reason == "PERMISSION_DENIED"
    other = caller(tenant="other")
    assert not (await other("ListAudit", pb.ListAuditRequest())).entries
    cancelled = request_pb2.CancelRequestRequest(id="q1", reason="over")
    assert (await refused(ann("CancelRequest", cancelled))).reason == "REQUEST_NOT_OPEN"


async def test_a_request_that_changed_since_is_not_cancelled(ann, ledger_database):
    def cancelled(etag: str):
        return ann("CancelRequest", request_pb2.CancelRequestRequest(id="q1", etag=etag))

    wanted = await ann.want("q1")
    changed = await ann.update(id="q1", party_size=3, etag=wanted.etag)
    stale = await refused(cancelled(wanted.etag))
    assert (stale.reason, stale.metadata["current_etag"]) == ("STALE_ETAG", changed.etag)
    assert await ann.state_of("q1") == "OPEN"
    await cancelled(changed.etag)
    assert await ann.state_of("q1") == "CANCELLED"
    assert violations(ledger_database.admin_url) == {}
