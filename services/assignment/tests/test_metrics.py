"""What the ledger counts of itself."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import psycopg
import pytest
from prometheus_client import CollectorRegistry

from services.assignment.store import Ledger, LedgerMetrics, Upkeep
from services.assignment.tests.books import allocation_id, key, open_books, slot


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
async def counted(ledger_database, registry):
    async with open_books(ledger_database.url) as books:
        yield replace(books, ledger=Ledger(books.pool, LedgerMetrics(registry)))


def value(registry, name: str, **labels) -> float:
    return registry.get_sample_value(name, labels) or 0.0


async def test_writes_refusals_and_replays_are_told_apart(counted, registry):
    write = key("PlaceHold")
    first = await counted.hold("r1", write=write)
    await counted.hold("r1", write=write)
    await counted.hold("r1")
    await counted.confirm(allocation_id(first))

    def writes(method, outcome):
        return value(registry, "fairslot_ledger_writes_total", method=method, outcome=outcome)

    assert writes("PlaceHold", "OK") == 1
    assert writes("PlaceHold", "SLOT_TAKEN") == 1
    assert writes("ConfirmHold", "OK") == 1
    assert value(registry, "fairslot_ledger_replays_total", method="PlaceHold") == 1


async def test_placements_in_groups_are_counted_as_others(counted, registry):
    await asyncio.gather(*(counted.hold(f"r{n}", at=slot(0)) for n in range(40)))
    labels = {"method": "PlaceHold", "outcome": "OK"}
    assert value(registry, "fairslot_ledger_writes_total", **labels) == 40
    assert value(registry, "fairslot_ledger_commits_together_count") > 0


async def test_retries_are_counted(counted, ledger_database, registry):
    with psycopg.connect(ledger_database.admin_url, autocommit=True) as admin:
        admin.execute("CREATE SEQUENCE assignment.met")
        admin.execute("GRANT ALL ON SEQUENCE assignment.met TO PUBLIC")
        admin.execute(
            "CREATE FUNCTION assignment.meet() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF nextval('assignment.met') = 1 THEN"
            " RAISE EXCEPTION 'met' USING ERRCODE = 'serialization_failure'; END IF;"
            " RETURN NEW; END $$;"
            "CREATE TRIGGER meet BEFORE INSERT ON assignment.allocation"
            " FOR EACH ROW EXECUTE FUNCTION assignment.meet()"
        )
    await counted.hold("r1")
    assert value(registry, "fairslot_ledger_retries_total", sqlstate="40001") == 1


def test_steps_are_counted_as_they_leave(registry):
    encode = LedgerMetrics(registry).counted(lambda name, payload: b"")
    encode("x", {"state": "HELD"})
    encode("x", {"state": "ASSIGNED", "previous_state": "HELD"})
    encode("x", {"request": {}})
    steps = "fairslot_allocation_steps_total"
    assert value(registry, steps, before="", after="HELD") == 1
    assert value(registry, steps, before="HELD", after="ASSIGNED") == 1


async def test_what_waits_in_the_outbox_is_told(books, ledger_database, registry):
    await books.hold("r1")
    upkeep = asyncio.create_task(Upkeep(ledger_database.worker_url, LedgerMetrics(registry)).run())
    async with asyncio.timeout(10):
        while not value(registry, "fairslot_outbox_pending"):
            await asyncio.sleep(0.02)
    assert value(registry, "fairslot_outbox_pending") == 1
    assert value(registry, "fairslot_outbox_lag_seconds") > 0
    upkeep.cancel()
