"""The ledger's part of the table: bookings a second, and how long those wait who meet."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from statistics import median

from bench.ledger.books import Measured, fresh_ledger, open_desk
from bench.ledger.pgbench import Rate, pgbench
from bench.ledger.race import race_ledger, race_plain
from bench.ledger.wire import wire
from bench.table import Bench, Row
from services.assignment.store.together import TOGETHER_MAX

ROUNDS = 3
SECONDS = 2
# Booking requests for one client and round: more than any machine books meanwhile.
EACH = {8: 3000, 64: 600}
# Where in the lanes' time the rounds begin.
FIRST = {8: 0, 64: 20_000}
# The database alone: with as many clients as keep it busy, and more requests than it places.
CLIENTS_ALONE, EACH_ALONE = 4, 12_000
POOL = 12
RACERS = 8
RACE_SECONDS = 5.0
WIRE_CLIENTS = 32
WIRE_COUNT = 1500


async def rows(bench: Bench) -> AsyncIterator[Row]:
    """Measures the ledger, on one server, in turns with what it is measured against."""
    with fresh_ledger(bench.servers.database_url, "fairslot_bench_ledger") as measured:
        bench.say("bookings without a wire, in turns with pgbench")
        ours, theirs = await in_turns(measured, clients=8)
        yield rate_row("booked without gRPC, 8 clients", ours, theirs, least=0.5)
        ours, theirs = await in_turns(measured, clients=64)
        yield rate_row("booked in groups, 64 clients", ours, theirs, least=1.0)
        bench.say("the statements alone, many in a transaction")
        name, first = "alone", FIRST[64] + 2 * ROUNDS * EACH[64]
        measured.fill(name, each=EACH_ALONE, lanes=CLIENTS_ALONE)
        alone = await pgbench(
            measured,
            name,
            clients=CLIENTS_ALONE,
            seconds=SECONDS,
            first=first,
            together=TOGETHER_MAX,
        )
        bench.say("races for one slot")
        yield await race_row(measured)
    bench.say("Assign through gRPC on a whole stack")
    assigned, empty = await wire(clients=WIRE_CLIENTS, count=WIRE_COUNT)
    ratio = assigned.per_second / empty.per_second
    # Were everything but the call and the statements free.
    bound = alone.per_second / (alone.per_second + empty.per_second)
    yield Row(
        name=f"Assign through gRPC, {WIRE_CLIENTS} clients",
        value=assigned.per_second,
        unit="/s",
        against="empty unary call of the same server",
        against_value=empty.per_second,
        ratio=ratio,
        goal="at least 0.5 times its rate",
        reached=ratio >= 0.5,
        note=f"{latency(assigned, empty)}; the statements alone, one by one, have"
        f" {theirs.per_second / empty.per_second:.2f} times its rate, {TOGETHER_MAX} in a"
        f" transaction {alone.per_second / empty.per_second:.2f}; with an empty call each"
        f" {bound:.2f}",
    )


def rate_row(name: str, ours: Rate, theirs: Rate, *, least: float) -> Row:
    """Puts our rate beside pgbench's."""
    ratio = ours.per_second / theirs.per_second
    return Row(
        name=name,
        value=ours.per_second,
        unit="/s",
        against="pgbench, same statements, one by one",
        against_value=theirs.per_second,
        ratio=ratio,
        goal=f"at least {least:g} times its rate",
        reached=ratio >= least,
        note=latency(ours, theirs),
    )


def latency(ours: Rate, theirs: Rate) -> str:
    """Says how long one took, here and there."""
    return (
        f"p50/p99 {ours.p50_ms:.1f}/{ours.p99_ms:.1f} ms,"
        f" theirs {theirs.p50_ms:.1f}/{theirs.p99_ms:.1f} ms"
    )


async def in_turns(measured: Measured, *, clients: int) -> tuple[Rate, Rate]:
    """Books with pgbench and with the service's own code, in turns; returns medians."""
    ours, theirs = [], []
    for turn in range(ROUNDS):
        first = FIRST[clients] + 2 * turn * EACH[clients]
        name = f"{clients}-{turn}"
        measured.fill(f"p{name}", each=EACH[clients], lanes=clients)
        measured.fill(f"d{name}", each=EACH[clients], lanes=clients)
        theirs.append(
            await pgbench(measured, f"p{name}", clients=clients, seconds=SECONDS, first=first)
        )
        later = first + EACH[clients]
        ours.append(await booked(measured, f"d{name}", clients=clients, first=later))
    return middle(ours), middle(theirs)


def middle(rates: list[Rate]) -> Rate:
    """Returns the median of each figure."""
    return Rate(
        median(rate.per_second for rate in rates),
        median(rate.p50_ms for rate in rates),
        median(rate.p99_ms for rate in rates),
    )


async def booked(measured: Measured, name: str, *, clients: int, first: int) -> Rate:
    """Books for a while with so many writers over the service's pool."""
    took: list[float] = []
    async with open_desk(measured, name, size=POOL, first=first) as desk:
        begun = time.perf_counter()

        async def writer(lane: int) -> None:
            while time.perf_counter() - begun < SECONDS:
                at = time.perf_counter()
                await desk.book(lane)
                took.append((time.perf_counter() - at) * 1000)

        await asyncio.gather(*(writer(lane) for lane in range(clients)))
        rate = len(took) / (time.perf_counter() - begun)
    took.sort()
    return Rate(rate, took[len(took) // 2], took[len(took) * 99 // 100])


async def race_row(measured: Measured) -> Row:
    """Races for one slot, our way and the plain way."""
    plain = await race_plain(measured, racers=RACERS, seconds=RACE_SECONDS)
    ours = await race_ledger(measured, racers=RACERS, seconds=RACE_SECONDS)
    ratio = plain.p99_ms / ours.p99_ms
    return Row(
        name=f"race of {RACERS} for one slot, p99",
        value=ours.p99_ms,
        unit="ms",
        against="plain INSERT behind EXCLUDE",
        against_value=plain.p99_ms,
        ratio=ratio,
        goal="at most a tenth, no deadlock",
        reached=ratio >= 10 and ours.deadlocks == 0,
        note=(
            f"p50 {ours.p50_ms:.1f} ms, theirs {plain.p50_ms:.1f} ms; won {ours.won} and"
            f" {plain.won}, deadlocks {ours.deadlocks} and {plain.deadlocks}, tries {ours.attempts}"
            f" and {plain.attempts}"
        ),
    )
