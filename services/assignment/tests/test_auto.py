"""Automatic assignment: the best that is free, each request once, and why not where nobody is."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import psycopg
import pytest
from fairslot.assignment.v1 import assignment_pb2 as pb
from fairslot.assignment.v1 import request_pb2

from kit.fault import Invalid
from services.assignment.engine.auto import (
    ATTEMPTS_MAX,
    PAUSE_SECONDS,
    RANKINGS_MAX,
    pause_seconds,
)
from services.assignment.listener.working import backoff_seconds as queue_seconds
from services.assignment.store.upkeep import forget_runs
from services.assignment.tests.books import violations
from services.assignment.tests.calls import at, refused, served, window
from services.assignment.tests.foreign import foreign_parties

ASSIGNED, SKIPPED = pb.AutoAssignResponse.ASSIGNED, pb.AutoAssignResponse.SKIPPED


@pytest.fixture(autouse=True)
def ranked(world):
    world.window = window(0, 4)


def reasons(result) -> dict[str, int]:
    return {counted.reason: counted.count for counted in result.reasons}


async def test_requests_take_the_best_that_is_left_and_the_rest_are_gaps(
    ann, ledger_database, world
):
    # One hour of three resources.
    world.window = window(0, 1)
    names = [(await ann.want(f"q{n}")).id for n in range(5)]
    found = await ann.auto(*names)
    outcomes = Counter(result.outcome for result in found.values())
    assert outcomes == {ASSIGNED: 3, SKIPPED: 2}
    for name, result in found.items():
        if result.outcome == ASSIGNED:
            made = await ann.get(result.assignment.id)
            assert made.booking_request_id == name
            assert made.assigned_by == "ann"
            assert made.assignment_reason == result.explanation
            assert world.explanation in made.assignment_reason
        else:
            assert set(reasons(result)) == {"SLOT_TAKEN"}
            assert result.explanation
    gaps = {gap.request.id: gap for gap in await ann.gaps()}
    assert gaps.keys() == {n for n, result in found.items() if result.outcome == SKIPPED}
    assert all(gap.attempts and gap.explanation and gap.reasons for gap in gaps.values())
    # A gap is one as long as its request is open.
    for name in gaps:
        world.resources = ("r1", "r2", "r3", "r4")
        await ann.assign(name, "r4", start=at(10 if name == min(gaps) else 20), reason="late")
    assert await ann.gaps() == []
    assert violations(ledger_database.admin_url) == {}


@pytest.mark.parametrize("rounds", [12, pytest.param(1000, marks=pytest.mark.soak)])
@pytest.mark.timeout(1800)
async def test_by_hand_and_automatically_at_once_is_one_assignment(
    ann, caller, ledger_database, rounds
):
    bob = caller(sub="bob")
    ends = Counter()
    # As long as automatic assignment takes: whoever came first lets the other be faster next time.
    pause = 0.02

    async def assign_by_hand(name: str, number: int):
        await asyncio.sleep(pause)
        start = at(100 + 2 * (number % 150))
        return await bob.assign(name, "r1", start=start, reason="by hand")

    for number in range(rounds):
        name = (await ann.want(f"q{number}")).id
        by_hand, found = await asyncio.gather(
            assign_by_hand(name, number), ann.auto(name), return_exceptions=True
        )
        result = found[name]
        if isinstance(by_hand, BaseException):
            assert by_hand.reason in ("REQUEST_NOT_OPEN", "CONCURRENT_UPDATE")
            assert result.outcome == ASSIGNED
            made = result.assignment.id
        else:
            made = by_hand.id
            assert reasons(result) == {"ALREADY_ASSIGNED": 1}
            assert result.assignment.id == made
        ends[result.outcome] += 1
        pause *= 1.25 if result.outcome == SKIPPED else 0.8
        assert (await ann.get(made)).booking_request_id == name
        await ann.cancel(made, close_request=True)
    print(f"{rounds} rounds: {ends[ASSIGNED]} automatically, {ends[SKIPPED]} by hand")
    assert rounds < 100 or min(ends[ASSIGNED], ends[SKIPPED]) > rounds // 10
    assert violations(ledger_database.admin_url) == {}


async def test_two_runs_at_once_assign_each_request_once(ann, caller, ledger_database, world):
    world.window = window(0, 1)
    names = [(await ann.want(f"q{n}")).id for n in range(3)]
    first, second = await asyncio.gather(ann.auto(*names), caller(sub="bob").auto(*names[::-1]))
    for name in names:
        made = {first[name].assignment.id, second[name].assignment.id}
        assert len(made) == 1
        outcomes = sorted([first[name].outcome, second[name].outcome])
        assert outcomes == [ASSIGNED, SKIPPED]
    assert violations(ledger_database.admin_url) == {}


async def test_a_run_is_begun_once_per_key_and_told_again(ann, world):
    names = [(await ann.want(f"q{n}")).id for n in range(3)]
    first = await ann.auto(*names, request_id="k1")
    again = await ann.auto(*names, request_id="k1")
    for name in names:
        assert again[name].outcome == first[name].outcome == ASSIGNED
        assert again[name].assignment.id == first[name].assignment.id
    fault = await refused(ann.auto(names[0], request_id="k1"))
    assert (type(fault), fault.reason) == (Invalid, "IDEMPOTENCY_KEY_REUSED")


async def test_without_names_all_open_ones_are_meant(ann, world):
    await ann.want("q1")
    held = (await ann.want("q2")).id
    await ann.hold("r1", start=at(200), booking_request_id=held)
    found = await ann.auto()
    assert found.keys() == {"q1"}
    world.ranks_nothing = True
    await ann.want("q3")
    [skipped] = (await ann.auto()).values()
    assert reasons(skipped) == {"TIME_OFF": 3, "BUSY": 3}
    assert skipped.explanation == "so it is ranked"
    assert [gap.request.id for gap in await ann.gaps()] == ["q3"]


async def test_runs_are_forgotten_after_a_week(ann, ledger_database, world):
    await ann.auto((await ann.want("q1")).id)
    await ann.auto((await ann.want("q2")).id)
    with psycopg.connect(ledger_database.admin_url, autocommit=True) as admin:
        admin.execute(
            "UPDATE assignment.auto_run SET created_at = created_at - interval '8 days'"
            " WHERE run_id = (SELECT run_id FROM assignment.auto_task WHERE request_id = 'q1')"
        )
        async with await psycopg.AsyncConnection.connect(
            ledger_database.worker_url, autocommit=True
        ) as worker:
            await forget_runs(worker)
        left = admin.execute("SELECT request_id FROM assignment.auto_task").fetchall()
        assert left == [("q2",)]
        assert admin.execute("SELECT count(*) FROM assignment.auto_run").fetchone() == (1,)


async def test_a_request_that_loses_every_time_is_tried_so_often_and_no_more(ann, world):
    # With their buffers two holds take all four hours of a resource.
    for number in (0, 2):
        for name in world.resources:
            await ann.hold(name, start=at(number))
    name = (await ann.want("q1")).id
    result = (await ann.auto(name))[name]
    assert (result.attempts, reasons(result)) == (ATTEMPTS_MAX, {"SLOT_TAKEN": ATTEMPTS_MAX})


async def test_between_rankings_there_is_a_pause(ann, world):
    """One candidate, so that hardly anything but the pause lies between two of them."""
    world.window, world.resources = window(0, 1), ("r1",)
    await ann.hold("r1")
    name = (await ann.want("q1")).id
    world.ranked_at.clear()
    assert (await ann.auto(name))[name].attempts == RANKINGS_MAX
    first, second, third = world.ranked_at
    assert second - first > PAUSE_SECONDS / 2
    assert third - second > PAUSE_SECONDS


@pytest.mark.parametrize(
    ("wait", "unit", "longest"), [(pause_seconds, PAUSE_SECONDS, 99.0), (queue_seconds, 0.1, 10.0)]
)
def test_pauses_grow_and_are_spread(wait, unit, longest):
    rng = random.Random(1)
    first = 1 if wait is queue_seconds else 0
    for number in range(9):
        found = [wait(first + number, rng) for _ in range(200)]
        usual = min(unit * 2**number, longest)
        assert 0.5 * usual <= min(found) < 0.6 * usual
        assert 1.4 * usual < max(found) <= 1.5 * usual


async def test_a_tenant_may_switch_it_off_and_on_again(
    ledger_database, servers, tokens, world, tmp_path
):
    flags = tmp_path / "flags.json"
    flags.write_text('{"auto-assign": {"default": true, "tenants": {"acme": false}}}')
    parts = {"database": ledger_database, "servers": servers, "tokens": tokens}
    async with (
        foreign_parties(world) as address,
        served(**parts, foreign=address, flags_path=str(flags)) as caller,
    ):
        ann, eve = caller(), caller("globex")
        name, taken = (await ann.want("q1")).id, (await ann.want("q2")).id
        by_hand = await ann.assign(taken, "r1", reason="by hand")
        found = await ann.auto(name, taken)
        assert reasons(found[name]) == {"AUTO_ASSIGN_OFF": 1}
        assert "switched off" in found[name].explanation
        assert (found[taken].assignment.id, reasons(found[taken])) == (
            by_hand.id,
            {"ALREADY_ASSIGNED": 1},
        )
        # Nobody tried, so it is no gap; and what one tenant has switched off another has not.
        assert await ann.gaps() == []
        theirs = (await eve.want("q1")).id
        assert (await eve.auto(theirs))[theirs].outcome == ASSIGNED
        flags.write_text('{"auto-assign": {"default": true, "tenants": {"acme": true}}}')
        assert (await ann.auto(name))[name].outcome == ASSIGNED


async def test_what_cannot_be_served_says_why(ann, world):
    closed = (await ann.want("q1")).id
    await ann("CancelRequest", _cancel(closed))
    found = await ann.auto(closed, "nowhere")
    assert reasons(found[closed]) == {"REQUEST_CANCELLED": 1}
    assert reasons(found["nowhere"]) == {"NOT_FOUND": 1}
    assert await ann.gaps() == []


async def test_a_peer_that_is_down_for_a_while_only_costs_time(ann, world):
    name = (await ann.want("q1")).id
    world.matching_is_down = True

    async def repaired() -> None:
        while world.ranks < 2:
            await asyncio.sleep(0.01)
        world.matching_is_down = False

    found, _ = await asyncio.gather(ann.auto(name), repaired())
    assert found[name].outcome == ASSIGNED


def _cancel(name: str):
    return request_pb2.CancelRequestRequest(id=name)
