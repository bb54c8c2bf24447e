"""Assignment as served: what callers are told, and that it stays so."""

from __future__ import annotations

import asyncio
from datetime import UTC, timedelta

import psycopg
from fairslot.assignment.v1 import assignment_pb2 as pb
from fairslot.assignment.v1 import request_pb2
from google.protobuf.duration_pb2 import Duration

from kit import position
from kit.fault import Conflict, Invalid, Refused
from services.assignment.tests.books import violations
from services.assignment.tests.calls import alternatives, at, refused


async def test_a_request_is_held_confirmed_cancelled_and_given_to_another(
    ann, ledger_database, world
):
    wanted = await ann.want("q1", party_size=2, labels={"colour": "red"})
    assert (wanted.id, wanted.state, wanted.etag) == ("q1", request_pb2.BookingRequest.OPEN, "1")
    held = await ann.hold("r1", booking_request_id="q1")
    assert (held.state, held.held_by) == (pb.Hold.HELD, "ann")
    assert held.ttl_remaining.ToTimedelta() == timedelta(seconds=90)
    assert held.party_size == 2
    assert held.end.ToDatetime(UTC) == at(1)
    assert position.decode(held.freshness) == {"r/r1": 1}
    assert await ann.state_of("q1") == "HELD"
    live = (await ann("ValidateHold", pb.ValidateHoldRequest(hold_token=held.token))).hold
    assert live.id == held.id
    assert not live.token
    assert timedelta() < live.ttl_remaining.ToTimedelta() < timedelta(seconds=90)
    done = await ann.confirm(held.token, "she knows the house")
    assert done.id == held.id
    assert (done.state, done.assignment_reason) == (pb.Assignment.ASSIGNED, "she knows the house")
    assert (done.assigned_by, done.etag) == ("ann", "2")
    assert done.occupied.start_time.ToDatetime(UTC) == at(-0.25)
    assert await ann.state_of("q1") == "ASSIGNED"
    assert (await ann.confirm(held.token)).assigned_at == done.assigned_at
    assert await ann.get(done.id) == done
    stale = await refused(ann.cancel(done.id, etag="1", reason="ill"))
    assert (type(stale), stale.reason) == (Conflict, "STALE_ETAG")
    assert stale.metadata["current_etag"] == "2"
    gone = await ann.cancel(done.id, etag="2", reason="ill")
    assert (gone.state, gone.cancel_reason) == (pb.Assignment.CANCELLED, "ill")
    assert gone.assignment_reason == "she knows the house"
    assert await ann.state_of("q1") == "OPEN"
    again = await ann.assign("q1", "r2", reason="he can too")
    assert again.id != done.id
    closed = await ann.cancel(again.id, close_request=True)
    assert closed.state == pb.Assignment.CANCELLED
    assert await ann.state_of("q1") == "CANCELLED"
    assert violations(ledger_database.admin_url) == {}


async def test_a_lost_race_tells_who_what_else_and_the_same_again(ann, caller, world):
    await ann.assign((await ann.want()).id, "r1", reason="first")
    bob = caller(sub="bob", roles=["planner"])
    taken = await refused(bob.hold("r1", request_id="k1"))
    assert (type(taken), taken.reason) == (Conflict, "SLOT_TAKEN")
    assert taken.metadata["resource_id"] == "r1"
    assert taken.metadata["taken_by"] == "ann"
    assert taken.metadata["start"] == "2027-03-01T09:00:00Z"
    offered = alternatives(taken)
    assert len(offered) == 5
    assert all(candidate.explanation and not candidate.terms for candidate in offered)
    # None of them is what was lost, nor clashes with it.
    lost = [
        c
        for c in offered
        if c.resource_ids[0] == "r1" and at(-1.5) < c.start.ToDatetime(UTC) < at(1.5)
    ]
    assert lost == []
    world.explanation = "would be told otherwise now"
    again = await refused(bob.hold("r1", request_id="k1"))
    assert again.raw == taken.raw
    assert len(taken.raw) * 4 / 3 < 4096


async def test_who_took_it_is_not_for_machines_to_know(ann, caller):
    await ann.hold("r1")
    machine = caller(sub="bot", roles=["service"])
    taken = await refused(machine.hold("r1", alternatives=0))
    assert "taken_by" not in taken.metadata
    assert "assignment_id" in taken.metadata


async def test_no_alternatives_means_no_question(ann, world):
    await ann.hold("r1")
    taken = await refused(ann.hold("r1", alternatives=0))
    assert alternatives(taken) == []
    assert world.ranks == 0


async def test_many_long_alternatives_fit_into_the_trailers(ann, world):
    world.explanation = "because " * 40
    await ann.hold("r1")
    taken = await refused(ann.hold("r1", alternatives=20))
    assert 0 < len(alternatives(taken)) < 20
    assert len(taken.raw) * 4 / 3 < 4096


async def test_without_matching_the_refusal_comes_alone_and_stays_so(ann, world):
    await ann.hold("r1")
    world.matching_is_down = True
    ann.seconds = 1.0
    first = await refused(ann.hold("r1", request_id="k"))
    world.matching_is_down = False
    second = await refused(ann.hold("r1", request_id="k"))
    assert (first.reason, alternatives(first)) == ("SLOT_TAKEN", [])
    assert first.raw == second.raw


async def test_replays_are_byte_for_byte_though_the_world_has_changed(ann, world):
    await ann.want("q1")
    held = await ann.hold("r1", booking_request_id="q1", request_id="h")
    done = await ann.confirm(held.token, request_id="c")
    world.obstacles["r1"] = ("TIME_OFF",)
    world.service_types = ()
    await ann.cancel(done.id)
    again = await ann.hold("r1", booking_request_id="q1", request_id="h")
    assert again.SerializeToString() == held.SerializeToString()
    confirmed = await ann.confirm(held.token, request_id="c")
    assert confirmed.SerializeToString() == done.SerializeToString()
    world.availability_is_down = True
    again = await ann.hold("r1", booking_request_id="q1", request_id="h")
    assert again.SerializeToString() == held.SerializeToString()
    other = await refused(ann.hold("r2", booking_request_id="q1", request_id="h"))
    assert (type(other), other.reason) == (Invalid, "IDEMPOTENCY_KEY_REUSED")


async def test_the_key_may_come_in_a_header(ann):
    held = await ann.hold("r1", header="k")
    assert (await ann.hold("r1", header="k")).id == held.id
    assert (await refused(ann.hold("r1"))).reason == "SLOT_TAKEN"


async def test_what_others_see_as_busy_is_for_the_ledger_to_say(ann, world):
    world.obstacles["r1"] = ("BUSY", "HELD", "BUFFER")
    assert (await ann.hold("r1")).state == pb.Hold.HELD


async def test_any_free_resource_best_first_until_none_is_left(ann, world):
    got = [(await ann.hold(alternatives=0)).resource_ids[0] for _ in range(3)]
    assert got == ["r1", "r2", "r3"]
    assert (await refused(ann.hold(alternatives=0))).reason == "SLOT_TAKEN"


async def test_an_assignment_without_a_reason_gets_matchings(ann, world):
    done = await ann.assign((await ann.want()).id, "r2")
    assert done.assignment_reason == "r2 was offered most and has worked least"
    # Where any will do, matching's order decides, and the reason is that of the one taken.
    best = await ann.assign((await ann.want()).id, start=at(0))
    assert list(best.resource_ids) == ["r3"]
    assert best.assignment_reason == "r3 was offered most and has worked least"
    world.ranks_nothing = True
    plain = await ann.assign((await ann.want()).id, "r1")
    assert plain.assignment_reason.startswith("Chosen by ann without a reason")
    world.matching_is_down = True
    ann.seconds = 1.0
    held = await ann.hold("r1", start=at(5))
    assert "matching has no explanation" in (await ann.confirm(held.token, "")).assignment_reason


async def test_ones_own_hold_becomes_ones_assignment(ann, ledger_database):
    wanted = await ann.want()
    held = await ann.hold("r1", booking_request_id=wanted.id)
    done = await ann.assign(wanted.id, "r1", reason="as held")
    assert (done.id, done.etag) == (held.id, "2")
    other = await ann.want()
    held = await ann.hold("r2", booking_request_id=other.id)
    anything = await ann.assign(other.id, reason="as held")
    assert anything.id == held.id
    third = await ann.want()
    held = await ann.hold("r3", booking_request_id=third.id, start=at(3))
    elsewhere = await ann.assign(
        third.id, "r3", start=at(3) + timedelta(minutes=30), reason="later"
    )
    assert elsewhere.id != held.id
    gone = await refused(ann.confirm(held.token))
    assert gone.reason == "HOLD_ALREADY_RELEASED"
    assert violations(ledger_database.admin_url) == {}


async def test_a_hold_ends_with_the_tenants_shortest_time(ann, caller, ledger_database):
    held = await ann.hold("r1", ttl=Duration(nanos=1_000_000))
    assert held.ttl_remaining.ToTimedelta() == timedelta(seconds=0.2)
    theirs = await caller("globex").hold("r1", ttl=Duration(seconds=1))
    assert theirs.ttl_remaining.ToTimedelta() == timedelta(seconds=60)
    await asyncio.sleep(0.25)
    request = pb.ValidateHoldRequest(hold_token=held.token)
    assert (await refused(ann("ValidateHold", request))).reason == "HOLD_EXPIRED"
    over = await refused(ann.confirm(held.token))
    assert (type(over), over.reason) == (Refused, "HOLD_EXPIRED")
    assert (await ann.release(held.token)).state == pb.Hold.EXPIRED
    assert (await ann.hold("r1")).state == pb.Hold.HELD


async def test_releasing_twice_is_no_error_and_confirming_after_it_is(ann):
    held = await ann.hold("r1")
    assert (await ann.release(held.token)).state == pb.Hold.RELEASED
    assert (await ann.release(held.token)).state == pb.Hold.RELEASED
    assert (await refused(ann.confirm(held.token))).reason == "HOLD_ALREADY_RELEASED"
    other = await ann.hold("r1")
    await ann.confirm(other.token)
    assert (await refused(ann.release(other.token))).reason == "HOLD_ALREADY_CONFIRMED"
    request = pb.ValidateHoldRequest(hold_token=other.token)
    assert (await refused(ann("ValidateHold", request))).reason == "HOLD_ALREADY_CONFIRMED"


async def test_the_wait_for_a_lock_ends_before_the_deadline(ann, ledger_database):
    await ann.hold("r1", start=at(10))
    with psycopg.connect(ledger_database.admin_url) as blocker:
        blocker.execute("SELECT FROM assignment.resource FOR UPDATE")
        ann.seconds = 0.5
        began = asyncio.get_running_loop().time()
        said = await refused(ann.hold("r1", request_id="k"))
        assert asyncio.get_running_loop().time() - began < 0.7
        assert said.reason == "CONCURRENT_UPDATE"
        blocker.rollback()
    assert (await ann.hold("r1", request_id="k")).state == pb.Hold.HELD
