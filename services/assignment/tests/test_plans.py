"""Plans made while tables are empty, and kept, must not read a tenant's history to find one row."""

from __future__ import annotations

import psycopg
import pytest

from services.assignment.app import SESSION

BY_KEY = {
    "SELECT * FROM assignment.allocation WHERE tenant_id = $1 AND allocation_id = $2": (
        "allocation_pkey"
    ),
    "SELECT * FROM assignment.request WHERE tenant_id = $1 AND request_id = $2": "request_pkey",
    "SELECT * FROM assignment.resource WHERE tenant_id = $1 AND resource_id = $2": "resource_by_id",
    "SELECT * FROM assignment.resource WHERE tenant_id = $1 AND resource_no = $2": "resource_pkey",
    "SELECT * FROM assignment.allocation WHERE tenant_id = $1 AND slot_start >= '-infinity'"
    " ORDER BY slot_start, allocation_id LIMIT $2": "allocation_by_start",
    "SELECT * FROM assignment.request WHERE tenant_id = $1 AND created_at >= '-infinity'"
    " ORDER BY created_at, request_id LIMIT $2": "request_by_age",
}


@pytest.mark.parametrize(("query", "index"), BY_KEY.items(), ids=range(len(BY_KEY)))
def test_on_an_empty_ledger_what_is_looked_for_decides_the_index(ledger_database, query, index):
    with psycopg.connect(ledger_database.url, options=SESSION) as connection:
        connection.execute("SELECT set_config('app.tenant_id', 'acme', false)")
        explained = connection.execute(f"EXPLAIN (GENERIC_PLAN) {query}".encode(), prepare=False)
        plan = "\n".join(row[0] for row in explained.fetchall())
    assert f"using {index} " in plan, plan
    assert "Filter: ((" not in plan, plan
    assert "Sort" not in plan, plan
