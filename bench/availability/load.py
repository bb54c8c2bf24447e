"""Searchers beside a stream of bookings, and a Redis that dies: nobody is told what is stale."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from random import Random
from uuid import uuid4

import grpc
import numpy as np
from fairslot.assignment.v1 import events_pb2
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.interval_pb2 import Interval

from bench.availability.filling import DATABASE, filled
from bench.availability.serving import LEDGER_STREAM, LEDGER_SUBJECTS, Stubs, process, question
from bench.availability.taken import Booking, Taken, pairs_of
from bench.availability.valkey import Valkey, own_valkey
from bench.table import Bench, Row
from bench.workload import CELLS, DURATION_MINUTES, Cell
from deploy.local.database import drop_database
from kit import position
from kit.bus import Bus, open_bus
from kit.event import Event

SEARCHERS, BOOKINGS_PER_SECOND = 64, 50
DAY_MINUTES = 1440
# Of so many bookings each gives one up, so that time becomes free again as well.
CANCEL_EVERY = 5
SECONDS = 20.0
SUBJECT = events_pb2.AllocationChanged.DESCRIPTOR.full_name
ASSIGNED = events_pb2.AllocationChanged.ASSIGNED
CANCELLED = events_pb2.AllocationChanged.CANCELLED
# What is kept of what went wrong.
KEPT_MAX = 20


@dataclass(slots=True)
class Tally:
    """What the load saw."""

    searched_seconds: list[float] = field(default_factory=list)
    booked_seconds: list[float] = field(default_factory=list)
    bookings: int = 0
    # The few first sentences of each kind, and how many there were.
    wrong: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    wrong_count: int = 0
    error_count: int = 0

    def mark_wrong(self, sentence: str) -> None:
        """Counts an answer nobody should have been given."""
        self.wrong_count += 1
        if len(self.wrong) < KEPT_MAX:
            self.wrong.append(sentence)

    def mark_error(self, error: Exception) -> None:
        """Counts a call that failed."""
        self.error_count += 1
        if len(self.errors) < KEPT_MAX:
            self.errors.append(repr(error))


class Load:
    """The searchers and bookers of one run."""

    def __init__(self, stubs: Stubs, bus: Bus, tenant: str, cell: Cell, base: Taken) -> None:
        """Takes whom to ask, where whose bookings are told, and who was free before."""
        self._stubs, self._bus, self._cell, self._taken = stubs, bus, cell, base
        self._subject = f"{SUBJECT}.{tenant}"
        self._random = Random(cell.resources)
        self.tally = Tally()

    async def run(self, seconds: float) -> None:
        """Searches and books for so long, then waits for those under way."""
        until = time.monotonic() + seconds
        async with asyncio.TaskGroup() as group:
            for _ in range(SEARCHERS):
                group.create_task(self._search(until))
            # By the clock: whoever books does not wait for whoever booked before.
            for number in range(int(seconds * BOOKINGS_PER_SECOND)):
                due = until - seconds + number / BOOKINGS_PER_SECOND
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                group.create_task(self._book(cancel=number % CANCEL_EVERY == CANCEL_EVERY - 1))

    async def look_back(self, token: str) -> None:
        """Asks once more in the quiet after it: the answer must be exactly what is left."""
        last = question(self._cell)
        last.query.at_least_as_fresh = token
        left = frozenset(pairs_of(await self._stubs.matrix(last)))
        if left != self._taken.free:
            self.tally.mark_wrong(f"in the end: {sorted(left ^ self._taken.free)[:3]}")

    async def _search(self, until: float) -> None:
        """Asks about one day after the other; what it was told must never become older."""
        seen = {"ledger": 0, "catalog": 0}
        low, high = self._cell.window
        while time.monotonic() < until:
            day = self._random.randrange(low, high, DAY_MINUTES)
            began = time.perf_counter()
            fresh = await self._ask(day, {})
            self.tally.searched_seconds.append(time.perf_counter() - began)
            if any(fresh.get(name, 0) < number for name, number in seen.items()):
                self.tally.mark_wrong(f"freshness went back from {seen} to {fresh}")
            seen = fresh or seen

    async def _book(self, *, cancel: bool) -> None:
        """Books or cancels, and searches as fresh as that: it must show."""
        began = time.perf_counter()
        booking = self._taken.cancel() if cancel else self._taken.book()
        if booking is None:
            return
        try:
            number = await self._say(booking)
        except Exception as error:
            self.tally.mark_error(error)
            return
        self.tally.bookings += 1
        day = booking.start // DAY_MINUTES * DAY_MINUTES
        fresh = await self._ask(day, {"ledger": number, "catalog": 0})
        if fresh and fresh["ledger"] < number:
            self.tally.mark_wrong(f"asked for {number}, answered at {fresh['ledger']}")
        self.tally.booked_seconds.append(time.perf_counter() - began)

    async def _say(self, booking: Booking) -> int:
        """Tells the booking as the ledger's relay would; gives its position in the stream."""
        span = Interval(
            start_time=Timestamp(seconds=booking.start * 60),
            end_time=Timestamp(seconds=(booking.start + DURATION_MINUTES) * 60),
        )
        made = events_pb2.AllocationChanged(
            id=booking.id,
            version=2 if booking.cancelling else 1,
            state=CANCELLED if booking.cancelling else ASSIGNED,
            resources=[events_pb2.AllocatedResource(resource_id=booking.resource_id)],
            slot=span,
            occupied=span,
        )
        (number,) = await self._bus.publish([Event(self._subject, made.SerializeToString(), {})])
        assert number is not None
        if booking.cancelling:
            booking.cancelled = number
        else:
            booking.booked = number
        return number

    async def _ask(self, day: int, token: dict[str, int]) -> dict[str, int]:
        """Asks about a day and compares with what may be said; gives how fresh it was."""
        request = question(self._cell)
        request.query.window.start_time.seconds = day * 60
        request.query.window.end_time.seconds = (day + DAY_MINUTES) * 60
        request.query.at_least_as_fresh = position.encode(token) if token else ""
        try:
            reply = await self._stubs.matrix(request)
        except grpc.aio.AioRpcError as error:
            self.tally.mark_error(error)
            return {}
        fresh = position.decode(reply.freshness)
        # The last hour's slots would end in the next day, outside of the window.
        wrong = self._taken.wrong(reply, day, day + DAY_MINUTES - DURATION_MINUTES, fresh["ledger"])
        if wrong:
            self.tally.mark_wrong(f"at {fresh}, asked for {token}: {sorted(wrong)[:3]}")
        return fresh


async def trouble(valkey: Valkey, seconds: float) -> None:
    """Kills Redis, starts it again empty, and empties it once more, a fifth of the time apart."""
    for step in (valkey.kill, valkey.start, valkey.flush):
        await asyncio.sleep(seconds / 5)
        await step()


async def loaded(bench: Bench, *, seconds: float, troubled: bool, secret: str = "") -> Tally:
    """Runs the load on a process of the service with a database and a Redis of its own."""
    cell = CELLS[2]
    # Bookings stay in the stream, where nobody else must meet them, nor a later run.
    tenant = f"load-{uuid4().hex[:8]}"
    async with contextlib.AsyncExitStack() as stack:
        valkey = await stack.enter_async_context(own_valkey())
        bus = await stack.enter_async_context(open_bus(bench.servers.nats_url, name="load"))
        await bus.ensure_stream(LEDGER_STREAM, LEDGER_SUBJECTS)
        env = filled(bench, cell, secret=secret, tenant=tenant) | {
            "FAIRSLOT_AVAILABILITY_REDIS_URL": valkey.url
        }
        stack.callback(drop_database, bench.servers.database_url, DATABASE)
        stubs = await stack.enter_async_context(process(bench, env, tenant=tenant))
        base = question(cell)
        base.query.at_least_as_fresh = await _said(bus)
        free = frozenset(pairs_of(await stubs.matrix(base)))
        load = Load(stubs, bus, tenant, cell, Taken(free, Random(1)))
        async with asyncio.TaskGroup() as group:
            if troubled:
                group.create_task(trouble(valkey, seconds))
            group.create_task(load.run(seconds))
        await load.look_back(await _said(bus))
        return load.tally


async def _said(bus: Bus) -> str:
    """Gives the token of all that the ledger has said by now."""
    _, last = await bus.bounds(LEDGER_STREAM)
    return position.encode({"ledger": last, "catalog": 0})


async def rows_of(bench: Bench) -> AsyncIterator[Row]:
    """Measures searches under bookings, with Redis as it should be and with one that dies."""
    for troubled in (False, True):
        how = "Redis killed, started again, emptied" if troubled else "Redis as it should be"
        bench.say(f"{SEARCHERS} searchers, {BOOKINGS_PER_SECOND} bookings a second: {how}")
        tally = await loaded(bench, seconds=SECONDS, troubled=troubled)
        p50, p99 = np.percentile(tally.searched_seconds, (50, 99)) * 1e3
        booked = float(np.percentile(tally.booked_seconds, 99)) * 1e3
        yield Row(
            name=f"{SEARCHERS} searchers beside {BOOKINGS_PER_SECOND} bookings a second, p99",
            value=float(p99),
            unit="ms",
            goal="no stale or wrong answer, no error",
            reached=not tally.wrong_count and not tally.error_count,
            note=f"{how}; {len(tally.searched_seconds) / SECONDS:,.0f} searches/s at p50 {p50:.0f}"
            f" ms, {tally.bookings:,} bookings each seen by its booker, p99 {booked:.0f} ms;"
            f" {tally.wrong_count} wrong, {tally.error_count} errors",
        )
