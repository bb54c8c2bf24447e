"""Decisions: kept whole, decided again the same, compared fairly, and behind the tenant's wall."""

import asyncio
import json
import uuid
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from fairslot.assignment.v1 import events_pb2
from fairslot.matching.v1 import matching_pb2
from google.type.interval_pb2 import Interval

from kit.bus import open_bus
from kit.event import Event
from services.matching.domain import Month, moment_of
from services.matching.engine import RankCall
from services.matching.engine.decisions.codec import decode, encode
from services.matching.engine.decisions.comparing import (
    Comparison,
    Pick,
    compared,
    is_free,
    pick_of,
    place,
)
from services.matching.engine.decisions.verdicts import PAIRS_LEAST, Compared, verdict
from services.matching.engine.ranking import decide, known_policy, rank
from services.matching.rules.settings import Settings, Unit
from services.matching.servicer import ranking_message
from services.matching.tests.team import START, team
from services.matching.tests.wire import standing
from services.matching.tests.worlds import WorldAssignment, WorldAvailability, dates, person

SECONDS = 20.0
MARCH = Month(2027, 3)


def uneven():
    """Ada has the better priority and far more work than bo: the two policies differ."""
    return team(
        resources=(person("ada", priority=1), person("bo", priority=2)),
        free={START: frozenset({"ada", "bo"}), START + 1440: frozenset({"ada", "bo"})},
        offered={("ada", MARCH): 20, ("bo", MARCH): 20},
        bookings={("ada", day): 1 for day in dates("2027-03-08", 9)},
    )


async def ranked(world, **asked):
    call = RankCall(question=world.question, **asked)
    return await rank(call, WorldAvailability(world), WorldAssignment(world))


@pytest.mark.parametrize("world", [team(), uneven(), team(free={}), team(party_size=4)])
@pytest.mark.parametrize("policy", ["v1", "v2"])
async def test_what_was_kept_gives_the_same_ranking(world, policy):
    first = await ranked(world, policy=policy)
    again = decide(decode(encode(first.inputs)), known_policy(policy), limit=10, max_rejections=100)
    assert again == first.ranking
    assert ranking_message(again).SerializeToString(deterministic=True) == ranking_message(
        first.ranking
    ).SerializeToString(deterministic=True)


async def test_what_a_tenant_wants_is_kept_too():
    wants = Settings(Unit.HOURS, 10, date(2027, 3, 2), {"fairness": 7, "load": 0}, version=3)
    world = uneven()
    call = RankCall(question=world.question)
    first = await rank(call, WorldAvailability(world), WorldAssignment(world), wants)
    again = decode(encode(first.inputs))
    assert again.settings == wants
    assert again.settings.unit is Unit.HOURS
    assert decide(again, known_policy("v2"), limit=10, max_rejections=100) == first.ranking


async def test_bytes_say_the_same_every_time_and_are_few():
    inputs = (await ranked(uneven())).inputs
    data = encode(inputs)
    assert encode(decode(data)) == data == encode(inputs)
    assert len(data) < 2_000


async def test_two_policies_on_one_input():
    first = await ranked(uneven(), policy="v2")
    mine = pick_of(first.ranking)
    assert mine.resource_ids == ("bo",)
    found = compared(first.inputs, "v2", "v1", picked=mine)
    assert found.reproduced
    assert found.feasible
    assert not found.same_pick
    assert found.other.resource_ids == ("ada",)
    assert found.reason == "RESOURCE:priority"
    assert found.score_difference > 0
    assert Comparison.of_json(json.loads(json.dumps(found.as_json()))) == found
    same = compared(first.inputs, "v2", "v2", picked=mine)
    assert same.same_pick
    assert (same.reason, same.score_difference) == ("", 0)
    # Somebody else's pick is not what it picked.
    other = replace(mine, resource_ids=("ada",))
    assert not compared(first.inputs, "v2", "v1", picked=other).reproduced


async def test_free_is_what_the_inputs_say():
    inputs = (await ranked(team())).inputs
    assert is_free(inputs, Pick(("ada",), START, 0))
    assert not is_free(inputs, Pick(("bo",), START, 0))
    assert not is_free(inputs, Pick(("ada",), START + 1, 0))
    assert not is_free(inputs, Pick(("ada", "bo"), START, 0))
    assert is_free(inputs, Pick(("ada", "bo"), START + 1440, 0))


def paired(count, **changes):
    pick = Pick(("ada",), START, 90)
    plain = Comparison(pick, pick, True, True, 0, "", "", 1.0, 1.5)
    return [
        Compared(moment_of(START), "", replace(plain, **changes), committed=True)
        for _ in range(count)
    ]


@pytest.mark.parametrize(
    ("compared", "why_not"),
    [
        (paired(PAIRS_LEAST), ""),
        (paired(PAIRS_LEAST, other=Pick(("bo",), START, 80), reason="RESOURCE:fairness"), ""),
        (paired(PAIRS_LEAST - 1), "fewer"),
        (paired(PAIRS_LEAST) + paired(1, feasible=False), "1 of its picks were not free"),
        (paired(PAIRS_LEAST) + paired(2, other=None), "found nobody 2 times"),
        (paired(PAIRS_LEAST) + paired(1, reproduced=False), "1 decisions cannot be reproduced"),
        (paired(PAIRS_LEAST, other_ms=8.0), "at the 99th percentile"),
        ([], "fewer"),
    ],
)
def test_what_is_safe_to_promote(compared, why_not):
    found = verdict("v2", "v1", compared)
    assert found.safe == (not why_not)
    assert why_not in "; ".join(found.objections)
    assert found.decisions == len(compared)
    assert found.sentence


class Stage:
    """Matching under test for one tenant, and the ledger's stream."""

    def __init__(self, stub, seen, tokens, bus):
        self.stub, self.seen, self.tokens, self.bus = stub, seen, tokens, bus
        self.tenant = f"decides-{uuid.uuid4().hex[:10]}"

    async def ask(self, method, request, *, tenant="", roles=("planner",)):
        token = self.tokens.mint(tenant or self.tenant, list(roles))
        metadata = (("authorization", f"Bearer {token}"),)
        return await method(request, timeout=SECONDS, metadata=metadata)

    async def rank(self, **asked):
        return await self.ask(self.stub.RankCandidates, matching_pb2.RankCandidatesRequest(**asked))

    async def commit(self, candidate, *, booking_request_id="", service_type_id="course"):
        """Says, as the ledger would, that a candidate was assigned just now."""
        changed = events_pb2.AllocationChanged(
            id=uuid.uuid4().hex,
            version=1,
            state=events_pb2.AllocationChanged.State.ASSIGNED,
            resources=[
                events_pb2.AllocatedResource(resource_id=name) for name in candidate.resource_ids
            ],
            slot=Interval(start_time=candidate.start, end_time=candidate.end),
            service_type_id=service_type_id,
            booking_request_id=booking_request_id,
        )
        changed.at.FromDatetime(datetime.now(UTC))
        kind = events_pb2.AllocationChanged.DESCRIPTOR.full_name
        event = Event(f"{kind}.{self.tenant}", changed.SerializeToString())
        assert await self.bus.publish([event]) != [None]

    async def until(self, read, done):
        async with asyncio.timeout(SECONDS):
            while not done(found := await read()):
                await asyncio.sleep(0.05)
            return found

    async def replayed(self, count, *, policy="v1", tenant=""):
        async def read():
            request = matching_pb2.ReplayDecisionsRequest(policy=policy)
            reply = await self.ask(self.stub.ReplayDecisions, request, tenant=tenant)
            return reply.comparison

        return await self.until(read, lambda found: found.decisions >= count)

    async def reported(self, count):
        async def read():
            request = matching_pb2.GetShadowReportRequest()
            return (await self.ask(self.stub.GetShadowReport, request)).comparisons

        return await self.until(read, lambda found: found and found[0].decisions >= count)


@pytest.fixture
async def stage(tokens, kept, tmp_path):
    flags = {"shadow-policy": {"default": ""}}
    path = tmp_path / "flags.json"
    path.write_text(json.dumps(flags))
    async with open_bus(kept.nats_url, name="test") as bus:
        await bus.ensure_stream("ASSIGNMENT", ("fairslot.assignment.v1.>",))
        async with standing(uneven(), tokens.jwks_path, kept, flags_path=str(path)) as (stub, seen):
            made = Stage(stub, seen, tokens, bus)
            flags["shadow-policy"]["tenants"] = {f"{made.tenant}-s": "v1", f"{made.tenant}-o": "v2"}
            path.write_text(json.dumps(flags))
            yield made


async def test_a_ranking_that_led_to_a_commit_is_kept_and_decided_again(stage):
    first = await stage.rank(booking_request_id="q1", limit=3)
    await stage.rank(booking_request_id="q2", limit=3)
    await stage.commit(first.candidates[0], booking_request_id="q1")
    # Other work at the same place is none of this ranking's.
    await stage.commit(first.candidates[1], booking_request_id="q3", service_type_id="visit")
    found = await stage.replayed(1)
    assert (found.decisions, found.committed, found.reproduced, found.infeasible) == (1, 1, 1, 0)
    assert (found.deciding_policy, found.other_policy) == ("v2", "v1")
    assert [(one.reason, one.count) for one in found.reasons] == [("RESOURCE:priority", 1)]
    (different,) = found.differences
    assert different.booking_request_id == "q1"
    assert list(different.deciding.resource_ids) == ["bo"]
    assert list(different.other.resource_ids) == ["ada"]
    assert not found.safe_to_promote
    assert "fewer" in found.verdict
    same = await stage.replayed(1, policy="v2")
    assert (same.same_pick, same.reproduced) == (1, 1)
    # Nobody else's.
    theirs = await stage.replayed(0, tenant="somebody-else")
    assert theirs.decisions == 0


async def test_the_policy_of_before_is_decided_again_by_one_that_weighs_more(stage):
    first = await stage.rank(booking_request_id="q1", policy="v1")
    await stage.commit(first.candidates[0], booking_request_id="q1")
    found = await stage.replayed(1, policy="v2")
    assert (found.reproduced, found.same_pick) == (1, 0)
    assert [one.reason for one in found.reasons] == ["RESOURCE:fairness"]


async def test_the_shadow_decides_beside_and_leaves_no_trace_in_the_ledger(stage):
    stage.tenant += "-s"
    for _ in range(3):
        await stage.rank(booking_request_id="q1")
    (found,) = await stage.reported(3)
    assert (found.deciding_policy, found.other_policy) == ("v2", "v1")
    assert (found.decisions, found.same_pick, found.reproduced) == (3, 0, 3)
    assert found.committed == 0
    assert found.mean_score_difference > 0
    assert found.deciding_p50_ms > 0
    assert {name for name, *_ in stage.seen.calls} <= {
        "GetRequest",
        "GetWorkload",
        "GetOfferedDays",
        "SearchSlotMatrix",
        "GetServiceType",
    }


async def test_a_shadow_that_is_the_deciding_policy_does_nothing(stage):
    plain = stage.tenant
    for tenant in (plain, f"{plain}-o", f"{plain}-s"):
        stage.tenant = tenant
        await stage.rank(booking_request_id="q1")
    # The last tenant's pair is there, so those before it would be.
    await stage.reported(1)
    for tenant in (plain, f"{plain}-o"):
        request = matching_pb2.GetShadowReportRequest()
        assert not (await stage.ask(stage.stub.GetShadowReport, request, tenant=tenant)).comparisons


async def test_questions_about_chosen_ones_are_no_decisions(stage):
    chosen = await stage.rank(booking_request_id="q1", resource_ids=["ada"])
    await stage.commit(chosen.candidates[0], booking_request_id="q1")
    choice = await stage.rank(booking_request_id="q2")
    await stage.commit(choice.candidates[0], booking_request_id="q2")
    found = await stage.replayed(1)
    assert found.decisions == 1


async def test_windows_are_those_of_commits(stage):
    first = await stage.rank(booking_request_id="q1")
    await stage.commit(first.candidates[0], booking_request_id="q1")
    await stage.replayed(1)
    window = Interval()
    window.start_time.FromDatetime(datetime.now(UTC) + timedelta(hours=1))
    window.end_time.FromDatetime(datetime.now(UTC) + timedelta(hours=2))
    request = matching_pb2.ReplayDecisionsRequest(policy="v1", window=window)
    reply = await stage.ask(stage.stub.ReplayDecisions, request)
    assert reply.comparison.decisions == 0
    assert reply.comparison.verdict == "There is nothing to compare."


def test_places_are_named_alike_however_a_plan_is_ordered():
    assert place(("b", "a"), 5) == place(("a", "b"), 5) == "a,b@5"
