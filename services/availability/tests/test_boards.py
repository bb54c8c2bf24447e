"""Bits kept up with event by event equal bits computed anew, and shared ones equal both."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from random import Random

import numpy as np
import pytest

from kit.clock import SystemClock
from kit.testing import FixedClock
from services.availability.domain import (
    Allocation,
    AllocationState,
    GridAnchor,
    SkillRequirement,
    SlotShape,
    Span,
    Wanted,
)
from services.availability.engine.blocks import Blocks, key_of
from services.availability.engine.board import Board
from services.availability.engine.gate import Gate
from services.availability.engine.looking import Look, days_between
from services.availability.rules.bits import listed
from services.availability.rules.expansions import Expansions
from services.availability.rules.zones import Zones
from services.availability.store import LIFE, Position, open_blocks
from services.availability.tests.test_world import NOW, START, Truth

SHAPES = (
    SlotShape(duration=60, granularity=15, buffer_before=15, buffer_after=15),
    SlotShape(duration=45, granularity=20, anchor=GridAnchor.WINDOW_START),
    # Reaches over the ends of its days.
    SlotShape(duration=1500, granularity=60, buffer_before=90),
)
LOW, HIGH = START - 700, START + 3_000
DAYS = days_between(LOW, HIGH)
EXPANSIONS = Expansions(Zones())


def seen(world, shape, wanted, now, *, fresh=False):
    """Everything a question finds, read from the bits a world keeps."""
    world.settle(now)
    board = world.board(shape, EXPANSIONS)
    missing = [day for day in DAYS if fresh or day not in board]
    for run in board.runs(missing):
        board.build(run, now)
    look = Look(board, world.roster.eligible(wanted), Span(LOW, HIGH))
    for day in DAYS:
        look.add(day, board.block(day, now))
    table = look.table()
    names = [world.roster.ranked[rank] for rank in table.candidates.tolist()]
    return table.starts.tolist(), table.capacities.tolist(), names


@pytest.mark.parametrize("seed", range(12))
def test_told_event_by_event_equals_computed_anew(seed):
    random = Random(seed)
    truth, now, found = Truth(random), NOW, 0
    for step in range(60):
        truth.step(now)
        # Holds run out by themselves, without anybody telling.
        now += timedelta(minutes=random.choice([0, 0, 1, 7]))
        shape = random.choice(SHAPES)
        wanted = Wanted(skills=random.choice([(), (SkillRequirement("a"),)]))
        told = seen(truth.told, shape, wanted, now)
        assert told == seen(truth.anew(), shape, wanted, now), f"step {step}"
        found += bool(told[0])
    assert found > 20


def test_an_event_marks_its_resource_alone():
    truth = Truth(Random(1))
    world, shape = truth.told, SHAPES[0]
    seen(world, shape, Wanted(), NOW)
    block = world.board(shape, EXPANSIONS)._blocks[DAYS[1]]
    before = block.grid.free.copy()
    span = Span(DAYS[1] * 1440 + 600, DAYS[1] * 1440 + 660)
    booked = Allocation("x", 1, AllocationState.ASSIGNED, ("r2",), span, span)
    world.allocate(booked, {})
    rank = world.roster.rank["r2"]
    assert block.dirty == {rank}
    world.board(shape, EXPANSIONS).block(DAYS[1], NOW)
    changed = before ^ block.grid.free
    assert set(listed(changed).tolist()) == {rank}
    assert not block.dirty


def test_a_generation_changes_with_its_days_and_with_the_catalog():
    truth = Truth(Random(2))
    world, shape = truth.told, SHAPES[0]
    board = world.board(shape, EXPANSIONS)
    day = DAYS[1]
    first = board.generation(day)
    far = Span((day + 9) * 1440, (day + 9) * 1440 + 60)
    world.allocate(
        Allocation("far", 1, AllocationState.ASSIGNED, ("r1",), far, far), {}, Position("m", 5)
    )
    assert board.generation(day) == first
    near = Span(day * 1440 + 60, day * 1440 + 90)
    held = Allocation("near", 1, AllocationState.HELD, ("r1",), near, near)
    world.allocate(held, {}, Position("m", 6))
    second = board.generation(day)
    assert second != first
    # Moved away: the day it leaves changes as well, and so does the one it goes to.
    moved = Allocation("near", 2, AllocationState.HELD, ("r1",), far, far)
    world.allocate(moved, {}, Position("m", 7))
    assert board.generation(day) not in (first, second)
    assert board.generation(day) == truth.told.generation(board.reach(day))
    # What was in what was read, or comes twice, says nothing new.
    third = board.generation(day)
    world.allocate(held, {}, Position("m", 6))
    assert board.generation(day) == third


@pytest.fixture
async def shared(servers):
    async with open_blocks(servers.redis_url, timeout_seconds=2.0) as found:
        yield found


def fresh_blocks(shared):
    return Blocks(shared, Gate(at_once=8, waiting_max=100), SystemClock())


async def written(blocks):
    while blocks._writing:
        await asyncio.wait(blocks._writing)


async def test_what_one_process_computed_another_reads(shared, request):
    tenant, shape = f"t-{id(request)}", SHAPES[0]
    truth = Truth(Random(3))
    one, other = fresh_blocks(shared), fresh_blocks(shared)
    first = await one.ensure(tenant, truth.told, truth.told.board(shape, EXPANSIONS), DAYS)
    assert (first.asked, first.computed, first.read) == (len(DAYS), len(DAYS), 0)
    await written(one)
    world = truth.anew()
    second = await other.ensure(tenant, world, world.board(shape, EXPANSIONS), DAYS)
    assert (second.computed, second.read) == (0, len(DAYS))
    assert seen(world, shape, Wanted(), NOW) == seen(truth.anew(), shape, Wanted(), NOW)
    # Another tenant, class or generation finds nothing of it.
    for name, form in (("other", shape), (tenant, SHAPES[1])):
        stranger = truth.anew()
        tally = await other.ensure(name, stranger, stranger.board(form, EXPANSIONS), DAYS[:1])
        assert tally.read == 0


async def test_a_thousand_at_once_compute_each_block_once(shared, request):
    truth, blocks = Truth(Random(4)), fresh_blocks(shared)
    board = truth.told.board(SHAPES[0], EXPANSIONS)
    tenant = f"t-{id(request)}"
    await asyncio.gather(*(blocks.ensure(tenant, truth.told, board, DAYS) for _ in range(1_000)))
    assert blocks.computed == len(DAYS)


async def test_a_block_is_shared_no_longer_than_its_first_hold_lives(shared, request):
    tenant, shape = f"t-{id(request)}", SHAPES[0]
    truth, clock = Truth(Random(5)), SystemClock()
    day = DAYS[1]
    span = Span(day * 1440 + 600, day * 1440 + 660)
    ends = clock.now() + timedelta(seconds=30)
    held = Allocation("h", 1, AllocationState.HELD, ("r1",), span, span, expires_at=ends)
    truth.told.allocate(held, {})
    blocks = fresh_blocks(shared)
    board = truth.told.board(shape, EXPANSIONS)
    await blocks.ensure(tenant, truth.told, board, [day, day + 5])
    await written(blocks)
    keys = {d: key_of(tenant, shape, d, board.generation(d)) for d in (day, day + 5)}
    alive = {d: await shared._client.pttl(key) for d, key in keys.items()}
    assert 0 < alive[day] <= 30_000 < alive[day + 5]
    assert list(await shared.read([keys[day]], ends - timedelta(milliseconds=5))) == [keys[day]]
    assert await shared.read([keys[day]], ends) == {}


async def test_what_was_read_ahead_is_used_while_it_is_good_and_of_its_generation(shared, request):
    tenant, shape = f"t-{id(request)}", SHAPES[0]
    truth, clock = Truth(Random(8)), FixedClock(SystemClock().now())
    day = DAYS[1]
    span = Span(day * 1440 + 600, day * 1440 + 660)
    ends = clock.now() + timedelta(seconds=30)
    held = Allocation("h", 1, AllocationState.HELD, ("r1",), span, span, expires_at=ends)
    truth.told.allocate(held, {}, Position("m", 5))
    writer = fresh_blocks(shared)
    await writer.ensure(tenant, truth.told, truth.told.board(shape, EXPANSIONS), [day])
    await written(writer)

    def board():
        return Board(truth.told, shape, EXPANSIONS)

    async with open_blocks("redis://127.0.0.1:1", timeout_seconds=0.05) as nowhere:
        blocks = Blocks(shared, Gate(at_once=8, waiting_max=100), clock)
        await blocks.take_ahead(tenant, board(), [day])
        blocks._store = nowhere
        assert await blocks.adopt(tenant, board(), [day])
        # Another tenant's, and another event on the day, are other blocks.
        assert not await blocks.adopt("other", board(), [day])
        blocks.let_go()
        assert blocks.ahead_bytes
        clock.moment = ends
        assert not await blocks.adopt(tenant, board(), [day])
        clock.moment = ends - timedelta(seconds=1)
        truth.told.allocate(replace(held, version=2), {}, Position("m", 6))
        assert not await blocks.adopt(tenant, board(), [day])
        clock.advance(LIFE)
        blocks.let_go()
        assert not blocks.ahead_bytes


async def test_without_redis_everything_is_computed(request):
    async with open_blocks("redis://127.0.0.1:1", timeout_seconds=0.05) as nowhere:
        truth, blocks = Truth(Random(6)), fresh_blocks(nowhere)
        board = truth.told.board(SHAPES[0], EXPANSIONS)
        tally = await blocks.ensure("t", truth.told, board, DAYS)
        assert tally.computed == len(DAYS)
        await written(blocks)
        for _ in range(5):
            assert await nowhere.read(["k"], NOW) == {}
        # Left alone from now on: nothing waits for what is not there.
        assert nowhere._shut_until > asyncio.get_running_loop().time()


async def test_nobody_waits_without_bound():
    gate = Gate(at_once=1, waiting_max=1)
    async with gate:
        waiting = asyncio.create_task(gate.__aenter__())
        await asyncio.sleep(0)
        with pytest.raises(Exception, match="too much"):
            await gate.__aenter__()
    await waiting
    await gate.__aexit__(None, None, None)


def test_bits_of_a_block_are_its_own():
    truth = Truth(Random(7))
    board = truth.told.board(SHAPES[0], EXPANSIONS)
    board.build(range(DAYS[0], DAYS[0] + 2), NOW)
    one, two = (board._blocks[DAYS[0] + n].grid for n in (0, 1))
    assert not np.shares_memory(one.free, two.free)
