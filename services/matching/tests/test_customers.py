"""Whoever was booked for a customer lately is preferred again, as the ledger tells of it."""

from datetime import UTC, datetime

import psycopg
import pytest
from fairslot.matching.v1 import matching_pb2

from services.matching.store.customers import Service, note
from services.matching.tests.stage import State, on_stage
from services.matching.tests.test_decisions import uneven


@pytest.fixture
async def stage(tokens, kept, tmp_path):
    async with on_stage(uneven(), tokens, kept, tmp_path) as made:
        yield made


def known_in(ranked):
    """Gives whom a ranking says to be known, with the sentences; None where it does not say."""
    found = {
        candidate.resource_ids[0]: (term.points, term.reason)
        for candidate in ranked.candidates
        for term in candidate.terms
        if term.rule == "continuity"
    }
    return {name for name, (points, _) in found.items() if points} if found else None


async def ask(stage, customer_hash, **asked):
    request = matching_pb2.InlineRequest(service_type_id="course", customer_hash=customer_hash)
    return await stage.rank(request=request, **asked)


async def until(stage, known, *, customer_hash="c1"):
    ranked = await stage.until(
        lambda: ask(stage, customer_hash), lambda found: known_in(found) == known
    )
    return {
        candidate.resource_ids[0]: next(
            (term.reason for term in candidate.terms if term.rule == "continuity"), ""
        )
        for candidate in ranked.candidates
    }


async def test_a_customer_is_known_from_the_assignment_to_its_cancellation(stage):
    first = (await ask(stage, "c1")).candidates[0]
    assert known_in(await ask(stage, "c1")) is None
    made = await stage.tell(first, ["ada"], customer_hash="c1")
    said = await until(stage, {"ada"})
    assert said == {
        "ada": "Booked for this customer 1 time lately.",
        "bo": "New to this customer.",
    }
    # Another customer and another tenant know nobody; nor do what is being ranked anew itself,
    # and the policy of before.
    assert known_in(await ask(stage, "c2")) is None
    assert known_in(await ask(stage, "c1", ignore_assignment_id=made)) is None
    assert known_in(await ask(stage, "c1", policy="v1")) is None
    other = {"assignment_id": made, "previous_state": State.ASSIGNED}
    # The ledger does not repeat the request when only the resource moves.
    await stage.tell(first, ["bo"], **other)
    await until(stage, {"bo"})
    await stage.tell(first, ["bo"], state=State.CANCELLED, **other)
    await until(stage, None)


async def test_what_is_said_twice_counts_once_and_holds_do_not_count(stage):
    first = (await ask(stage, "c1")).candidates[0]
    await stage.tell(first, ["bo"], state=State.HELD, customer_hash="c1")
    for _ in range(2):
        await stage.tell(first, ["ada"], assignment_id="a1", customer_hash="c1")
    await stage.tell(first, ["ada"], assignment_id="a2", customer_hash="c1")
    await stage.until(lambda: until(stage, {"ada"}), lambda said: "2 times" in said["ada"])


async def test_what_happened_to_assignments_is_taken_in_its_order(kept):
    def told(assignment_id, *resource_ids, customer_hash=""):
        at = datetime(2027, 3, 1, 9, tzinfo=UTC)
        return Service("order", assignment_id, customer_hash, resource_ids, at)

    happened = [
        told("a1", "ada", customer_hash="c1"),
        told("a2", "ada", customer_hash="c1"),
        told("a1", "bo"),
        told("a2"),
        told("a2", "bo", customer_hash="c2"),
        told("a3", "cy", customer_hash="c3"),
        told("a3"),
    ]
    connection = await psycopg.AsyncConnection.connect(kept.worker_url, autocommit=True)
    async with connection, connection.cursor() as cursor:
        await cursor.execute("SELECT set_config('app.tenant_id', 'order', false)")
        await note(cursor, happened)
        await cursor.execute(
            "SELECT assignment_id, customer_hash, resource_ids FROM matching.service"
            " WHERE tenant_id = 'order' ORDER BY assignment_id"
        )
        assert await cursor.fetchall() == [("a1", "c1", ["bo"]), ("a2", "c2", ["bo"])]


async def test_the_database_keeps_customers_of_tenants_apart(stage, kept):
    first = (await ask(stage, "c1")).candidates[0]
    await stage.tell(first, ["ada"], customer_hash="c1")
    await until(stage, {"ada"})
    connection = await psycopg.AsyncConnection.connect(kept.url, autocommit=True)
    async with connection:
        count = "SELECT count(*) FROM matching.service"
        for tenant, seen in (("", 0), ("somebody-else", 0), (stage.tenant, 1)):
            await connection.execute("SELECT set_config('app.tenant_id', %s, false)", (tenant,))
            assert await (await connection.execute(count)).fetchone() == (seen,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute("DELETE FROM matching.service")
