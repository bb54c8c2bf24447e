"""Many clients at once on one ledger, every call written down for the checker of histories."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter
from dataclasses import dataclass, field, replace

from bench.demo.database import minute, read_truth
from bench.history import Evidence, Op, Report, check
from bench.history import Outcome as Ended
from kit import call as kit_call
from kit.fault import Conflict, TimedOut, Unavailable
from services.assignment.domain import Outcome
from services.assignment.tests.books import Books, key, slot

TENANT = "acme"
CALL_SECONDS = 3.0
# A hold is counted on until this long before it ends.
MARGIN_SECONDS = 0.05
PAUSE_SECONDS = 0.02
TRIES_MAX = 400


@dataclass
class Storm:
    """Clients that hold, assign, confirm, cancel, forget, give up, and ask again under their key.

    `drop` is how often a client gives up in the middle of a call, `again` how often it repeats one
    that was answered.
    """

    books: Books
    seed: int = 1
    resources: int = 6
    starts: int = 24
    ttl_seconds: float = 0.5
    # How long a client waits for an answer unless it gives up early.
    call_seconds: float = CALL_SECONDS
    drop: float = 0.05
    again: float = 0.2
    ops: list[Op] = field(default_factory=list)
    retries: int = 0
    # Whether a hold surely lives until the moment the database named; not where its clock jumps.
    clock_stands: bool = True
    # A client's bug to be caught: it repeats a call without an answer under another key.
    forgets_keys: bool = False

    def __post_init__(self) -> None:
        self._epoch = time.time() - time.monotonic()
        self._begun = time.monotonic()
        self._rngs: dict[int, random.Random] = {}
        self._turns = itertools.count(1)

    async def run(self, *, clients: int, seconds: float) -> None:
        """Lets the clients work for that long, and each finish what it has begun."""
        until = time.monotonic() + seconds
        async with asyncio.TaskGroup() as group:
            for number in range(clients):
                group.create_task(self._client(number, until))

    async def _client(self, number: int, until: float) -> None:
        rng = self._rngs.setdefault(number, random.Random(self.seed * 1000 + number))
        while time.monotonic() < until:
            await self._turn(rng, number, f"{number}-{next(self._turns)}")

    async def _turn(self, rng: random.Random, client: int, name: str) -> None:
        def write(method):
            return key(method, f"{method}-{name}", tenant=TENANT)

        async def made(method, work, **about):
            return await self._made(rng, client, write(method), work, **about)

        request = f"q{name}"
        created = await made("CreateRequest", lambda w: self.books.request(request, write=w))
        if created is None:
            return
        plan = rng.sample([f"r{n}" for n in range(self.resources)], rng.choice((1, 1, 1, 2, 3)))
        at = slot(rng.randrange(self.starts) / 2)
        if rng.random() < 0.4:
            taken = await made(
                "Assign",
                lambda w: self.books.assign(*plan, at=at, request=request, write=w),
                booking_request_id=request,
            )
            held = None
        else:
            held = await made(
                "PlaceHold",
                lambda w: self.books.hold(
                    *plan, at=at, request=request, ttl=self.ttl_seconds, write=w
                ),
                booking_request_id=request,
            )
            taken = await self._resolved(rng, made, held)
        if taken is not None and taken.allocation is not None and rng.random() < 0.8:
            about = {"allocation_id": taken.allocation.id}
            await made("CancelAssignment", lambda w: self._cancel(taken.allocation.id, w), **about)

    async def _resolved(self, rng, made, held) -> Outcome | None:
        if held is None or held.allocation is None:
            return None
        name = held.allocation.id
        fate = rng.random()
        if fate < 0.15:
            # Forgotten: it runs out by itself.
            return None
        if fate < 0.3:
            await made(
                "ReleaseHold", lambda w: self.books.release(name, write=w), allocation_id=name
            )
            return None
        await asyncio.sleep(rng.random() * self.ttl_seconds * 0.3)
        return await made(
            "ConfirmHold", lambda w: self.books.confirm(name, write=w), allocation_id=name
        )

    async def _cancel(self, name: str, write) -> Outcome:
        return await self.books.cancel(name, write=write)

    async def _made(self, rng, client, write, work, **about) -> Outcome | None:
        """Makes one call until its outcome is known, always under its key."""
        outcome = None
        for attempt in range(TRIES_MAX):
            if attempt and self.forgets_keys and write.method in ("PlaceHold", "Assign"):
                write = replace(write, key=f"{write.key}+{attempt}")
            outcome = await self._tried(rng, client, write, work, **about)
            if outcome is not None:
                break
            self.retries += 1
            await asyncio.sleep(PAUSE_SECONDS * rng.random() * min(attempt + 1, 5))
        assert outcome is not None, f"{write.method} was never answered"
        if rng.random() < self.again:
            await self._tried(rng, client, write, work, patient=True, **about)
        return outcome

    async def _tried(self, rng, client, write, work, *, patient=False, **about) -> Outcome | None:
        call = kit_call.Call(method=write.method, request_id="")
        seconds = self.call_seconds
        if not patient and rng.random() < self.drop:
            seconds = rng.random() * 0.004
        call.deadline_at = time.monotonic() + self.call_seconds
        token = kit_call.current.set(call)
        began = time.monotonic()
        outcome, ended, why = None, Ended.INFO, ""
        try:
            async with asyncio.timeout(seconds):
                outcome = await work(write)
            if isinstance(outcome, str):
                outcome = Outcome()
            ended = Ended.FAIL if outcome.refusal else Ended.OK
            why = outcome.refusal.reason if outcome.refusal else ""
        except (Unavailable, TimedOut, Conflict) as fault:
            why = fault.reason
        except TimeoutError:
            why = "given up"
        finally:
            kit_call.current.reset(token)
        self.ops.append(
            Op(
                process=client,
                rpc=write.method,
                key=write.key,
                params=b"",
                invoked=began,
                completed=time.monotonic(),
                outcome=ended,
                reason=why,
                response=told(outcome),
                **{**about, **self._details(outcome)},
            )
        )
        return outcome

    def _details(self, outcome: Outcome | None) -> dict:
        allocation = outcome.allocation if outcome else None
        if allocation is None:
            return {}
        more = {}
        if allocation.state.value == "HELD" and not self.clock_stands:
            more["expires"] = float("-inf")
        elif allocation.state.value == "HELD":
            more["expires"] = allocation.expires_at.timestamp() - self._epoch - MARGIN_SECONDS
        return {
            "allocation_id": allocation.id,
            "resource_ids": allocation.resource_ids,
            "start": minute(allocation.slot.start),
            "end": minute(allocation.slot.end),
            "taken": (minute(allocation.occupied.start), minute(allocation.occupied.end)),
            **more,
        }

    def report(self, admin_url: str) -> Report:
        """Checks what callers were told against the tables and the outbox."""
        truth = read_truth(admin_url, TENANT)
        return check(Evidence(ops=self.ops, allocations=truth.allocations, events=truth.events))

    def figures(self, report: Report) -> str:
        """Says in one line what was done and found."""
        ended = Counter(op.outcome.value for op in self.ops)
        took = sorted(op.completed - op.invoked for op in self.ops if op.outcome is Ended.OK)
        seconds = time.monotonic() - self._begun
        return (
            f"{len(self.ops)} calls, {len(self.ops) / seconds:.0f}/s, {dict(ended)},"
            f" {self.retries} retries, {report.replays} replays,"
            f" p50 {took[len(took) // 2] * 1000:.1f} ms, p99"
            f" {took[len(took) * 99 // 100] * 1000:.1f} ms,"
            f" violations {dict(Counter(v.check for v in report.violations))}"
        )


def told(outcome: Outcome | None) -> bytes:
    """What a caller was told, apart from whether it was told before."""
    if outcome is None:
        return b""
    return repr((outcome.allocation, outcome.request, dict(outcome.generations))).encode()
