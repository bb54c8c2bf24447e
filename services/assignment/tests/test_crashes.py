"""Sessions and whole servers killed at the worst moments: nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

import psycopg
import pytest

from kit.fault import Unavailable
from services.assignment.tests.books import (
    allocation_id,
    key,
    open_books,
    reason,
    slot,
    violations,
)
from services.assignment.tests.mortal import ledger_of, mortal_postgres
from services.assignment.tests.storm import Storm

# A place between two statements: before the row is written, or at the commit itself.
POINTS = {
    "claim": "BEFORE INSERT ON assignment.claim",
    "generation": "BEFORE UPDATE ON assignment.resource",
    "allocation": "BEFORE INSERT ON assignment.allocation",
    "request": "BEFORE UPDATE ON assignment.request",
    "audit": "BEFORE INSERT ON assignment.audit",
    "event": "BEFORE INSERT ON assignment.outbox",
    "answer": "AFTER INSERT ON assignment.idem",
}
PAUSE = """
    CREATE FUNCTION assignment.pause_here() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        PERFORM pg_advisory_xact_lock_shared(tg_argv[0]::bigint); RETURN NEW; END $$;
    GRANT EXECUTE ON FUNCTION assignment.pause_here() TO PUBLIC"""
WAITING = """
    SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid IN (
        SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)"""


def add_pauses(admin_url: str) -> None:
    """Makes writers pass a gate before each row; a test closes one by taking its lock."""
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(PAUSE)
        for number, (name, when) in enumerate(POINTS.items(), start=1):
            admin.execute(
                f"CREATE TRIGGER pause_{name} {when} FOR EACH ROW"
                f" EXECUTE FUNCTION assignment.pause_here({number})"
            )
        admin.execute(
            "CREATE CONSTRAINT TRIGGER pause_commit AFTER INSERT ON assignment.outbox DEFERRABLE"
            " INITIALLY DEFERRED FOR EACH ROW"
            f" EXECUTE FUNCTION assignment.pause_here({len(POINTS) + 1})"
        )


async def killed_at(gate: psycopg.AsyncConnection, number: int, work) -> None:
    """Closes a gate, starts the work, and kills its session when it stands there."""
    await gate.execute("SELECT pg_advisory_lock(%s)", (number,))
    calling = asyncio.create_task(work())
    async with asyncio.timeout(5):
        while (found := await (await gate.execute(WAITING)).fetchone()) is None:
            await asyncio.sleep(0.002)
    await gate.execute("SELECT pg_terminate_backend(%s)", found)
    with pytest.raises(Unavailable) as raised:
        await calling
    assert raised.value.reason == "OUTCOME_UNKNOWN"
    await gate.execute("SELECT pg_advisory_unlock(%s)", (number,))


@pytest.mark.parametrize("rounds", [1, pytest.param(50, marks=pytest.mark.soak)])
async def test_killed_between_any_two_statements_it_happened_whole_or_not_at_all(
    ledger_database, rounds
):
    add_pauses(ledger_database.admin_url)
    async with (
        open_books(ledger_database.url) as books,
        await psycopg.AsyncConnection.connect(ledger_database.admin_url, autocommit=True) as gate,
    ):
        await books.hold("r1", at=slot(-2))
        turn = 0
        for _ in range(rounds):
            for number in range(1, len(POINTS) + 2):
                turn += 1
                request, at = await books.request(), slot(turn * 2)
                hold, confirm, cancel = key("PlaceHold"), key("ConfirmHold"), key("Cancel")

                async def held(at=at, request=request, hold=hold):
                    return await books.hold("r1", at=at, request=request, write=hold)

                await killed_at(gate, number, held)
                name = allocation_id(await held())
                # Confirmations and cancellations write no claim and no allocation anew.
                for write, call in ((confirm, books.confirm), (cancel, books.cancel)):

                    async def again(write=write, call=call, name=name):
                        return await call(name, write=write)

                    if number not in (1, 3):
                        await killed_at(gate, number, again)
                    assert {reason(await again()) for _ in range(2)} == {"OK"}
                assert await books.state_of(request) == "OPEN"
    assert violations(ledger_database.admin_url) == {}


@pytest.mark.parametrize(
    ("kills", "every_seconds"), [(2, 1.2), pytest.param(120, 4.0, marks=pytest.mark.soak)]
)
@pytest.mark.timeout(1800)
async def test_the_whole_database_is_killed_again_and_again(kills, every_seconds):
    with tempfile.TemporaryDirectory(prefix="fairslot-mortal-") as name:
        os.chmod(name, 0o711)
        async with mortal_postgres(Path(name) / "run") as server:
            url, admin_url = ledger_of(server.url)
            async with open_books(url, size=12) as books:
                storm = Storm(books)
                killer = asyncio.create_task(
                    server.killing(every_seconds=every_seconds, times=kills)
                )
                while not killer.done():
                    await storm.run(clients=12, seconds=0.5)
                await killer
                await storm.run(clients=12, seconds=0.5)
            report = storm.report(admin_url)
            print(storm.figures(report), f"ready after {max(server.ready_seconds[1:]):.1f} s")
            assert report.violations == []
            assert violations(admin_url) == {}
