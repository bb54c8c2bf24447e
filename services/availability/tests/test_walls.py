"""The walls between tenants hold in the database itself, whatever the code does."""

import psycopg
import pytest
from psycopg import errors

TABLES = (
    "tenant",
    "resource",
    "service_type",
    "weekly_rule",
    "schedule_exception",
    "time_off",
    "external_busy",
    "allocation",
    "resource_generation",
    "idem",
    "calendar",
    "open_calendar",
    "demand",
    "day_stamp",
    "outbox",
)


@pytest.fixture
async def filled(caller, own_database):
    for tenant in ("acme", "rival"):
        ann = caller(tenant)
        await ann.service_type("visit")
        await ann.resource("ada", key="k")
        await ann.works("ada")
    return own_database


def count(connection, table: str, tenant: str | None) -> int:
    with connection.transaction():
        if tenant is not None:
            connection.execute("SELECT set_config('app.tenant_id', %s, true)", (tenant,))
        found = connection.execute(f"SELECT count(*) FROM availability.{table}").fetchone()
        return found[0]


async def test_the_service_sees_the_tenant_it_names_and_nothing_without_one(filled):
    with psycopg.connect(filled.url) as connection:
        for table in TABLES:
            assert count(connection, table, None) == 0, table
            assert count(connection, table, "") == 0, table
        for table, rows in (("resource", 1), ("weekly_rule", 1), ("idem", 1), ("outbox", 3)):
            assert count(connection, table, "acme") == rows, table
            assert count(connection, table, "rival") == rows, table


async def test_rows_of_another_tenant_cannot_be_written(filled):
    with psycopg.connect(filled.url) as connection:
        connection.execute("SELECT set_config('app.tenant_id', 'acme', false)")
        with pytest.raises(errors.InsufficientPrivilege), connection.transaction():
            connection.execute(
                "INSERT INTO availability.weekly_rule VALUES ('rival', 'ada', 9, '{1}', 0, 1, '{}')"
            )
        moved = connection.execute("UPDATE availability.resource SET priority = 9")
        assert moved.rowcount == 1


async def test_the_worker_sees_only_what_it_works_on(filled):
    with psycopg.connect(filled.worker_url) as connection:
        assert count(connection, "outbox", None) == 6
        for table in ("resource", "tenant", "time_off"):
            with pytest.raises(errors.InsufficientPrivilege):
                count(connection, table, None)


async def test_every_table_with_a_tenant_is_forced_behind_the_wall(filled):
    with psycopg.connect(filled.admin_url) as connection:
        rows = connection.execute(
            "SELECT relname, relrowsecurity AND relforcerowsecurity FROM pg_class c"
            " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'"
            " WHERE relnamespace = 'availability'::regnamespace AND relkind IN ('r', 'p')"
        ).fetchall()
    assert dict(rows) == dict.fromkeys(TABLES, True)
