"""A database without a free session, cut off in the middle of an answer, or gone silent."""

from __future__ import annotations

import asyncio
import contextlib
import time

import psycopg
import pytest

from kit import call as kit_call
from kit.fault import TimedOut, Unavailable
from services.assignment.tests.books import key, open_books, reason, slot, violations
from services.assignment.tests.storm import Storm
from services.assignment.tests.wires import wired

DEADLINE_SECONDS = 0.6


@contextlib.contextmanager
def deadline(seconds: float):
    """Calls made inside have that long, as the interceptors would give them."""
    call = kit_call.Call(method="PlaceHold", request_id="")
    call.deadline_at = time.monotonic() + seconds
    token = kit_call.current.set(call)
    try:
        yield
    finally:
        kit_call.current.reset(token)


async def test_without_a_free_session_calls_end_by_their_deadline_and_later_ones_work(
    ledger_database,
):
    """Two sessions for thirty callers, both kept by a lock."""
    async with (
        open_books(ledger_database.url, size=2) as books,
        await psycopg.AsyncConnection.connect(ledger_database.admin_url) as blocker,
    ):
        await books.hold("r1", at=slot(-4))
        await blocker.execute("SELECT FROM assignment.resource FOR UPDATE")
        writes = [key("PlaceHold") for _ in range(30)]

        async def called(number: int):
            async with asyncio.timeout(DEADLINE_SECONDS + 2):
                return await books.hold("r1", at=slot(number * 2), write=writes[number])

        began = time.monotonic()
        with deadline(DEADLINE_SECONDS):
            answers = await asyncio.gather(*map(called, range(30)), return_exceptions=True)
        assert time.monotonic() - began < DEADLINE_SECONDS + 2
        assert all(isinstance(answer, Exception) for answer in answers)
        await blocker.rollback()
        outcomes = await asyncio.gather(*map(called, range(30)))
        assert {reason(outcome) for outcome in outcomes} == {"OK"}
    assert violations(ledger_database.admin_url) == {}


@pytest.mark.parametrize("rounds", [4, pytest.param(200, marks=pytest.mark.soak)])
async def test_an_answer_lost_on_the_wire_is_found_under_its_key(ledger_database, rounds):
    async with wired(ledger_database.url) as (wire, url), open_books(url, size=2) as books:
        await books.hold("r1", at=slot(-4))
        for turn in range(rounds):
            write, at = key("PlaceHold"), slot(turn * 2)
            wire.answers = "cut"
            with pytest.raises((Unavailable, TimedOut, TimeoutError)), deadline(0.3):
                async with asyncio.timeout(0.3):
                    await books.hold("r1", at=at, write=write)
            wire.answers = "pass"
            outcome = await eventually(
                lambda write=write, at=at: books.hold("r1", at=at, write=write)
            )
            assert reason(outcome) == "OK"
    assert violations(ledger_database.admin_url) == {}


async def eventually(work):
    """What `work` answers once the pool has found the database again."""
    for _ in range(50):
        with contextlib.suppress(Unavailable, TimedOut), deadline(3.0):
            return await work()
        await asyncio.sleep(0.05)
    raise AssertionError("the database is not found again")


@pytest.mark.parametrize("silences", [3, pytest.param(200, marks=pytest.mark.soak)])
@pytest.mark.timeout(900)
async def test_answers_that_are_swallowed_again_and_again_break_no_promise(
    ledger_database, silences
):
    """The way back is silent for a while; calls that commit are among those it swallows."""
    waits_seconds = 0.4
    async with wired(ledger_database.url) as (wire, url), open_books(url, size=8) as books:
        storm = Storm(books, call_seconds=waits_seconds)

        async def silencing() -> None:
            for _ in range(silences):
                known, wire.answers = wire.swallowed, "swallow"
                while wire.swallowed == known:
                    await asyncio.sleep(0.01)
                wire.answers = "pass"
                known = len(storm.ops)
                while sum(op.outcome == "ok" for op in storm.ops[known:]) < 8:
                    await asyncio.sleep(0.02)

        silence = asyncio.create_task(silencing())
        while not silence.done():
            await storm.run(clients=8, seconds=0.5)
        await silence
    report = storm.report(ledger_database.admin_url)
    print(storm.figures(report), f"answers swallowed: {wire.swallowed}")
    assert any(op.outcome == "info" for op in storm.ops)
    assert report.violations == []
    assert violations(ledger_database.admin_url) == {}
    # Nobody waits for a silent database much longer than for his own deadline.
    assert max(op.completed - op.invoked for op in storm.ops) < waits_seconds + 3
