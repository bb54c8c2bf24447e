"""Every process of the stack stands still for a while in its turn: callers are told in time, no
promise is broken, and nothing is left open.
"""

import asyncio
import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fairslot.assignment.v1 import assignment_pb2 as ledger

from bench.demo.database import read_truth, unsettled
from bench.demo.recorder import Recorder
from bench.history import Evidence, check
from client import Client, Refusal, methods, open_channel
from deploy.local.recovery import birth
from tests.e2e.callers import Tenant
from tests.e2e.shop import EVERY_DAY

RESOURCES, BOOKERS, STARTS = 4, 8, 40
# How long each attempt of a call may take, shorter than most stops; there are at most four.
TIMEOUT_SECONDS, ATTEMPTS = 0.3, 4
START = (datetime.now(UTC) + timedelta(days=10)).replace(hour=0, minute=0, second=0, microsecond=0)


def furnish(tenant: Tenant) -> None:
    admin = tenant.http()
    admin.made("/v1/serviceTypes", {"id": "visit", "duration": "3600s"})
    for number in range(RESOURCES):
        admin.made("/v1/resources", {"id": f"r{number}", "kind": "PERSON"})
        rules = {"rules": [{"days": EVERY_DAY, "end": {"hours": 24}}]}
        assert admin.put(f"/v1/resources/r{number}/schedule", rules).status == 200


async def book(client: Client, rng: random.Random, recorder_done: asyncio.Event) -> None:
    """Holds, confirms, cancels and releases, and asks again under the same key, until told."""
    while not recorder_done.is_set():
        wanted = ledger.PlaceHoldRequest(
            service_type_id="visit",
            resource_ids=[f"r{rng.randrange(RESOURCES)}"],
            alternatives=0,
        )
        wanted.start.FromDatetime(START + timedelta(hours=rng.randrange(STARTS)))
        held = await answered(client, methods.PLACE_HOLD, wanted)
        if held is None:
            continue
        token = held.hold.token
        if rng.random() < 0.3:
            release = ledger.ReleaseHoldRequest(hold_token=token)
            await answered(client, methods.RELEASE_HOLD, release)
            continue
        confirm = ledger.ConfirmHoldRequest(hold_token=token, reason="fits")
        made = await answered(client, methods.CONFIRM_HOLD, confirm)
        if made is not None:
            cancel = ledger.CancelAssignmentRequest(
                assignment_id=made.assignment.id, reason="changed plans"
            )
            await answered(client, methods.CANCEL_ASSIGNMENT, cancel)


async def answered(client: Client, method: Any, request: Any) -> Any:
    """Makes a call until its outcome is known, always under its key; None where it is refused."""
    while True:
        try:
            return await client.call(method, request, timeout_seconds=TIMEOUT_SECONDS)
        except Refusal as refusal:
            if not refusal.outcome_unknown:
                return None


def children_of(pid: int) -> Iterator[int]:
    with contextlib.suppress(OSError):
        for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield int(one)


@asynccontextmanager
async def standing_still(pid: int) -> AsyncIterator[None]:
    """Stops a process and its children for the length of the block."""
    pids = [pid, *children_of(pid)]
    for one in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, signal.SIGSTOP)
    try:
        yield
    finally:
        for one in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGCONT)


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("rounds", "longest_seconds"), [(1, 0.8), pytest.param(6, 30.0, marks=pytest.mark.soak)]
)
async def test_whoever_stands_still_breaks_no_promise(
    tenant: Tenant, stack: Any, rounds: int, longest_seconds: float
) -> None:
    pids = {name: pid for name, pid in stack.described["pids"].items() if birth(pid)}
    rng, recorder, done = random.Random(rounds), Recorder(), asyncio.Event()
    await asyncio.to_thread(furnish, tenant)
    files = {name: open_files(pid) for name, pid in pids.items()}
    async with AsyncExitStack() as open_:
        clients = [
            Client(
                await open_.enter_async_context(open_channel(stack.gateway)),
                token=tenant.token("planner", f"booker-{number}"),
                observer=recorder.observer(number),
            )
            for number in range(BOOKERS)
        ]
        booking = [
            asyncio.create_task(book(client, random.Random(number), done))
            for number, client in enumerate(clients)
        ]
        for name, pid in sorted(pids.items()) * rounds:
            before = len(recorder.history())
            async with standing_still(pid):
                await asyncio.sleep(rng.uniform(0.1, 1) * longest_seconds)
            # Everybody goes on before the next one stands still.
            async with asyncio.timeout(30):
                while len(recorder.history()) < before + BOOKERS:
                    await asyncio.sleep(0.05)
            assert birth(pid), f"{name} has ended"
        done.set()
        await asyncio.gather(*booking)
    ops = recorder.history()
    await settled(tenant)
    truth = read_truth(tenant.database_url, tenant.name)
    report = check(Evidence(ops=ops, allocations=truth.allocations, events=truth.events))
    slowest = max(op.completed - op.invoked for op in ops)
    print(
        f"\n{len(pids) * rounds} stops, {len(ops)} calls {dict(Counter(op.outcome for op in ops))},"
        f" slowest {slowest:.2f} s, {report.replays} replays, violations {len(report.violations)}"
    )
    assert report.violations == []
    assert (truth.double_bookings, truth.orphaned_allocations) == (0, 0)
    # Four attempts and the pauses between them, on a machine that may be busy.
    assert slowest < ATTEMPTS * TIMEOUT_SECONDS + 6
    leaks = {name: open_files(pid) - files[name] for name, pid in pids.items()}
    assert max(leaks.values()) < 60, leaks


async def settled(tenant: Tenant) -> None:
    """Waits until no event is on its way and holds nobody resolved are over."""
    until = time.monotonic() + 150
    while await asyncio.to_thread(unsettled, tenant.database_url, tenant.name):
        assert time.monotonic() < until
        await asyncio.sleep(0.2)
