"""Decisions are events like any other: each is told once, by the transaction that keeps it."""

import uuid
from datetime import UTC, datetime

import psycopg
import pytest
from prometheus_client import CollectorRegistry

from services.matching.senders import encode
from services.matching.store import DecisionMetrics
from services.matching.store.decisions import LINK
from services.matching.tests.stage import State, on_stage
from services.matching.tests.telling import DECIDED, listening
from services.matching.tests.test_decisions import uneven

OTHERS = 3000
RANKINGS = """
INSERT INTO matching.ranking (tenant_id, id, at, policy, service_type_id, booking_request_id, pick,
  places, inputs)
SELECT %s, gen_random_uuid(), now(), 'v2', 'course', 'q' || n, '{}', ARRAY['ada@' || n], ''
FROM generate_series(1, %s) AS n
"""
READ = """
SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables
WHERE schemaname = 'matching' AND relname = 'ranking'
"""
LINKED = "SELECT assignment_id FROM matching.decision WHERE tenant_id = %s ORDER BY at"


@pytest.fixture
async def stage(tokens, kept, tmp_path):
    async with on_stage(uneven(), tokens, kept, tmp_path) as made:
        yield made


@pytest.fixture
async def told(stage):
    async with listening(stage.bus, stage.tenant, ["matching"]) as told:
        yield told


def linked(kept, tenant):
    with psycopg.connect(kept.admin_url) as admin:
        return [name for (name,) in admin.execute(LINKED, (tenant,))]


async def test_a_decision_says_who_decided_what_and_what_was_taken(stage, told, kept):
    begun = datetime.now(UTC)
    ranked = await stage.rank(booking_request_id="q1", limit=3)
    first, second = ranked.candidates[:2]
    # Other work at the same place was not this ranking's to decide.
    other = await stage.commit(first, booking_request_id="q2", service_type_id="visit")
    made = await stage.commit(second, booking_request_id="q1")
    also = await stage.commit(first, booking_request_id="q1")
    await told.until(lambda: len(told.events) >= 2)
    assert [(event.type, event.aggregate, event.version) for event in told.events] == [
        (DECIDED, made, 1),
        (DECIDED, also, 1),
    ]
    assert linked(kept, stage.tenant) == [made, also]
    decided, next_one = told.decisions()
    assert (decided.assignment_id, decided.booking_request_id) == (made, "q1")
    assert (decided.service_type_id, decided.policy) == ("course", "v2")
    assert (list(decided.resource_ids), decided.start) == (list(second.resource_ids), second.start)
    assert (decided.rank, next_one.rank) == (2, 1)
    assert decided.ranking_id == next_one.ranking_id != ""
    assert not decided.joint
    moments = (decided.ranked_at, decided.committed_at, next_one.committed_at)
    ranked_at, *committed = [one.ToDatetime(UTC) for one in moments]
    assert begun <= ranked_at < committed[0] < committed[1]
    assert not told.of(other)


async def test_what_was_told_is_not_told_again(stage, told, kept):
    """The ledger's stream is read from its beginning now and then, also after the outbox forgot."""
    first, second = (await stage.rank(booking_request_id="q1", limit=2)).candidates
    made = await stage.commit(first, booking_request_id="q1")
    await told.until(lambda: told.events)
    with psycopg.connect(kept.admin_url) as admin:
        admin.execute("DELETE FROM matching.outbox WHERE tenant_id = %s", (stage.tenant,))
    same = {"assignment_id": made, "booking_request_id": "q1"}
    for _ in range(2):
        await stage.tell(first, first.resource_ids, **same)
    # To move it is no decision of the ranking that it was made by.
    await stage.tell(second, second.resource_ids, previous_state=State.ASSIGNED, **same)
    last = await stage.commit(second, booking_request_id="q1")
    await told.until(lambda: told.of(last))
    assert [event.aggregate for event in told.events] == [made, last]
    assert linked(kept, stage.tenant) == [made, last]


def test_a_commit_is_not_looked_for_among_the_rankings_of_other_requests(kept):
    tenant, now = f"links-{uuid.uuid4().hex[:10]}", datetime.now(UTC)
    with psycopg.connect(kept.admin_url, autocommit=True) as admin:
        admin.execute(RANKINGS, (tenant, OTHERS))
        # As autovacuum would before long; until then the planner goes by what earlier tests left.
        admin.execute("ANALYZE matching.ranking")

    def read(worker) -> int:
        worker.execute("SELECT pg_stat_force_next_flush()")
        return worker.execute(READ).fetchone()[0]

    with psycopg.connect(kept.worker_url, autocommit=True) as worker:
        before = read(worker)
        worker.execute(
            LINK,
            {
                "tenant_id": tenant,
                "assignment_id": "a1",
                "booking_request_id": "q7",
                "service_type_id": "course",
                "resource_ids": ["ada"],
                "start_at": now,
                "at": now,
                "place": "ada@7",
            },
        )
        assert read(worker) - before < OTHERS // 10
    assert linked(kept, tenant) == ["a1"]


def test_decisions_are_counted_as_they_leave():
    registry = CollectorRegistry()
    counted = DecisionMetrics(registry).counted(encode)
    drifted = "fairslot.matching.v1.FairnessDrifted"
    for name, payload in (
        (DECIDED, {"policy": "v2", "rank": 1}),
        (DECIDED, {"policy": "v2", "rank": 1}),
        (DECIDED, {"policy": "v1", "rank": 3}),
        (drifted, {"month": "2027-03"}),
    ):
        assert counted(name, payload) == encode(name, payload)

    def decisions(policy, first_pick):
        labels = {"policy": policy, "first_pick": first_pick}
        return registry.get_sample_value("fairslot_decisions_total", labels)

    assert (decisions("v2", "true"), decisions("v1", "false")) == (2, 1)
    assert decisions("v2", "false") is None
