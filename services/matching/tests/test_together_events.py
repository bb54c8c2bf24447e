"""Decisions, assignments and conflicts are told alike: one reader follows a story by its ids."""

import grpc
import pytest
from fairslot.assignment.v1 import assignment_pb2, events_pb2

from kit.bus import open_bus
from services.matching.tests.telling import listening, said
from services.matching.tests.test_together_batch import plan, want

State = events_pb2.AllocationChanged.State


@pytest.fixture
async def told(stack, team):
    async with (
        open_bus(stack.described["nats_url"], name="test") as bus,
        listening(bus, team.tenant, ["assignment", "matching"]) as told,
    ):
        yield told


async def held(team, name, candidate):
    request = assignment_pb2.PlaceHoldRequest(
        booking_request_id=name,
        resource_ids=candidate.resource_ids,
        start=candidate.start,
        request_id=f"hold-{name}",
    )
    return (await team.ask(team.ledger.PlaceHold, request)).hold


async def test_one_reader_sees_a_story_from_its_request_to_its_conflict(team, told):
    for name in ("q1", "q2"):
        await want(team, name, "2027-03-01", "2027-03-05")
    best = (await team.rank(booking_request_id="q1")).candidates[0]
    hold = await held(team, "q1", best)
    confirm = assignment_pb2.ConfirmHoldRequest(hold_token=hold.token, request_id="confirm-q1")
    made = (await team.ask(team.ledger.ConfirmHold, confirm)).assignment
    await told.until(told.decisions)
    with pytest.raises(grpc.aio.AioRpcError, match="taken"):
        await held(team, "q2", best)
    await told.until(lambda: len(told.of("q1", made.id)) >= 5)
    story = told.of("q1", made.id)
    assert [(event.type.rpartition(".")[2], event.aggregate) for event in story[:4]] == [
        ("RequestChanged", "q1"),
        ("AllocationChanged", made.id),
        ("AllocationChanged", made.id),
        ("DecisionMade", made.id),
    ]
    created, placed, assigned, decided, collided = map(said, story)
    assert (created.request.id, placed.state, assigned.state) == ("q1", State.HELD, State.ASSIGNED)
    assert (decided.assignment_id, decided.booking_request_id) == (made.id, "q1")
    assert (decided.policy, decided.rank, decided.joint) == ("v2", 1, False)
    assert decided.committed_at == assigned.at
    assert decided.ranked_at.ToNanoseconds() < placed.at.ToNanoseconds()
    [taken] = collided.taken
    assert (taken.assignment_id, taken.booking_request_id) == (made.id, "q1")
    assert (collided.method, taken.state) == ("PlaceHold", State.ASSIGNED)
    # Each kind counts its versions from 1 per aggregate; the collision is a thing of its own.
    assert [event.version for event in story] == [1, 1, 2, 1, 1]
    assert [event.type for event in told.of("q2")] == [created.DESCRIPTOR.full_name]


async def test_every_place_of_a_joint_plan_is_a_decision(team, told):
    names = ["q1", "q2", "q3"]
    for name in names:
        await want(team, name, "2027-03-01", "2027-03-05")
    items, summary = await plan(team, *names, apply=True, request_id="batch-1")
    assert summary.assigned == 3
    await told.until(lambda: len(told.decisions()) >= 3)
    decided = {one.booking_request_id: one for one in told.decisions()}
    assert len(told.decisions()) == len(decided) == 3
    for name, item in items.items():
        one = decided[name]
        assert (one.assignment_id, one.rank, one.joint) == (item.assignment_id, 1, True)
        assert one.start == item.candidate.start
        assert list(one.resource_ids) == list(item.candidate.resource_ids)
