"""Clocks that jump: the database's may end or prolong a hold and nothing else, ours nothing."""

from __future__ import annotations

import asyncio
import itertools
import os
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from kit.clock import SystemClock
from services.assignment.tests.books import allocation_id, open_books, reason, slot, violations
from services.assignment.tests.calls import at
from services.assignment.tests.clocks import set_clock
from services.assignment.tests.mortal import ledger_of, mortal_postgres
from services.assignment.tests.storm import Storm

HOUR_SECONDS = 3600
# An hour on and back, a saw of a second, a second that comes twice.
JUMPS = (0, HOUR_SECONDS, 0, -HOUR_SECONDS, 0, *(1, -1) * 10, 0, -1, 0)


@pytest.fixture
async def jumpy():
    """A clock, and the URLs of a ledger on a server that goes by it."""
    with tempfile.TemporaryDirectory(prefix="fairslot-clock-") as name:
        os.chmod(name, 0o711)
        clock = set_clock(Path(name))
        async with mortal_postgres(Path(name) / "run", env=clock.env) as server:
            yield clock, *ledger_of(server.url)


async def jumping(clock, *, pause_seconds: float) -> None:
    for seconds in itertools.cycle(JUMPS):
        clock.shift(seconds)
        await asyncio.sleep(pause_seconds)


async def test_a_jump_ends_or_prolongs_a_hold_and_nothing_else(jumpy):
    clock, url, admin_url = jumpy
    async with open_books(url) as books:
        kept = allocation_id(await books.assign("r1"))
        ended = allocation_id(await books.hold("r2"))
        clock.shift(HOUR_SECONDS)
        with psycopg.connect(admin_url) as admin:
            [there] = admin.execute("SELECT clock_timestamp()").fetchone()
        assert there - datetime.now(UTC) > timedelta(minutes=59)
        assert reason(await books.confirm(ended)) == "HOLD_EXPIRED"
        assert reason(await books.hold("r2")) == "OK"
        assert reason(await books.hold("r1")) == "SLOT_TAKEN"
        clock.shift(0)
        # Held an hour ahead: it lives an hour longer, and nobody else has the time meanwhile.
        assert reason(await books.hold("r2")) == "SLOT_TAKEN"
        assert reason(await books.confirm(ended)) == "HOLD_EXPIRED"
        assert reason(await books.cancel(kept)) == "OK"
    assert violations(admin_url) == {}


@pytest.mark.parametrize("seconds", [4.0, pytest.param(300.0, marks=pytest.mark.soak)])
@pytest.mark.timeout(600)
async def test_while_the_databases_clock_jumps_no_promise_is_broken(jumpy, seconds):
    clock, url, admin_url = jumpy
    async with open_books(url, size=12) as books:
        storm = Storm(books, clock_stands=False)
        jumps = asyncio.create_task(jumping(clock, pause_seconds=0.05))
        await storm.run(clients=12, seconds=seconds)
        jumps.cancel()
    report = storm.report(admin_url)
    print(storm.figures(report))
    assert report.violations == []
    assert violations(admin_url) == {}


async def test_our_own_clock_changes_nothing(ann, monkeypatch, ledger_database):
    """Holds live and end by the database's clock whatever time the service thinks it is."""
    machine = SystemClock.now
    for number, hours in enumerate((0, 1, -1, 30)):
        ahead = timedelta(hours=hours)
        monkeypatch.setattr(SystemClock, "now", lambda self, ahead=ahead: machine(self) + ahead)
        kept = await ann.hold("r1", start=at(3 * number))
        ended = await ann.hold("r2", start=at(3 * number), ttl={"nanos": 200_000_000})
        left = kept.expires_at.ToDatetime(UTC) - datetime.now(UTC)
        assert timedelta(seconds=60) < left < timedelta(seconds=120)
        assert (await ann.confirm(kept.token)).id == kept.id
        await asyncio.sleep(0.25)
        # Its time is over, so it is anybody's.
        assert (await ann.hold("r2", start=at(3 * number))).id != ended.id
    assert violations(ledger_database.admin_url) == {}


async def test_two_answers_of_one_moment_are_never_two_owners(jumpy):
    """The clock goes back to before a hold was placed, again and again, and others ask."""
    clock, url, admin_url = jumpy
    async with open_books(url, size=8) as books:
        for number in range(20):
            clock.shift(0)
            wanted = slot(number * 2)
            held = await books.hold("r1", at=wanted, ttl=60)
            clock.shift(-HOUR_SECONDS)
            others = await asyncio.gather(*(books.hold("r1", at=wanted) for _ in range(4)))
            assert {reason(outcome) for outcome in (held, *others)} == {"OK", "SLOT_TAKEN"}
            assert reason(await books.confirm(allocation_id(held))) == "OK"
    assert violations(admin_url) == {}
