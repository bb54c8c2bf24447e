"""Decisions through the service: linked to commits, replayed, shadowed, and behind the wall."""

import asyncio
import json
import uuid
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from fairslot.assignment.v1 import events_pb2
from fairslot.matching.v1 import matching_pb2
from google.type.interval_pb2 import Interval

from kit.bus import open_bus
from kit.event import Event
from services.matching.tests.test_decisions import uneven
from services.matching.tests.wire import standing

# A machine with much to do is waited for.
SECONDS = 60.0


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


async def test_the_database_itself_keeps_tenants_apart(stage, kept):
    first = await stage.rank(booking_request_id="q1")
    await stage.commit(first.candidates[0], booking_request_id="q1")
    await stage.replayed(1)
    connection = await psycopg.AsyncConnection.connect(kept.url, autocommit=True)
    async with connection:
        for table in ("ranking", "decision", "shadow_pair"):
            count = f"SELECT count(*) FROM matching.{table}"
            await connection.execute("SELECT set_config('app.tenant_id', '', false)")
            assert await (await connection.execute(count)).fetchone() == (0,)
            await connection.execute(
                "SELECT set_config('app.tenant_id', %s, false)", (stage.tenant,)
            )
            assert (await (await connection.execute(count)).fetchone())[0] >= (
                table != "shadow_pair"
            )
            # The calls only read what is kept beside them.
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await connection.execute(f"DELETE FROM matching.{table}")
