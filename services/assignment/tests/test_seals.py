"""The audit log proves itself: whatever is changed, taken away or slipped in is found."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import asynccontextmanager

import psycopg
import pytest

from services.assignment.store import sealing
from services.assignment.store.sealing import Sealer
from services.assignment.tests.books import allocation_id, key, slot

TRIGGERS = "ALTER TABLE assignment.{} DISABLE TRIGGER USER"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "seals.jsonl"


@asynccontextmanager
async def worker(database):
    async with await psycopg.AsyncConnection.connect(database.worker_url, autocommit=True) as found:
        yield found


async def worked(books, database, path, *, seals: int = 3) -> None:
    """Some work, sealed now and then, and some that is not sealed yet."""
    sealer = Sealer(database.worker_url, str(path))
    async with worker(database) as connection:
        for number in range(seals + 1):
            for tenant in ("acme", "other"):
                held = await books.ledger.place(
                    key("Assign", tenant=tenant),
                    books.placing("r1", at=slot(4 * number)),
                    hold=None,
                )
                await books.ledger.cancel(
                    key("Cancel", tenant=tenant),
                    assignment_id=allocation_id(held),
                    version=0,
                    reason="so",
                    close_request=False,
                )
            if number < seals:
                assert await sealer.seal(connection) == 2
        assert len(path.read_text().splitlines()) == 2 * seals


def found(database, path) -> dict[str, list[str]]:
    return sealing.broken(database.worker_url, sealing.heads_in(path))


async def test_what_nobody_touched_is_whole_and_sealed_once(books, ledger_database, path):
    await worked(books, ledger_database, path)
    assert found(ledger_database, path) == {"acme": [], "other": []}
    with psycopg.connect(ledger_database.admin_url) as connection:
        query = "SELECT sum(steps) FROM assignment.audit_seal WHERE tenant_id = 'acme'"
        assert connection.execute(query).fetchone() == (6,)
        said = connection.execute(
            "SELECT count(*) FROM assignment.outbox WHERE type LIKE '%.AuditSealed'"
        ).fetchone()
        assert said == (6,)
    async with worker(ledger_database) as connection:
        sealer = Sealer(ledger_database.worker_url, str(path))
        assert await sealer.seal(connection) == 2
        assert await sealer.seal(connection) == 0


# As a superuser who knows the formulas would do it, with the triggers off.
TAMPERING = {
    "a row is changed": "UPDATE assignment.audit SET reason = 'better' WHERE seq = 2",
    "a row is changed and hashed anew": """
        UPDATE assignment.audit SET reason = 'better', hash = assignment.audit_hash(
            prev, aggregate, seq, at, actor, action, 'better', state_before, state_after, after)
        WHERE tenant_id = 'acme' AND seq = 2""",
    "a chain's end is cut off": "DELETE FROM assignment.audit WHERE seq = 2",
    "whole chains are gone": """
        DELETE FROM assignment.audit AS a USING (
            SELECT aggregate FROM assignment.audit WHERE tenant_id = 'acme' LIMIT 1) AS x
        WHERE a.aggregate = x.aggregate""",
    "a row is slipped in": """
        INSERT INTO assignment.audit SELECT 'acme', 'requests/made-up', 1, a.at, a.actor, a.action,
            a.reason, a.state_before, a.state_after, a.after,
            assignment.audit_genesis('acme', 'requests/made-up'), assignment.audit_hash(
                assignment.audit_genesis('acme', 'requests/made-up'), 'requests/made-up', 1, a.at,
                a.actor, a.action, a.reason, a.state_before, a.state_after, a.after), a.tx
        FROM assignment.audit AS a WHERE a.tenant_id = 'acme' ORDER BY a.tx LIMIT 1""",
    "the last seals are cut off": "DELETE FROM assignment.audit_seal WHERE number > 1",
    "a seal is changed": "UPDATE assignment.audit_seal SET steps = 9 WHERE number = 2",
    "all is made anew": """
        DELETE FROM assignment.audit WHERE tenant_id = 'acme';
        DELETE FROM assignment.claim WHERE tenant_id = 'acme';
        DELETE FROM assignment.allocation WHERE tenant_id = 'acme';
        DELETE FROM assignment.audit_seal WHERE tenant_id = 'acme'""",
}


@pytest.mark.parametrize("how", TAMPERING)
async def test_whatever_is_tampered_with_is_found(books, ledger_database, path, how):
    await worked(books, ledger_database, path)
    with psycopg.connect(ledger_database.admin_url, autocommit=True) as connection:
        for table in ("audit", "audit_seal"):
            connection.execute(TRIGGERS.format(table))
        for statement in TAMPERING[how].split(";"):
            assert connection.execute(statement).rowcount != 0 or "claim" in statement
    assert found(ledger_database, path)["acme"]


async def test_before_any_seal_a_row_hashed_anew_betrays_itself_by_the_next(books, ledger_database):
    """The next row is made to follow it, but its own hash covers what it followed before."""
    made = allocation_id(await books.assign("r1"))
    await books.cancel(made)
    with psycopg.connect(ledger_database.admin_url, autocommit=True) as connection:
        connection.execute(TRIGGERS.format("audit"))
        connection.execute(
            "UPDATE assignment.audit SET reason = 'better', hash = assignment.audit_hash("
            " prev, aggregate, seq, at, actor, action, 'better', state_before, state_after, after)"
            " WHERE seq = 1"
        )
        connection.execute(
            "UPDATE assignment.audit AS a SET prev = b.hash FROM assignment.audit AS b"
            " WHERE a.aggregate = b.aggregate AND a.seq = 2 AND b.seq = 1"
        )
        broken = connection.execute("SELECT * FROM assignment.broken_audit('acme')").fetchall()
    assert broken


async def test_the_log_and_its_seals_only_grow(books, ledger_database, path):
    await worked(books, ledger_database, path, seals=1)
    for url in (ledger_database.url, ledger_database.worker_url, ledger_database.admin_url):
        for table in ("audit", "audit_seal"):
            for statement in (f"DELETE FROM assignment.{table}", f"TRUNCATE assignment.{table}"):
                with (
                    psycopg.connect(url) as connection,
                    pytest.raises(psycopg.errors.InsufficientPrivilege),
                ):
                    connection.execute(statement)


async def test_the_verifier_is_a_command(books, ledger_database, path):
    await worked(books, ledger_database, path)
    whole = await asyncio.to_thread(run, ledger_database, path)
    assert whole.returncode == 0, whole.stderr
    assert whole.stdout.splitlines() == [
        "acme: whole",
        "other: whole",
        "2 tenants, 6 heads from outside the database",
    ]
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0].replace('"head": "', '"head": "00'), *lines[1:]]))
    broken = await asyncio.to_thread(run, ledger_database, path)
    assert broken.returncode == 1
    assert "seal 1: the database has another head" in broken.stdout


def run(database, path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "services.assignment", "verify"]
    options = ["--database", database.worker_url, "--seals", str(path)]
    return subprocess.run([*command, *options], capture_output=True, text=True, check=False)
