"""The engine in memory beside SQL on the same machine in the same minute, same answer."""

import resource
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bench.availability.lanes import NOW, answered, booking, raw_lanes, raw_of, shape_of, world_of
from bench.availability.peers import Form, Peer
from bench.table import Bench, Row
from bench.workload import CELLS, DURATION_MINUTES, Cell, answer_hash
from deploy.local.database import create_database, drop_database
from services.availability.domain import Span, Wanted
from services.availability.engine.looking import Look, days_between
from services.availability.engine.world import World
from services.availability.rules.expansions import Expansions
from services.availability.rules.zones import Zones

DATABASE = "fairslot_bench_slots"
ROUNDS = 5
COLD_FACTOR, COLD_AIM = 7, 25
WARM_FACTOR, CAPACITY_FACTOR = 80, 1_000
BOOKING_MS_MAX = 0.1
BOOKINGS = 400


@dataclass(frozen=True, slots=True)
class Warm:
    """A tenant in memory with its bits, and who is asked about."""

    world: World
    expansions: Expansions
    cell: Cell

    def look(self, *, forget_counts: bool) -> Look:
        """Reads all bits of the window."""
        board = self.world.board(shape_of(self.cell), self.expansions)
        low, high = self.cell.window
        span = Span(low, high - DURATION_MINUTES + 1)
        look = Look(board, self.world.roster.eligible(Wanted()), span)
        for day in days_between(span.start, span.end):
            block = board.block(day, NOW)
            assert block is not None
            if forget_counts:
                block.counts.clear()
            look.add(day, block)
        return look


def warm_of(cell: Cell) -> Warm:
    """Brings a cell into memory with its bits."""
    warm = Warm(world_of(cell), Expansions(Zones()), cell)
    board = warm.world.board(shape_of(cell), warm.expansions)
    for run in board.runs(days_between(*cell.window)):
        board.build(run, NOW)
    return warm


def rows_of(bench: Bench, cell: Cell = CELLS[-1]) -> Iterator[Row]:
    """Measures one cell: cold, warm, capacity alone, a booking, memory."""
    bench.say(f"the engine beside SQL at {cell.name}")
    drop_database(bench.servers.database_url, DATABASE)
    peer = Peer(create_database(bench.servers.database_url, DATABASE), cell)
    try:
        peer.fill()
        yield from _beside(peer, cell)
    finally:
        peer.close()
        drop_database(bench.servers.database_url, DATABASE)


def _beside(peer: Peer, cell: Cell) -> Iterator[Row]:
    team, forms = raw_of(cell), peer.forms()
    hashes = {form.name: peer.hash_of(form) for form in forms}
    memory_before = _resident_bytes()
    warm = warm_of(cell)
    kinds: dict[str, Callable[[], object]] = {
        "cold": lambda: answered(raw_lanes(team), cell, Expansions(Zones())),
        "warm": lambda: warm.look(forget_counts=True).table(),
        "capacity": lambda: warm.look(forget_counts=True),
    }
    sql, ours = _rounds(peer, forms, kinds)
    best = min(sql, key=lambda name: sql[name])
    table = answered(raw_lanes(team), cell, Expansions(Zones()))
    same = {answer_hash(table.starts, table.capacities, table.candidates)}
    look = warm.look(forget_counts=True).table()
    same.add(answer_hash(look.starts, look.capacities, look.candidates))
    agree = same | set(hashes.values()) == {cell.answer_hash}
    note = f"hash {cell.answer_hash} {'everywhere' if agree else 'NOT everywhere'}"
    goals = {"cold": COLD_FACTOR, "warm": WARM_FACTOR, "capacity": CAPACITY_FACTOR}
    for name, least in goals.items():
        ratio = sql[best] / ours[name]
        aim = f", aim {COLD_AIM}" if name == "cold" else ""
        yield Row(
            name=f"{name} {cell.name}",
            value=ours[name] * 1e3,
            unit="ms",
            against=f"PostgreSQL {best}",
            against_value=sql[best] * 1e3,
            ratio=ratio,
            goal=f"at least {least:,} times faster{aim}",
            reached=agree and ratio >= least,
            note=note,
        )
    yield _booking(warm)
    yield _memory(warm, _resident_bytes() - memory_before)


def _rounds(
    peer: Peer, forms: Sequence[Form], kinds: dict[str, Callable[[], object]]
) -> tuple[dict[str, float], dict[str, float]]:
    """Measures everybody in turn, so that what else the machine does meets all alike."""
    sql: dict[str, list[float]] = {form.name: [] for form in forms}
    ours: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(ROUNDS):
        for form in forms:
            sql[form.name].append(peer.seconds(form))
        for name, work in kinds.items():
            ours[name].extend(_seconds(work) for _ in range(3))
    medians = statistics.median
    return (
        {name: medians(found) for name, found in sql.items()},
        {name: medians(found) for name, found in ours.items()},
    )


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _booking(warm: Warm) -> Row:
    """Books slot after slot, each one somebody's that is free, until its bit says so."""
    board = warm.world.board(shape_of(warm.cell), warm.expansions)
    table = warm.look(forget_counts=False).table()
    ends = table.capacities.cumsum()
    spent = []
    for number in range(BOOKINGS):
        slot = number * 5 % len(table)
        first = int(ends[slot]) - int(table.capacities[slot])
        rank = int(table.candidates[first + number % int(table.capacities[slot])])
        start = int(table.starts[slot])
        made = booking(number, warm.world.roster.ranked[rank], start)
        began = time.perf_counter()
        warm.world.allocate(made, {})
        board.block(start // 1440, NOW)
        spent.append(time.perf_counter() - began)
    spent.sort()
    median = statistics.median(spent) * 1e3
    return Row(
        name="one booking into the bitmap",
        value=median,
        unit="ms",
        goal=f"at most {BOOKING_MS_MAX} ms",
        reached=median <= BOOKING_MS_MAX,
        note=f"merged arrays and bits, p99 {spent[int(len(spent) * 0.99)] * 1e3:.3f} ms",
    )


def _memory(warm: Warm, resident: int) -> Row:
    board = warm.world.board(shape_of(warm.cell), warm.expansions)
    bits = sum(block.size_bytes for _, block in board.items())
    busy = warm.cell.resources * warm.cell.busy_each
    return Row(
        name="memory of 1,000 resources x 30 days",
        value=bits / 1024,
        unit="KiB",
        note=(
            f"bits of one service class; the whole tenant with {busy:,} busy times"
            f" takes {resident / 2**20:.0f} MiB"
        ),
    )


def _resident_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
