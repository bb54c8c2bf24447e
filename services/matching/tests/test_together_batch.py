"""Joint plans and kept decisions between the real availability and the real assignment."""

import asyncio
import contextlib

import grpc
from fairslot.assignment.v1 import assignment_pb2, request_pb2
from fairslot.matching.v1 import matching_pb2
from google.type.interval_pb2 import Interval

from services.matching.tests.trainers import SECONDS, local

State = matching_pb2.BatchItem.State


async def want(team, name, first, end):
    window = Interval(start_time=local(first), end_time=local(end))
    request = request_pb2.BookingRequest(id=name, service_type_id="course", window=window)
    await team.ask(team.requests.CreateRequest, request_pb2.CreateRequestRequest(request=request))


async def plan(team, *names, **asked):
    request = matching_pb2.PlanBatchRequest(booking_request_ids=names, **asked)
    said = [
        one
        async for one in team.matching.PlanBatch(
            request, timeout=3 * SECONDS, metadata=team.headers
        )
    ]
    items = {one.item.booking_request_id: one.item for one in said if one.HasField("item")}
    assert said[-1].HasField("summary")
    assert any(one.HasField("progress") for one in said)
    return items, said[-1].summary


async def test_a_batch_is_planned_committed_and_remembered(team):
    # Bo works on Mondays and Tuesdays only; ada on all four days. Six days, six requests.
    for number in range(5):
        await want(team, f"q{number}", "2027-03-01", "2027-03-05")
    await want(team, "monday", "2027-03-01", "2027-03-02")
    await want(team, "too-late", "2027-03-05", "2027-03-07")
    names = [*(f"q{number}" for number in range(5)), "monday", "too-late"]
    items, summary = await plan(team, *names)
    assert (summary.served, summary.served_bound, summary.assigned) == (6, 6, 0)
    assert summary.optimality == matching_pb2.RankCandidatesResponse.OPTIMAL
    assert items["too-late"].state == State.UNSERVED
    assert "free" in items["too-late"].reason
    assert items["monday"].candidate.start == local("2027-03-01T09:00")
    taken = [
        (one.candidate.resource_ids[0], one.candidate.start.seconds)
        for one in items.values()
        if one.state == State.PLANNED
    ]
    assert len(set(taken)) == len(taken) == 6
    # Looking changes nothing.
    again, _ = await plan(team, *names, apply=True, request_id="batch-1")
    assert {name: one.state for name, one in again.items()} == {
        **dict.fromkeys(names, State.ASSIGNED),
        "too-late": State.UNSERVED,
    }
    # The same key has the same outcome; those served are no longer open for another.
    served = {name: one.assignment_id for name, one in again.items() if one.assignment_id}
    assert len(served) == 6
    # What each of them was decided on is kept, and gives the same again.
    found = await replayed(team, 6)
    assert (found.decisions, found.reproduced, found.infeasible) == (6, 6, 0)
    late, summary = await plan(team, "q0", apply=True)
    assert late["q0"].state in {State.REFUSED, State.UNSERVED}
    assert summary.assigned == 0


async def replayed(team, count):
    request = matching_pb2.ReplayDecisionsRequest(policy="v1")
    async with asyncio.timeout(SECONDS):
        while True:
            found = (await team.ask(team.matching.ReplayDecisions, request)).comparison
            if found.decisions >= count:
                return found
            await asyncio.sleep(0.1)


async def test_what_somebody_else_takes_meanwhile_is_planned_again(team):
    await want(team, "q1", "2027-03-01", "2027-03-05")
    question = matching_pb2.InlineRequest(
        service_type_id="course",
        window=Interval(start_time=local("2027-03-01"), end_time=local("2027-03-05")),
    )
    candidates = (await team.rank(request=question, limit=20)).candidates
    names = []
    for number, candidate in enumerate(candidates):
        # All but one place go to others while the batch runs.
        if number != 2:
            names.append((f"other-{number}", candidate))

    async def others():
        for name, candidate in names:
            # Where the batch was first, they are refused.
            with contextlib.suppress(grpc.aio.AioRpcError):
                await team.assign(name, candidate)

    (items, summary), _ = await asyncio.gather(plan(team, "q1", apply=True), others())
    assert items["q1"].state in {State.ASSIGNED, State.REFUSED, State.UNSERVED}
    if items["q1"].state == State.ASSIGNED:
        assert summary.assigned == 1


async def test_a_committed_ranking_is_replayed(team):
    await want(team, "q1", "2027-03-01", "2027-03-05")
    ranked = await team.rank(booking_request_id="q1")
    made = await team.ask(team.ledger.Assign, _assign("q1", ranked.candidates[0]))
    assert made.assignment.id
    found = await replayed(team, 1)
    assert (found.decisions, found.reproduced, found.infeasible) == (1, 1, 0)


def _assign(name, candidate):
    return assignment_pb2.AssignRequest(
        booking_request_id=name,
        resource_ids=candidate.resource_ids,
        start=candidate.start,
        request_id=f"key-{name}",
    )
