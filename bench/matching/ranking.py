"""Ranks 100 and 1,000 resources over thirty days through gRPC, beside other ways to score them;
and with a second policy in the shadow, beside without.
"""

import json
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC
from functools import partial
from typing import Any

from fairslot.matching.v1 import matching_pb2

from bench.matching.plain import picked_by_cp_sat, scored
from bench.matching.stage import Stage, rank_request, standing, window
from bench.table import Bench, Row
from services.matching.domain import Question, Window
from services.matching.engine import RankCall
from services.matching.engine.ranking import Ranked, decide, known_policy, rank
from services.matching.peers import AssignmentPeer, AvailabilityPeer

BUSY_EACH = 20
GOALS_MS = {100: 25.0, 1000: 120.0}
ROUNDS = {100: 40, 1000: 15}
PLAIN_ROUNDS = 3
SHADOW_ROUNDS = 60
SHADOW_GOAL = 1.10
LIMIT = 10


async def rows_of(bench: Bench) -> AsyncIterator[Row]:
    """Measures on one stack, with one tenant for each size."""
    # Tenants of this run: a stack may have those of earlier ones.
    mark = uuid.uuid4().hex[:8]
    flags = {"shadow-policy": {"default": "", "tenants": {f"shadowed-{mark}": "v1"}}}
    async with standing(bench, json.dumps(flags)) as stage_of:
        for size in GOALS_MS:
            stage = stage_of(f"n{size}-{mark}")
            bench.say(f"loading {size:,} resources")
            await stage.load(size, BUSY_EACH)
            async for row in _size(stage, size):
                yield row
        bench.say("loading two tenants, one with a shadow")
        plain, shadowed = stage_of(f"plain-{mark}"), stage_of(f"shadowed-{mark}")
        for stage in (plain, shadowed):
            await stage.load(100, BUSY_EACH)
        yield await _shadow(plain, shadowed)


async def _size(stage: Stage, size: int) -> AsyncIterator[Row]:
    request = rank_request()
    reply = await stage.ask(stage.matching.RankCandidates, request)
    ranked = await _inputs(stage)
    pairs = len(ranked.inputs.matrix.pairs)
    times, floors = [], []
    for _ in range(ROUNDS[size]):
        times.append(await _ms(lambda: stage.ask(stage.matching.RankCandidates, request)))
        # The least a call can cost: one that asks nobody.
        floors.append(await _ms(lambda: stage.ask(stage.matching.ListPolicies, _nothing())))
    engine = _median([_engine_ms(ranked) for _ in range(ROUNDS[size])])
    plain_times = []
    for _ in range(PLAIN_ROUNDS):
        begun = time.perf_counter()
        theirs = scored(ranked.inputs)
        plain_times.append(1000 * (time.perf_counter() - begun))
    ours = [(sum(t.points for t in one.terms), one.resource_ids[0]) for one in reply.candidates]
    same = ours == [(points, name) for points, _, name in theirs[: len(ours)]]
    begun = time.perf_counter()
    picked = picked_by_cp_sat(theirs)
    solver_ms = 1000 * (time.perf_counter() - begun) + _median(plain_times)
    median = _median(times)
    note = f"{size:,} resources x 30 days, {pairs:,} pairs"
    yield Row(
        name=f"rank {size:,} x 30 through gRPC, p50",
        value=median,
        unit="ms",
        against="a call that asks nobody",
        against_value=_median(floors),
        goal=f"within {GOALS_MS[size]:.0f} ms",
        reached=median <= GOALS_MS[size],
        note=f"{note}; p90 {sorted(times)[int(0.9 * len(times))]:.1f} ms",
    )
    yield Row(
        name=f"score {size:,} x 30, engine alone",
        value=engine,
        unit="ms",
        against="a plain Python scorer",
        against_value=_median(plain_times),
        ratio=_median(plain_times) / engine,
        goal="the same ten, faster",
        reached=same and engine < _median(plain_times),
        note=f"{note}; {'the same' if same else 'ANOTHER'} first ten in the same order",
    )
    yield Row(
        name=f"pick of {size:,} x 30, engine alone",
        value=engine,
        unit="ms",
        against="CP-SAT alone, on points from the plain scorer",
        against_value=solver_ms,
        ratio=solver_ms / engine,
        note=f"one literal a pair; {'the same' if picked == theirs[0] else 'ANOTHER'} pick",
    )


async def _inputs(stage: Stage) -> Ranked:
    """Asks in this process what matching asks, to score the same elsewhere."""
    stage.as_caller()
    asked = window(0, 30)
    span = Window(asked.start_time.ToDatetime(UTC), asked.end_time.ToDatetime(UTC))
    call = RankCall(question=Question("visit", span), limit=LIMIT, max_rejections=0)
    return await rank(
        call,
        AvailabilityPeer(stage.channels["availability"]),
        AssignmentPeer(stage.channels["assignment"]),
    )


def _engine_ms(ranked: Ranked) -> float:
    begun = time.perf_counter()
    decide(ranked.inputs, known_policy("v2"), limit=LIMIT, max_rejections=0)
    return 1000 * (time.perf_counter() - begun)


async def _shadow(plain: Stage, shadowed: Stage) -> Row:
    """Ranks in turns for a tenant with a shadow and for one without."""
    request = rank_request()
    times: dict[str, list[float]] = {plain.tenant: [], shadowed.tenant: []}
    for _ in range(SHADOW_ROUNDS):
        for stage in (plain, shadowed):
            work = partial(stage.ask, stage.matching.RankCandidates, request)
            times[stage.tenant].append(await _ms(work))
    with_it, without = _median(times[shadowed.tenant]), _median(times[plain.tenant])
    return Row(
        name="rank 100 x 30 with a shadow, p50",
        value=with_it,
        unit="ms",
        against="without",
        against_value=without,
        ratio=with_it / without,
        goal="at most 10 % slower",
        reached=with_it <= SHADOW_GOAL * without,
        note=f"in turns, {SHADOW_ROUNDS} each",
    )


async def _ms(work: Callable[[], Awaitable[Any]]) -> float:
    begun = time.perf_counter()
    await work()
    return 1000 * (time.perf_counter() - begun)


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def _nothing() -> Any:
    return matching_pb2.ListPoliciesRequest()
