"""Decisions through the service: linked to commits, replayed, shadowed, and behind the wall."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from fairslot.matching.v1 import matching_pb2
from google.type.interval_pb2 import Interval

from services.matching.tests.stage import on_stage
from services.matching.tests.test_decisions import uneven


@pytest.fixture
async def stage(tokens, kept, tmp_path):
    async with on_stage(uneven(), tokens, kept, tmp_path) as made:
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
