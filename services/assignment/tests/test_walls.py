"""Walls: between tenants, around the audit log, behind the ledger's own rules."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors

from services.assignment.tests.books import (
    allocation_id,
    key,
    open_books,
    reason,
    violations,
)

TABLES = ("resource", "request", "allocation", "claim", "idem", "outbox", "audit")
COLUMNS = {
    "resource": "(tenant_id, resource_id) VALUES ('acme', 'forged')",
    "request": "(tenant_id, request_id, state, service_type_id, window_start, window_end,"
    " party_size, customer_hash, wish, created_at)"
    " VALUES ('acme', 'forged', 'OPEN', 'x', now(), now() + interval '1 h', 0, '', '{}', now())",
    "outbox": "(tenant_id, aggregate, version, type, payload, at)"
    " VALUES ('acme', 'forged', 1, 'x', '{}', now())",
    "idem": "(tenant_id, principal, method, key, ring, request_hash, outcome, created_at)"
    " VALUES ('acme', 'ann', 'x', 'forged', 0, '', '{}', now())",
    "audit": "VALUES ('acme', 'forged', 1, now(), 'x', 'x', '', NULL, 'x', '{}', '', '')",
}


@pytest.fixture
async def filled(ledger_database):
    """A ledger in which acme has one of everything."""
    async with open_books(ledger_database.url) as books:
        request = await books.request("q1")
        held = allocation_id(await books.hold("r1", request=request))
        await books.confirm(held)
    return held


def as_tenant(url: str, tenant: str | None) -> psycopg.Connection:
    connection = psycopg.connect(url, autocommit=True)
    if tenant is not None:
        connection.execute("SELECT set_config('app.tenant_id', %s, false)", (tenant,))
    return connection


@pytest.mark.parametrize("tenant", ["globex", "", None, "ACME"])
async def test_another_tenant_sees_nothing(filled, ledger_database, tenant):
    readable = [table for table in TABLES if table != "outbox"]
    with as_tenant(ledger_database.url, tenant) as connection:
        for table in readable:
            rows = connection.execute(f"SELECT count(*) FROM assignment.{table}").fetchone()
            assert rows == (0,), table
    with as_tenant(ledger_database.url, "acme") as connection:
        for table in readable:
            rows = connection.execute(f"SELECT count(*) FROM assignment.{table}").fetchone()
            assert rows[0] > 0, table


async def test_another_tenant_cannot_write_here(filled, ledger_database):
    with as_tenant(ledger_database.url, "globex") as connection:
        for table, row in COLUMNS.items():
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(f"INSERT INTO assignment.{table} {row}")
        for change in (
            "UPDATE assignment.allocation SET state = 'CANCELLED'",
            "UPDATE assignment.request SET state = 'CANCELLED', allocation_id = NULL",
            "DELETE FROM assignment.claim",
        ):
            assert connection.execute(change).rowcount == 0
    assert violations(ledger_database.admin_url) == {}


async def test_another_tenants_resource_cannot_be_named(filled, ledger_database):
    with psycopg.connect(ledger_database.admin_url) as admin:
        number = admin.execute("SELECT resource_no FROM assignment.resource").fetchone()[0]
    with as_tenant(ledger_database.url, "globex") as connection:
        with pytest.raises(errors.ForeignKeyViolation) as raised:
            connection.execute(
                "INSERT INTO assignment.claim VALUES"
                " ('globex', %s, '2030-01-01', '2030-01-02', 'a1')",
                (number,),
            )
        assert "acme" not in str(raised.value)


async def test_another_tenants_ids_are_not_found(filled, ledger_database):
    async with open_books(ledger_database.url) as books:

        def foreign(method: str):
            return key(method, tenant="globex")

        assert reason(await books.confirm(filled, write=foreign("ConfirmHold"))) == "NOT_FOUND"
        assert reason(await books.cancel(filled, write=foreign("Cancel"))) == "NOT_FOUND"
        placed = await books.hold("r1", request="q1", write=foreign("PlaceHold"))
        assert reason(placed) == "NOT_FOUND"
        # The same resource id is another resource in another tenant.
        assert reason(await books.hold("r1", write=foreign("PlaceHold"))) == "OK"
        assert await books.reads.allocation("globex", filled) is None
        assert await books.reads.request("globex", "q1") is None
    assert violations(ledger_database.admin_url, "acme", "globex") == {}


@pytest.mark.parametrize("role", ["url", "worker_url", "owner_url"])
async def test_nobody_changes_the_audit_log(filled, ledger_database, role):
    with as_tenant(getattr(ledger_database, role), "acme") as connection:
        for change in (
            "UPDATE assignment.audit SET actor = 'nobody'",
            "DELETE FROM assignment.audit",
            "TRUNCATE assignment.audit",
        ):
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(change)


async def test_the_process_may_do_no_more_than_it_must(filled, ledger_database):
    refused = {
        "url": (
            "SELECT payload FROM assignment.outbox",
            "UPDATE assignment.outbox SET published = true",
            "UPDATE assignment.idem SET outcome = '{}'",
            "DELETE FROM assignment.allocation",
            "UPDATE assignment.claim SET ends_at = starts_at + interval '1 min'",
            "SELECT * FROM assignment.idem_0",
            "TRUNCATE assignment.idem_0",
        ),
        "worker_url": (
            "SELECT * FROM assignment.idem",
            "SELECT * FROM assignment.secret",
            "INSERT INTO assignment.claim VALUES ('acme', 1, now(), now() + interval '1 h', 'x')",
            "DELETE FROM assignment.allocation",
        ),
    }
    for role, statements in refused.items():
        with as_tenant(getattr(ledger_database, role), "acme") as connection:
            for statement in statements:
                with pytest.raises(errors.InsufficientPrivilege):
                    connection.execute(statement)


TAMPERING = {
    "a row is changed": "UPDATE assignment.audit SET actor = 'somebody else' WHERE seq = 1",
    "what was so is changed": """UPDATE assignment.audit
        SET after = jsonb_set(after, '{allocation,resource_ids}', '["r9"]') WHERE seq = 2""",
    "a row is taken out": "DELETE FROM assignment.audit WHERE action = 'hold'",
    "the last row is taken out": "DELETE FROM assignment.audit WHERE action = 'confirm'",
    "a row is forged": """INSERT INTO assignment.audit SELECT tenant_id, aggregate, seq + 1, at,
        actor, 'cancel', '', 'ASSIGNED', 'CANCELLED', after, hash, sha256('forged')
        FROM assignment.audit WHERE action = 'confirm'""",
    "the first row is written anew, hash and all": """WITH forged AS (
            SELECT aggregate, assignment.audit_hash(prev, aggregate, seq, at, 'eve', action, reason,
                                                    state_before, state_after, after) AS hash
            FROM assignment.audit WHERE action = 'hold'),
        linked AS (
            UPDATE assignment.audit a SET prev = f.hash FROM forged f
            WHERE a.aggregate = f.aggregate AND a.seq = 2)
        UPDATE assignment.audit a SET actor = 'eve', hash = f.hash FROM forged f
        WHERE a.aggregate = f.aggregate AND a.seq = 1""",
    "a moment is changed by a microsecond": """UPDATE assignment.audit
        SET at = at + interval '1 microsecond' WHERE action = 'create'""",
}


@pytest.mark.parametrize("how", TAMPERING)
async def test_tampering_with_the_audit_log_is_seen(filled, ledger_database, how):
    assert violations(ledger_database.admin_url) == {}
    with psycopg.connect(ledger_database.admin_url) as admin:
        admin.execute("ALTER TABLE assignment.audit DISABLE TRIGGER ALL")
        assert admin.execute(TAMPERING[how]).rowcount >= 1
    assert list(violations(ledger_database.admin_url)) == ["audit of acme"]


async def test_the_constraint_is_the_last_word(filled, ledger_database):
    """Whatever the functions did wrong, the table itself would refuse an overlap."""
    with psycopg.connect(ledger_database.admin_url) as admin:
        for shift in ("0 min", "30 min", "-30 min"):
            overlap = (errors.ExclusionViolation, errors.UniqueViolation)
            with pytest.raises(overlap), admin.transaction():
                admin.execute(
                    "INSERT INTO assignment.claim SELECT tenant_id, resource_no,"
                    " starts_at + %s::interval, ends_at + %s::interval, allocation_id"
                    " FROM assignment.claim",
                    (shift, shift),
                )
        for broken in (
            "UPDATE assignment.claim SET ends_at = starts_at",
            "UPDATE assignment.claim SET ends_at = 'infinity'",
            "UPDATE assignment.allocation SET reason = ''",
            "UPDATE assignment.request SET state = 'OPEN'",
        ):
            with pytest.raises(errors.CheckViolation), admin.transaction():
                admin.execute(broken)


async def test_a_claim_never_outlives_its_allocation(filled, ledger_database):
    with (
        as_tenant(ledger_database.url, "acme") as connection,
        pytest.raises(errors.ForeignKeyViolation),
        connection.transaction(),
    ):
        connection.execute(
            "INSERT INTO assignment.claim SELECT tenant_id, resource_no, '2030-01-01',"
            " '2030-01-02', 'nobody' FROM assignment.resource"
        )


async def test_behind_the_wall_a_look_at_a_span_is_two_probes(books, ledger_database):
    """Under row-level security only leakproof conditions reach an index; these must all be."""
    await books.hold("r1")
    with psycopg.connect(ledger_database.admin_url, autocommit=True) as admin:
        admin.execute("SET session_replication_role = replica")
        admin.execute(
            "INSERT INTO assignment.claim SELECT 'acme', resource_no, at, at + interval '1 h', 'x'"
            " FROM assignment.resource, generate_series("
            " '2020-01-01'::timestamptz, '2021-01-01', '2 h') AS at"
        )
        admin.execute("ANALYZE assignment.claim")
    with as_tenant(ledger_database.url, "acme") as connection:
        number = connection.execute("SELECT resource_no FROM assignment.resource").fetchone()[0]
        plan = "\n".join(
            row[0]
            for row in connection.execute(
                "EXPLAIN (ANALYZE, COSTS off, TIMING off) SELECT * FROM assignment.in_the_way("
                f"'acme', ARRAY[{number}], '2020-09-01 00:30Z', '2020-09-01 00:40Z', now())"
            ).fetchall()
        )
    [limits] = [line for line in plan.splitlines() if "starts_at >=" in line]
    assert "Index Cond" in limits, plan
    assert "starts_at <" in limits, plan
    assert "Rows Removed by Filter" not in plan, plan
