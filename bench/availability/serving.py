"""The service in a process of its own beside an empty call of the same server."""

import asyncio
import contextlib
import os
import socket
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
import redis.asyncio
from fairslot.availability.v1 import availability_pb2 as pb
from fairslot.availability.v1 import availability_pb2_grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.interval_pb2 import Interval
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bench.availability.filling import DATABASE, TENANT, filled
from bench.table import Bench, Row
from bench.workload import CELLS, Cell, answer_hash, workers
from deploy.local.database import drop_database
from kit.bus import open_bus
from services.availability.store.blocks import TENANTS_KEY

LEDGER_STREAM, LEDGER_SUBJECTS = "ASSIGNMENT", ("fairslot.assignment.v1.>",)
ROUNDS = 60
# Processes begun anew for each figure of a beginning, and what warming takes to tell of a tenant.
PROCESSES, NOTED_SECONDS = 5, 7.0
DEADLINE_SECONDS = 30.0
PAGE_SLOTS, PAGE_CANDIDATES = 50, 20
PAGE_RATIO_MAX, FULL_MS_MAX, COLD_RATIO_MAX = 1.5, 15.0, 3.0

Call = Callable[[], Awaitable[pb.SearchSlotMatrixResponse]]


@dataclass(frozen=True, slots=True)
class Stubs:
    """The calls of one process, with a token."""

    free: Any
    health: Any
    metadata: tuple[tuple[str, str], ...]

    async def matrix(self, request: pb.SearchSlotMatrixRequest) -> pb.SearchSlotMatrixResponse:
        """Asks in columns."""
        reply: pb.SearchSlotMatrixResponse = await self.free.SearchSlotMatrix(
            request, timeout=DEADLINE_SECONDS, metadata=self.metadata
        )
        return reply

    async def empty(self) -> None:
        """Makes the smallest call there is, through the same checks: a month of nobody."""
        await self.free.GetOfferedDays(
            pb.GetOfferedDaysRequest(month="2027-03", skill="nobody has this"),
            timeout=DEADLINE_SECONDS,
            metadata=self.metadata,
        )

    async def health_check(self) -> None:
        """Asks only whether the process lives, past all checks."""
        await self.health.Check(health_pb2.HealthCheckRequest(), timeout=DEADLINE_SECONDS)


def question(cell: Cell, *, page_size: int = 0) -> pb.SearchSlotMatrixRequest:
    """Asks the workload's question."""
    start, end = cell.window
    return pb.SearchSlotMatrixRequest(
        query=pb.SearchSlotsRequest(
            service_type_id="visit",
            window=Interval(
                start_time=Timestamp(seconds=start * 60), end_time=Timestamp(seconds=end * 60)
            ),
            granularity=Duration(seconds=cell.granularity * 60),
            time_zone="UTC",
            max_candidates_per_slot=PAGE_CANDIDATES,
        ),
        page_size=page_size,
    )


@contextlib.asynccontextmanager
async def process(
    bench: Bench, env: dict[str, str], *, tenant: str = TENANT
) -> AsyncIterator[Stubs]:
    """Runs the service as a process until the block ends."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{found.getsockname()[1]}"
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.availability",
        env={**os.environ, **env, "FAIRSLOT_AVAILABILITY_ADDRESS": address},
        stdout=asyncio.subprocess.DEVNULL,
    )
    options = (("grpc.max_receive_message_length", 64 * 1024 * 1024),)
    try:
        async with grpc.aio.insecure_channel(address, options=options) as channel:
            await asyncio.wait_for(channel.channel_ready(), DEADLINE_SECONDS)
            yield Stubs(
                availability_pb2_grpc.AvailabilityServiceStub(channel),
                health_pb2_grpc.HealthStub(channel),
                _as_tenant(bench, tenant),
            )
    finally:
        child.terminate()
        await child.wait()


async def rows_of(bench: Bench, cell: Cell = CELLS[-1]) -> AsyncIterator[Row]:
    """Measures a page, the whole answer, and a process that has just begun."""
    bench.say(f"the service at {cell.name}")
    env = filled(bench, cell)
    async with open_bus(bench.servers.nats_url, name="bench") as bus:
        await bus.ensure_stream(LEDGER_STREAM, LEDGER_SUBJECTS)
    whole, page = question(cell), question(cell, page_size=PAGE_SLOTS)
    try:
        async with process(bench, env) as stubs:
            reply = await stubs.matrix(whole)
            same = _hash(reply, cell) == cell.answer_hash
            spent = await _beside(
                {
                    "empty": stubs.empty,
                    "health": stubs.health_check,
                    "page": lambda: stubs.matrix(page),
                    "full": lambda: stubs.matrix(whole),
                }
            )
            # What is asked for is told to those that begin within the next rounds of warming.
            await asyncio.sleep(NOTED_SECONDS)
            ready = await _first_of_new(bench, env, stubs, whole)
        await _forget_who_asks(bench)
        async with process(bench, env) as stubs:
            # Too short to be told of; it is only the warm one beside the new ones.
            await stubs.matrix(whole)
            unready = await _first_of_new(bench, env, stubs, whole, forgetting=True)
    finally:
        drop_database(bench.servers.database_url, DATABASE)
    p50 = {name: statistics.median(found) * 1e3 for name, found in spent.items()}
    ratio = p50["page"] / p50["empty"]
    yield Row(
        name=f"a page of {PAGE_SLOTS} x {PAGE_CANDIDATES} over gRPC",
        value=p50["page"],
        unit="ms",
        against="an empty unary call",
        against_value=p50["empty"],
        ratio=ratio,
        goal=f"at most {PAGE_RATIO_MAX} times, aim 1.3",
        reached=ratio <= PAGE_RATIO_MAX,
        note=f"through the same checks; past them (health) {p50['health']:.2f} ms",
    )
    yield Row(
        name=f"all {len(reply.candidate_indexes):,} pairs over gRPC",
        value=p50["full"],
        unit="ms",
        goal=f"at most {FULL_MS_MAX:.0f} ms, aim 10",
        reached=same and p50["full"] <= FULL_MS_MAX,
        note=f"hash {cell.answer_hash if same else 'WRONG'}, {reply.ByteSize() / 1e3:,.0f} kB",
    )
    note = "all pairs; nobody asked it before. Before it served it had read catalog and blocks"
    yield _cold_row(
        "a new process's first question, from Redis", note, ready, ratio_max=COLD_RATIO_MAX
    )
    note = "all pairs; nobody asked it before, and it was ready for nobody"
    yield _cold_row("the same of a tenant it did not expect", note, unready)


def _cold_row(
    name: str, note: str, measured: tuple[float, float, bool], *, ratio_max: float = 0.0
) -> Row:
    """Tells of processes that have just begun; without a most it only informs."""
    seconds, warm_seconds, hit = measured
    ratio = seconds / warm_seconds
    return Row(
        name=name,
        value=seconds * 1e3,
        unit="ms",
        against="the warm one",
        against_value=warm_seconds * 1e3,
        ratio=ratio,
        goal=f"at most {ratio_max:.0f} times" if ratio_max else "",
        reached=hit and ratio <= ratio_max if ratio_max else None,
        note=note if hit else "it did NOT come from Redis",
    )


async def _beside(works: dict[str, Callable[[], Awaitable[object]]]) -> dict[str, list[float]]:
    """Makes the calls in turn, so that what else the machine does meets all alike."""
    spent: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            began = time.perf_counter()
            await work()
            spent[name].append(time.perf_counter() - began)
    return spent


async def _first_of_new(
    bench: Bench,
    env: dict[str, str],
    warm: Stubs,
    whole: pb.SearchSlotMatrixRequest,
    *,
    forgetting: bool = False,
) -> tuple[float, float, bool]:
    """Starts processes anew and asks each once, and a warm one in the same moment.

    Gives both medians, and whether Redis had all that the new ones answered.
    """
    spent: dict[str, list[float]] = {"new": [], "warm": []}
    hits = []
    for _ in range(PROCESSES):
        if forgetting:
            await _forget_who_asks(bench)
        async with process(bench, env) as stubs:
            for name, asked in (("new", stubs), ("warm", warm), ("warm", warm)):
                began = time.perf_counter()
                reply = await asked.matrix(whole)
                spent[name].append(time.perf_counter() - began)
                hits.append(reply.cache == pb.SearchSlotsResponse.Cache.HIT)
    return statistics.median(spent["new"]), statistics.median(spent["warm"]), all(hits)


async def _forget_who_asks(bench: Bench) -> None:
    async with redis.asyncio.Redis.from_url(bench.servers.redis_url) as shared:
        await shared.delete(TENANTS_KEY)


def _as_tenant(bench: Bench, tenant: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {bench.minter.mint(tenant, ['admin'])}"),)


def _hash(reply: pb.SearchSlotMatrixResponse, cell: Cell) -> str:
    number = {worker.id: position for position, worker in enumerate(workers(cell))}
    table = np.array([number[one] for one in reply.resource_ids])
    return answer_hash(
        np.array(reply.start_minutes),
        np.array(reply.capacities),
        table[np.array(reply.candidate_indexes)],
    )
