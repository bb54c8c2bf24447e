"""The checkers are checked: each bug put into a ledger on purpose is caught."""

from __future__ import annotations

import asyncio
import os
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from services.assignment.store import Ledger
from services.assignment.tests.books import allocation_id, deadlocks, key, open_books, reason, slot
from services.assignment.tests.mortal import ledger_of, mortal_postgres
from services.assignment.tests.storm import Storm


def change(admin_url: str, function: str, *swaps: tuple[str, str]) -> None:
    """Puts a bug into a function of the database, as whoever owns it."""
    with psycopg.connect(admin_url, autocommit=True) as admin:
        [text] = admin.execute(
            "SELECT pg_get_functiondef(p.oid) FROM pg_proc AS p"
            " WHERE p.pronamespace = 'assignment'::regnamespace AND p.proname = %s",
            (function,),
        ).fetchone()
        for old, new in swaps:
            assert old in text, (function, old)
            text = text.replace(old, new)
        admin.execute(text.encode())


async def stormy(database, *, seconds: float = 1.5, ledger=Ledger, **more) -> Storm:
    """Plays a short storm on a ledger with a bug."""
    async with open_books(database.url, size=12) as books:
        storm = Storm(replace(books, ledger=ledger(books.pool)), resources=3, starts=6, **more)
        await storm.run(clients=12, seconds=seconds)
    return storm


async def test_a_ledger_without_its_wall_and_its_locks(ledger_database):
    change(ledger_database.admin_url, "take", ("FOR NO KEY UPDATE", ""))
    with psycopg.connect(ledger_database.admin_url, autocommit=True) as admin:
        admin.execute("ALTER TABLE assignment.claim DROP CONSTRAINT no_double_book")
    report = (await stormy(ledger_database)).report(ledger_database.admin_url)
    assert report.count("double hold") > 0
    assert report.count("log") > 0


async def test_locks_in_no_order(ledger_database):
    """Two lock in the order of their plans and meet in the middle, where somebody else is first."""
    change(
        ledger_database.admin_url,
        "take",
        ("ORDER BY r.resource_no", "ORDER BY array_position(p_plan, r.resource_id)"),
    )
    async with (
        open_books(ledger_database.url, size=4) as books,
        await psycopg.AsyncConnection.connect(ledger_database.admin_url) as blocker,
        await psycopg.AsyncConnection.connect(ledger_database.admin_url, autocommit=True) as admin,
    ):
        await books.hold("r1", "r2", "r3", at=slot(20))
        await blocker.execute("SELECT FROM assignment.resource WHERE resource_id = 'r3' FOR UPDATE")
        plans = (["r1", "r3", "r2"], ["r2", "r3", "r1"])
        holding = [asyncio.create_task(books.hold(*plan)) for plan in plans]
        async with asyncio.timeout(10):
            while await waiting(admin) < len(plans):
                await asyncio.sleep(0.01)
        await blocker.rollback()
        outcomes = await asyncio.gather(*holding)
    # The database ends it by undoing one of them, which tries again and finds its time taken.
    assert sorted(map(reason, outcomes)) == ["OK", "SLOT_TAKEN"]
    assert deadlocks(ledger_database.admin_url) > 0


async def waiting(connection: psycopg.AsyncConnection) -> int:
    """Counts the sessions of this database that wait for a lock."""
    cursor = await connection.execute(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return (await cursor.fetchone())[0]


class KeyLater(Ledger):
    """Stores the answer under its key in a transaction of its own."""

    async def place(self, key, placing, *, hold):
        known = await self.stored(key)
        if known is not None:
            return known
        outcome = await super().place(replace(key, key=""), placing, hold=hold)
        await asyncio.sleep(0.002)
        return outcome


async def test_an_answer_stored_apart_from_what_it_answers(ledger_database):
    storm = await stormy(ledger_database, ledger=KeyLater, drop=0.3)
    report = storm.report(ledger_database.admin_url)
    assert {violation.check for violation in report.violations} & {"ghost", "replay", "not once"}


async def test_a_client_that_repeats_under_another_key(ledger_database):
    storm = await stormy(ledger_database, forgets_keys=True, drop=0.3)
    report = storm.report(ledger_database.admin_url)
    answered = {(op.rpc, op.key) for op in storm.ops if op.outcome != "info"}
    unanswered = {(op.rpc, op.key) for op in storm.ops} - answered
    assert unanswered
    assert report.violations == [], "the ledger did nothing wrong"


@pytest.mark.parametrize("commit", ["on", "off"])
async def test_a_database_that_answers_before_its_log_is_on_the_disk(commit):
    """Nothing else writes the log out for ten seconds; the kill comes with the last answer."""
    lazy = {"wal_writer_delay": "10s", "wal_writer_flush_after": "1GB", "wal_buffers": "64MB"}
    with tempfile.TemporaryDirectory(prefix="fairslot-lazy-") as name:
        os.chmod(name, 0o711)
        settings = {**lazy, "synchronous_commit": commit}
        async with mortal_postgres(Path(name) / "run", **settings) as server:
            url, admin_url = ledger_of(server.url)
            async with open_books(url, size=8) as books:
                storm = Storm(books, drop=0.0)
                await storm.run(clients=8, seconds=0.7)
                await server.kill()
                await server.start()
            report = storm.report(admin_url)
    broken = {violation.check for violation in report.violations}
    assert ("lost ack" in broken) == (commit == "off"), broken


class TenantOfBody(Ledger):
    """Believes what a call says of whose it is, here by the resource it names."""

    async def place(self, key, placing, *, hold):
        tenant = "globex" if "r0" in placing.resource_ids else key.tenant
        return await super().place(replace(key, tenant=tenant), placing, hold=hold)


async def test_a_tenant_taken_from_the_body(ledger_database):
    class Requestless(Storm):
        """Assigns for nobody's request, since that of one tenant is none of another."""

        async def _turn(self, rng, client, name):
            plan, at = [f"r{rng.randrange(3)}"], slot(rng.randrange(40) / 2)
            await self._made(
                rng,
                client,
                key("Assign", name),
                lambda write: self.books.assign(*plan, at=at, write=write),
            )

    async with open_books(ledger_database.url, size=12) as books:
        storm = Requestless(replace(books, ledger=TenantOfBody(books.pool)))
        await storm.run(clients=8, seconds=0.5)
    assert storm.report(ledger_database.admin_url).count("lost ack") > 0


async def late_confirmations(database) -> int:
    """Counts confirmations whose lock was given to them after the hold's end and succeeded."""
    late = 0
    async with (
        open_books(database.url) as books,
        await psycopg.AsyncConnection.connect(database.admin_url) as blocker,
    ):
        for turn in range(4):
            held = await books.hold("r1", at=slot(turn * 2), ttl=0.15)
            await blocker.execute("SELECT FROM assignment.resource FOR UPDATE")
            await blocker.execute("SELECT FROM assignment.allocation FOR UPDATE")
            confirming = asyncio.create_task(books.confirm(allocation_id(held)))
            left = held.allocation.expires_at - datetime.now(UTC)
            await asyncio.sleep(left.total_seconds() + 0.02)
            await blocker.rollback()
            late += reason(await confirming) == "OK"
    return late


async def test_without_a_bug_none_is_late(ledger_database):
    assert await late_confirmations(ledger_database) == 0


@pytest.mark.parametrize("clock", ["now()", "statement_timestamp()"])
async def test_a_clock_that_stands_still_while_a_lock_is_waited_for(ledger_database, clock):
    change(
        ledger_database.admin_url,
        "confirm_locked",
        ("v_at timestamptz := clock_timestamp()", f"v_at timestamptz := {clock}"),
    )
    assert await late_confirmations(ledger_database) > 0


async def test_a_clock_read_inside_the_update_that_waits(ledger_database):
    change(ledger_database.admin_url, "lock_allocation", ("FOR NO KEY UPDATE", ""))
    change(
        ledger_database.admin_url,
        "confirm_locked",
        (
            "WHERE x.tenant_id = a.tenant_id AND x.allocation_id = a.allocation_id",
            "WHERE x.tenant_id = a.tenant_id AND x.allocation_id = a.allocation_id"
            " AND x.hold_expires_at > clock_timestamp()",
        ),
    )
    assert await late_confirmations(ledger_database) > 0
