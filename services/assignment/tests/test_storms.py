"""Histories of many clients under fire keep every promise; the long form is part of `make soak`."""

from __future__ import annotations

import asyncio
import random

import psycopg
import pytest

from services.assignment.tests.books import deadlocks, open_books, violations
from services.assignment.tests.storm import Storm

KILL_ONE = """
    SELECT pg_terminate_backend(pid) FROM (
        SELECT pid FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'test' AND state = 'active'
        ORDER BY random() LIMIT 1) AS one"""


async def killing(admin_url: str, *, every_seconds: float) -> None:
    """Kills one session of the clients now and then, in the middle of what it does."""
    async with await psycopg.AsyncConnection.connect(admin_url, autocommit=True) as admin:
        while True:
            await asyncio.sleep(every_seconds)
            await admin.execute(KILL_ONE)


@pytest.mark.parametrize(
    ("clients", "seconds"), [(12, 3.0), pytest.param(64, 300.0, marks=pytest.mark.soak)]
)
async def test_no_promise_is_broken_while_sessions_die(ledger_database, clients, seconds):
    async with open_books(ledger_database.url, size=clients) as books:
        storm = Storm(books, seed=random.Random(clients).randrange(1000))
        killer = asyncio.create_task(killing(ledger_database.admin_url, every_seconds=0.05))
        await storm.run(clients=clients, seconds=seconds)
        killer.cancel()
    report = storm.report(ledger_database.admin_url)
    print(storm.figures(report))
    assert report.violations == []
    assert report.replays > 10
    assert violations(ledger_database.admin_url) == {}
    assert deadlocks(ledger_database.admin_url) == 0
