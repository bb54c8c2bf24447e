"""A database without a free session, or cut off in the middle of an answer."""

from __future__ import annotations

import asyncio
import contextlib
import time
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from kit import call as kit_call
from kit.fault import TimedOut, Unavailable
from services.assignment.tests.books import key, open_books, reason, slot, violations

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


class Wire:
    """A wire to the database that can be cut when an answer is on its way."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.cuts = False
        self.ends: dict[asyncio.Task, list] = {}

    async def serve(self, reader, writer) -> None:
        own = self.ends.setdefault(asyncio.current_task(), [writer])

        async def pump(source, sink, *, answers: bool) -> None:
            with contextlib.suppress(OSError):
                while data := await source.read(65536):
                    if answers and self.cuts:
                        writer.transport.abort()
                        break
                    sink.write(data)

        with contextlib.suppress(OSError):
            there, back = await asyncio.open_connection(self.host, self.port)
            own.append(back)
            asking = asyncio.create_task(pump(reader, back, answers=False))
            await pump(there, writer, answers=True)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        self.hang_up(own)

    def hang_up(self, ends) -> None:
        for end in ends:
            end.transport.abort()


@contextlib.asynccontextmanager
async def wired(url: str):
    """A wire, and the URL of the database through it."""
    parts = urlsplit(url)
    wire = Wire(parts.hostname, parts.port)
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    netloc = f"{parts.username}:{parts.password}@127.0.0.1:{port}"
    try:
        yield wire, urlunsplit(parts._replace(netloc=netloc))
    finally:
        server.close()
        for ends in wire.ends.values():
            wire.hang_up(ends)
        await asyncio.gather(*wire.ends, return_exceptions=True)
        # The loop closes what was hung up in its next turn.
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("rounds", [4, pytest.param(200, marks=pytest.mark.soak)])
async def test_an_answer_lost_on_the_wire_is_found_under_its_key(ledger_database, rounds):
    async with wired(ledger_database.url) as (wire, url), open_books(url, size=2) as books:
        await books.hold("r1", at=slot(-4))
        for turn in range(rounds):
            write, at = key("PlaceHold"), slot(turn * 2)
            wire.cuts = True
            with pytest.raises((Unavailable, TimedOut, TimeoutError)), deadline(0.3):
                async with asyncio.timeout(0.3):
                    await books.hold("r1", at=at, write=write)
            wire.cuts = False
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
