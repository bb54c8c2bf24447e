"""No space left under the database, its log of writes, the stream or our own log: nothing that was
acknowledged is lost, and work goes on once there is space.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
import pytest

from deploy.local import process
from kit.bus import open_bus
from kit.outbox import Relay
from services.assignment.senders import encode
from services.assignment.tests.books import open_books, violations
from services.assignment.tests.mortal import kept_nats, ledger_of, mortal_postgres
from services.assignment.tests.storm import Storm

DISK_MEGABYTES = 320
STREAM, SUBJECTS = "ASSIGNMENT", ("fairslot.assignment.v1.>",)
EVENTS = "SELECT count(*) FROM assignment.outbox"
LEFT = f"{EVENTS} WHERE NOT published"


class Disk:
    """A file system of its own, which a test fills to its last byte."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ballast = path / "ballast"

    def fill(self) -> None:
        with self.ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(2**20))
        with self.ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(2**12))

    def empty(self) -> None:
        self.ballast.unlink(missing_ok=True)


@pytest.fixture
def places():
    """A roomy directory, and a small disk; without the right to mount one the test is skipped."""
    with tempfile.TemporaryDirectory(prefix="fairslot-disk-") as name:
        os.chmod(name, 0o711)
        roomy, small = Path(name) / "roomy", Path(name) / "small"
        roomy.mkdir(mode=0o711)
        small.mkdir(mode=0o711)
        size = f"size={DISK_MEGABYTES}m,mode=711"
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(small)],
            capture_output=True,
            check=False,
        )
        if mounted.returncode:
            pytest.skip("nobody here may mount a small disk")
        try:
            yield roomy, Disk(small)
        finally:
            subprocess.run(["umount", "-l", str(small)], check=True)


async def survived(server, disk: Disk, *, times: int) -> None:
    """Plays a storm during which the disk is full now and then."""
    url, admin_url = ledger_of(server.url)
    recovered: list[float] = []
    async with open_books(url, size=12) as books:
        storm = Storm(books)

        async def until(since: float, **wanted: str) -> None:
            """Waits for a call begun since then of which all this is true."""
            while not any(
                op.invoked > since and wanted.items() <= vars_of(op).items() for op in storm.ops
            ):
                await asyncio.sleep(0.05)

        async def filling() -> None:
            for _ in range(times):
                await asyncio.to_thread(disk.fill)
                began = time.monotonic()
                lengthening = asyncio.create_task(lengthen_log(admin_url))
                await until(began, reason="OUTCOME_UNKNOWN")
                await asyncio.sleep(0.5)
                lengthening.cancel()
                await asyncio.gather(lengthening, return_exceptions=True)
                disk.empty()
                began = time.monotonic()
                if server.process.returncode is not None:
                    await server.start()
                await until(began, outcome="ok")
                recovered.append(time.monotonic() - began)

        full = asyncio.create_task(filling())
        while not full.done():
            await storm.run(clients=12, seconds=0.5)
        await full
    report = storm.report(admin_url)
    print(storm.figures(report), f"again after {max(recovered):.1f} s at most")
    assert report.violations == []
    assert violations(admin_url) == {}


def vars_of(op) -> dict[str, str]:
    return {"reason": op.reason, "outcome": op.outcome.value}


async def lengthen_log(admin_url: str) -> None:
    """Makes the log of writes need another file, and another."""
    async with await psycopg.AsyncConnection.connect(admin_url, autocommit=True) as admin:
        while True:
            await admin.execute("SELECT pg_logical_emit_message(false, 'test', 'x')")
            await admin.execute("SELECT pg_switch_wal()")
            await asyncio.sleep(0.01)


TIMES = pytest.mark.parametrize("times", [1, pytest.param(30, marks=pytest.mark.soak)])


@TIMES
@pytest.mark.timeout(900)
async def test_no_space_for_the_tables(places, times):
    roomy, small = places
    async with mortal_postgres(small.path / "run", wal=roomy / "wal") as server:
        await survived(server, small, times=times)


@TIMES
@pytest.mark.timeout(900)
async def test_no_space_for_the_log_of_writes(places, times):
    roomy, small = places
    # A log that is short is made longer often.
    short = {"min_wal_size": "32MB", "max_wal_size": "48MB"}
    async with mortal_postgres(roomy / "run", wal=small.path / "wal", **short) as server:
        await survived(server, small, times=times)


async def test_no_space_for_the_stream(places, ledger_database, monkeypatch):
    """The ledger goes on; what it has to tell waits in its outbox, and is told in order as soon as
    the runner sees that there is space again for a stream that its server keeps shut.
    """
    monkeypatch.setattr(process, "STUCK_AFTER_SECONDS", 1.0)
    _, small = places
    reports: list[str] = []
    async with (
        kept_nats(small.path / "run", reports.append) as url,
        open_bus(url, name="test") as bus,
        open_books(ledger_database.url) as books,
    ):
        await bus.ensure_stream(STREAM, SUBJECTS)
        worker = {"url": ledger_database.worker_url, "schema": "assignment", "encode": encode}
        relaying = asyncio.create_task(Relay(bus=bus, **worker).run())
        storm = Storm(books)
        await storm.run(clients=4, seconds=0.5)
        await asyncio.to_thread(small.fill)
        await storm.run(clients=4, seconds=2 * process.STUCK_POLL_SECONDS)
        assert left(ledger_database.admin_url) > 0
        # Begun anew without space it would be shut again.
        assert not any("started again" in one for one in reports)
        small.empty()
        began = time.monotonic()
        async with asyncio.timeout(60):
            while left(ledger_database.admin_url):
                await asyncio.sleep(0.05)
        print(f"all told {time.monotonic() - began:.1f} s after there was space")
        relaying.cancel()
        await asyncio.gather(relaying, return_exceptions=True)
        told = await told_by(bus)
    assert any("does no more until it is started again" in one for one in reports)
    assert told == by_version(ledger_database.admin_url)
    assert storm.report(ledger_database.admin_url).violations == []


def left(admin_url: str) -> int:
    with psycopg.connect(admin_url) as admin:
        return admin.execute(LEFT).fetchone()[0]


def by_version(admin_url: str) -> dict[str, list[int]]:
    """The versions of each aggregate as the outbox has them."""
    with psycopg.connect(admin_url) as admin:
        rows = admin.execute("SELECT aggregate, version FROM assignment.outbox ORDER BY id")
        found: dict[str, list[int]] = {}
        for aggregate, version in rows:
            found.setdefault(aggregate, []).append(version)
        return found


async def told_by(bus) -> dict[str, list[int]]:
    """The versions of each aggregate in the order in which the stream tells them."""
    _, last = await bus.bounds(STREAM)
    found: dict[str, list[int]] = {}
    async for batch in bus.follow(STREAM, SUBJECTS, after=0):
        for event in batch:
            found.setdefault(event.aggregate, []).append(event.version)
        if batch[-1].position >= last:
            return found
    raise AssertionError("a stream is followed for ever")


def test_no_space_for_our_own_log():
    """What cannot be written down is not said; the work is done all the same."""
    program = (
        "from kit.logs import configure, logger\n"
        "configure('info')\n"
        "for number in range(3):\n"
        "    logger('test').warning('nobody reads this', number=number)\n"
        "import sys\n"
        "print('done', file=sys.stderr)\n"
    )
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-c", program],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
    assert "done" in ended.stderr, ended.stderr
