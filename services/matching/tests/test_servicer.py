"""Matching over real gRPC, between two servers that stand in for availability and assignment."""

from dataclasses import replace
from datetime import date

import grpc
import pytest
from fairslot.matching.v1 import matching_pb2
from fairslot.type.v1 import type_pb2
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from google.type.interval_pb2 import Interval
from grpc_status import rpc_status

from kit.fault import NotFound, Unavailable
from services.matching.domain import Month, Rejection
from services.matching.engine import Engine, RankCall
from services.matching.servicer import ranking_message
from services.matching.tests.wire import standing
from services.matching.tests.worlds import (
    World,
    WorldAssignment,
    WorldAvailability,
    at,
    dates,
    person,
    table,
)

START = at("2027-03-01T08:00")
MARCH = Month(2027, 3)
WORLD = World(
    window=(START, START + 3 * 1440),
    resources=(person("ada"), person("bo", priority=1), table("t1", 4)),
    free={
        START: frozenset({"ada", "bo"}),
        START + 1440: frozenset({"bo", "t1"}),
        START + 2000: frozenset({"ada"}),
    },
    offered={("ada", MARCH): 20, ("bo", MARCH): 10, ("t1", MARCH): 31},
    bookings={("ada", day): 1 for day in dates("2027-03-03", 4)} | {("bo", date(2027, 3, 2)): 3},
    delivered=frozenset({("ada", date(2027, 3, 3))}),
    party_size=3,
    rejections=(Rejection("zed", ("NOT_QUALIFIED", "BUSY")),),
)


def stamp(minute: int) -> Timestamp:
    return Timestamp(seconds=60 * minute)


def inline(**changes) -> matching_pb2.InlineRequest:
    window = Interval(start_time=stamp(WORLD.window[0]), end_time=stamp(WORLD.window[1]))
    return matching_pb2.InlineRequest(
        **{"service_type_id": "course", "window": window, "party_size": 3} | changes
    )


@pytest.fixture
async def stage(tokens, kept):
    async with standing(WORLD, tokens.jwks_path, kept) as (stub, seen):
        yield stub, seen, tokens


async def ask(stage, message, *, roles=("viewer",), timeout=5.0, **changes):
    stub, _, tokens = stage
    token = changes.get("token", tokens.mint("demo", list(roles)))
    method = (
        stub.GetFairness
        if isinstance(message, matching_pb2.GetFairnessRequest)
        else stub.RankCandidates
    )
    headers = (("authorization", f"Bearer {token}"), ("x-request-id", "req-7"))
    return await method(message, timeout=timeout, metadata=headers)


async def refused(stage, message, **changes) -> tuple[grpc.StatusCode, str, list[str]]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ask(stage, message, **changes)
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    fields: list[str] = []
    for detail in rpc_status.from_call(caught.value).details:
        detail.Unpack(info)
        if detail.Unpack(bad):
            fields = [item.field for item in bad.field_violations]
    return caught.value.code(), info.reason, fields


@pytest.mark.parametrize("policy", ["", "v1", "v2"])
async def test_the_wire_changes_nothing(stage, policy):
    message = matching_pb2.RankCandidatesRequest(request=inline(), policy=policy)
    reply = await ask(stage, message)
    engine = Engine(availability=WorldAvailability(WORLD), assignment=WorldAssignment(WORLD))
    plain = await engine.rank(RankCall(question=WORLD.question, policy=policy))
    assert reply.SerializeToString() == ranking_message(plain).SerializeToString()
    assert reply.policy == (policy or "v2")
    assert reply.optimality == matching_pb2.RankCandidatesResponse.OPTIMAL
    assert len(reply.candidates) == 5
    assert reply.freshness == "as fresh as it gets"
    for one in reply.candidates:
        assert one.explanation
        assert one.end.seconds - one.start.seconds == 3600
        most = sum(term.max_points for term in one.terms)
        assert one.match_percent == 100 * sum(term.points for term in one.terms) // most
        assert all(term.reason.endswith(".") for term in one.terms)
    (left_out,) = reply.rejections
    assert list(left_out.reasons) == [type_pb2.Obstacle.NOT_QUALIFIED, type_pb2.Obstacle.BUSY]
    assert reply.rejected_count == 1


async def test_none_wanted_is_not_the_same_as_not_said(stage):
    message = matching_pb2.RankCandidatesRequest(request=inline(), limit=0, max_rejections=0)
    reply = await ask(stage, message)
    assert (len(reply.candidates), len(reply.rejections), reply.rejected_count) == (0, 0, 1)
    assert reply.result.startswith("There are 5 candidates, best first; the best is ")


async def test_a_stored_request_is_read_and_asked_in_full(stage):
    seen = stage[1]
    message = matching_pb2.RankCandidatesRequest(
        booking_request_id="q1",
        at_least_as_fresh="token",
        as_if_now=Timestamp(seconds=1_800_000_000),
        max_rejections=3,
        limit=2,
    )
    reply = await ask(stage, message)
    assert len(reply.candidates) == 2
    assert seen.of("GetRequest")[0].id == "q1"
    (matrix,) = seen.of("SearchSlotMatrix")
    assert (matrix.with_resources, matrix.max_rejections) == (True, 3)
    query = matrix.query
    assert (query.service_type_id, query.party_size) == ("course", 3)
    assert (list(query.resource_ids), list(query.required_skills)) == (["ada", "bo"], ["go"])
    assert query.window == inline().window
    assert query.at_least_as_fresh == "token"
    assert query.as_if_now.seconds == 1_800_000_000
    (offers,) = seen.of("GetOfferedDays")
    assert (offers.month, offers.at_least_as_fresh) == ("2027-03", "token")
    (workload,) = seen.of("GetWorkload")
    assert workload.time_zone == "Europe/Berlin"
    assert workload.window == Interval(
        start_time=stamp(at("2027-02-28T23:00")), end_time=stamp(at("2027-03-31T22:00"))
    )


async def test_caller_request_id_and_deadline_go_with_every_call(stage):
    seen, tokens = stage[1], stage[2]
    token = tokens.mint("demo", ["planner"])
    await ask(
        stage, matching_pb2.RankCandidatesRequest(booking_request_id="q1"), token=token, timeout=3.0
    )
    assert [name for name, *_ in seen.calls][:2] == ["GetRequest", "SearchSlotMatrix"]
    assert len(seen.calls) == 4
    for _, _, metadata, left in seen.calls:
        assert metadata["authorization"] == f"Bearer {token}"
        assert metadata["x-request-id"] == "req-7"
        assert 0 < left < 2.99


async def test_a_missing_window_is_left_to_availability(stage):
    asked = matching_pb2.InlineRequest(service_type_id="course")
    reply = await ask(stage, matching_pb2.RankCandidatesRequest(request=asked))
    assert not stage[1].of("SearchSlotMatrix")[0].query.HasField("window")
    assert len(reply.candidates) == 5


async def test_one_slot_of_one_resource(stage):
    message = matching_pb2.RankCandidatesRequest(
        request=inline(),
        slot=Interval(start_time=stamp(START + 1440)),
        resource_ids=["bo"],
        max_rejections=0,
    )
    reply = await ask(stage, message)
    assert {one.start.seconds for one in reply.candidates} == {60 * (START + 1440)}
    query = stage[1].of("SearchSlotMatrix")[0].query
    assert list(query.resource_ids) == ["bo"]
    assert query.window.end_time == stamp(START + 1500)


async def test_nobody_is_an_answer(tokens, kept):
    world = replace(WORLD, free={})
    async with standing(world, tokens.jwks_path, kept) as (stub, seen):
        reply = await ask(
            (stub, seen, tokens), matching_pb2.RankCandidatesRequest(request=inline())
        )
    assert not reply.candidates
    assert reply.result == "There is no candidate: 1 is without a required skill."
    assert [one.resource_id for one in reply.rejections] == ["zed"]


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (matching_pb2.RankCandidatesRequest(), ""),
        (matching_pb2.RankCandidatesRequest(booking_request_id="q", request=inline()), ""),
        (matching_pb2.RankCandidatesRequest(booking_request_id="q", policy="v9"), "policy"),
        (matching_pb2.RankCandidatesRequest(booking_request_id="q", limit=-1), "limit"),
        (matching_pb2.RankCandidatesRequest(booking_request_id="q", limit=1001), "limit"),
        (
            matching_pb2.RankCandidatesRequest(request=inline(party_size=-2)),
            "request.party_size",
        ),
        (
            matching_pb2.RankCandidatesRequest(request=inline(service_type_id="")),
            "request.service_type_id",
        ),
        (
            matching_pb2.RankCandidatesRequest(booking_request_id="q", slot=Interval()),
            "slot.start_time",
        ),
        (
            matching_pb2.RankCandidatesRequest(
                booking_request_id="q", slot=Interval(start_time=Timestamp(seconds=10**15))
            ),
            "slot",
        ),
        (
            matching_pb2.RankCandidatesRequest(
                request=inline(window=Interval(end_time=Timestamp(seconds=-(10**15))))
            ),
            "request.window",
        ),
        (
            matching_pb2.RankCandidatesRequest(
                booking_request_id="q", as_if_now=Timestamp(seconds=10**15)
            ),
            "as_if_now",
        ),
        (matching_pb2.GetFairnessRequest(month="2027-3"), "month"),
        (matching_pb2.GetFairnessRequest(month="2027-13"), "month"),
        (matching_pb2.GetFairnessRequest(month="0000-01"), "month"),
        (matching_pb2.GetFairnessRequest(month="9999-12"), "month"),
        (matching_pb2.GetFairnessRequest(), "month"),
    ],
)
async def test_what_is_wrong_is_refused_by_its_field(stage, message, field):
    code, reason, fields = await refused(stage, message)
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT")
    assert field in fields
    assert not stage[1].of("SearchSlotMatrix")


async def test_nobody_unknown_is_served(stage):
    message = matching_pb2.RankCandidatesRequest(booking_request_id="q1")
    code, reason, _ = await refused(stage, message, token="")
    assert (code, reason) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")
    code, reason, _ = await refused(stage, message, roles=("guest",))
    assert (code, reason) == (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED")
    assert stage[1].calls == []


@pytest.mark.parametrize("method", ["GetRequest", "SearchSlotMatrix", "GetWorkload"])
async def test_what_the_others_refuse_comes_back_as_it_is(stage, method):
    stage[1].faults[method] = NotFound("NOT_FOUND", "there is no such thing")
    message = matching_pb2.RankCandidatesRequest(booking_request_id="q1")
    code, reason, _ = await refused(stage, message)
    assert (code, reason) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")


async def test_a_part_that_is_down_is_said_to_be_down(stage):
    stage[1].faults["GetOfferedDays"] = Unavailable("UNAVAILABLE", "draining")
    message = matching_pb2.RankCandidatesRequest(booking_request_id="q1")
    code, reason, _ = await refused(stage, message, timeout=1.0)
    assert (code, reason) == (grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE")


async def test_fairness_of_a_month(stage):
    reply = await ask(stage, matching_pb2.GetFairnessRequest(month="2027-03", skill="go"))
    assert (reply.month, reply.time_zone, reply.tolerance_percent) == (
        "2027-03",
        "Europe/Berlin",
        20,
    )
    ada, bo = reply.rows
    assert (ada.resource_id, ada.display_name, ada.offered_days) == ("ada", "Ada", 20)
    assert (ada.delivered_days, ada.committed_days) == (1, 3)
    assert (bo.delivered_days, bo.committed_days) == (0, 1)
    assert (ada.target_share, ada.actual_share, ada.gap) == (0.666667, 0.8, 0.133333)
    assert (bo.target_share, bo.actual_share, bo.gap) == (0.333333, 0.2, -0.133333)
    # 0.8 is exactly a fifth above two thirds; 0.2 is two fifths below one third.
    assert (ada.within_tolerance, bo.within_tolerance) == (True, False)
    assert stage[1].of("GetOfferedDays")[0].skill == "go"
    assert list(stage[1].of("GetWorkload")[0].resource_ids) == ["ada", "bo"]


async def test_fairness_of_the_people_named(stage):
    message = matching_pb2.GetFairnessRequest(month="2027-03", resource_ids=["bo", "t1"])
    reply = await ask(stage, message)
    (bo,) = reply.rows
    assert (bo.target_share, bo.actual_share, bo.gap, bo.within_tolerance) == (1.0, 1.0, 0.0, True)
