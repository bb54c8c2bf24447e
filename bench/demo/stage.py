"""Runs one demo: a stack of its own, the scene, bookers and planners, and the checks after."""

import asyncio
import json
import os
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from bench.demo import fairness
from bench.demo.booker import Booker
from bench.demo.database import Truth, read_truth, unsettled
from bench.demo.jobs import Play
from bench.demo.planner import Planner
from bench.demo.recorder import Recorder
from bench.demo.scenes import Scene
from bench.demo.screen import Screen
from bench.demo.summary import Outcome, summarised
from bench.demo.tally import Tally
from bench.demo.turns import turns_of
from bench.history import Evidence, check
from client import Client, open_channel
from deploy.local import running_stack
from deploy.local.rundir import RunDir
from deploy.local.stack import Stack

CLIENTS = 32
PLANNERS = 8
# So many callers share one connection.
CALLERS_PER_CHANNEL = 8
TOKEN_SECONDS = 6 * 3600
WATCHING_SECONDS = 15.0
SETTLE_SECONDS = 20.0
SETTLE_PAUSE_SECONDS = 0.05
# The shortest life of a hold, so that those left to expire do so while the demo runs.
LIMITS = {"hold_ttl_seconds_min": 2}


@dataclass(frozen=True, kw_only=True)
class Cast:
    """Who plays."""

    admin: Client
    token: str
    bookers: Sequence[Booker]
    planners: Sequence[Planner]
    recorder: Recorder
    tally: Tally


async def perform(scene: Scene, *, run_dir: Path, seed: int, screen: Screen) -> dict[str, Any]:
    """Plays a scene on a stack of its own and returns the summary."""
    begun = time.monotonic()
    forget_last_run(run_dir)
    # A new one each time: servers named by the environment outlive a run.
    tenant = f"demo-{uuid.uuid4().hex[:8]}"
    limits = {"FAIRSLOT_ASSIGNMENT_TENANT_LIMITS": json.dumps({tenant: LIMITS})}
    screen.say(f"starting a stack in {run_dir}")
    async with (
        running_stack(run_dir, world="none", env=limits) as stack,
        casting(stack, tenant, seed) as cast,
    ):
        screen.say(f"ready after {time.monotonic() - begun:.1f} s; setting the stage")
        await scene.prepare(cast.admin, lambda line: screen.say(f"  {line}"))
        cast.tally.wanted = scene.play.size
        screen.say(f"{scene.play.title}, {CLIENTS} at a time; {PLANNERS} planners watch")
        async with following(cast, screen):
            booking_seconds = await book(scene.play, cast)
            screen.say("everything is played; waiting for the last holds to expire")
            truth = await settled(stack, tenant, cast.planners)
        asked = (stack.gateway, cast.token, scene.months, scene.people)
        shares = await asyncio.to_thread(fairness.ask, *asked)
        # As long as the stack runs nothing may change any more, so the checks come now.
        return summary_of(cast, truth, shares, booking_seconds, time.monotonic() - begun)


def forget_last_run(run_dir: Path) -> None:
    """Clears the directory of an earlier demo, unless one is running there."""
    run = RunDir(run_dir)
    if run_dir.exists() and not run.runner_pid():
        run.forget()


@asynccontextmanager
async def casting(stack: Stack, tenant: str, seed: int) -> AsyncIterator[Cast]:
    """Opens everybody's connections."""
    recorder, tally = Recorder(), Tally()
    async with AsyncExitStack() as open_:

        async def channels(callers: int) -> list[grpc.aio.Channel]:
            return [
                await open_.enter_async_context(open_channel(stack.gateway))
                for _ in range(-(-callers // CALLERS_PER_CHANNEL))
            ]

        def token(role: str, name: str) -> str:
            return stack.minter.mint(tenant, [role], name, lifetime_seconds=TOKEN_SECONDS)

        lines, watched = await channels(CLIENTS), await channels(PLANNERS)
        # One caller for all bookers: a key belongs to whoever made it.
        booking = token("planner", "booker")

        def booker(number: int) -> Booker:
            line, observer = lines[number % len(lines)], recorder.observer(number)
            return Booker(Client(line, token=booking, observer=observer), tally, seed)

        def planner(number: int) -> Planner:
            name = f"planner-{number}"
            line = watched[number % len(watched)]
            return Planner(name, Client(line, token=token("planner", name)))

        yield Cast(
            admin=Client(lines[0], token=token("admin", "stage")),
            token=booking,
            bookers=[booker(number) for number in range(CLIENTS)],
            planners=[planner(number) for number in range(PLANNERS)],
            recorder=recorder,
            tally=tally,
        )


@asynccontextmanager
async def following(cast: Cast, screen: Screen) -> AsyncIterator[None]:
    """Lets planners watch and the screen follow, from before the first booking to the end."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(planner.watch()) for planner in cast.planners]
        async with asyncio.timeout(WATCHING_SECONDS):
            await asyncio.gather(*(planner.watching.wait() for planner in cast.planners))
        tasks.append(group.create_task(screen.follow(cast.tally, cast.planners)))
        yield
        for task in tasks:
            task.cancel()


async def book(play: Play, cast: Cast) -> float:
    """Lets all bookers take jobs until none is left; returns how many seconds it took."""
    begun = time.monotonic()
    turns = turns_of(play.batches)
    await asyncio.gather(*(booker.work(turns) for booker in cast.bookers))
    return time.monotonic() - begun


async def settled(stack: Stack, tenant: str, planners: Sequence[Planner]) -> Truth:
    """Waits until nothing is on its way any more, then reads the truth."""
    url = stack.servers.database_url
    await eventually(lambda: asyncio.to_thread(lambda: not unsettled(url, tenant)))
    truth = await asyncio.to_thread(read_truth, url, tenant)
    expected = len(set(truth.changes))

    async def all_seen() -> bool:
        return all(len(planner.seen) >= expected for planner in planners)

    await eventually(all_seen)
    return truth


async def eventually(done: Callable[[], Awaitable[bool]]) -> None:
    """Waits until something is so, or SETTLE_SECONDS have passed."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while not await done():
        if time.monotonic() > deadline:
            return
        await asyncio.sleep(SETTLE_PAUSE_SECONDS)


def summary_of(
    cast: Cast, truth: Truth, shares: Mapping[str, Any], booking_seconds: float, seconds: float
) -> dict[str, Any]:
    """Checks the history and adds everything up."""
    report = check(
        Evidence(
            ops=cast.recorder.history(),
            allocations=truth.allocations,
            events=truth.events,
            expected_changes=truth.changes,
            seen={planner.name: planner.seen for planner in cast.planners},
        )
    )
    return summarised(
        Outcome(
            tally=cast.tally,
            truth=truth,
            report=report,
            planners=cast.planners,
            fairness=shares,
            latency_ms=cast.recorder.latency_ms(),
            booking_seconds=booking_seconds,
            seconds=seconds,
        )
    ) | {"violations": [f"{one.check}: {one.what}" for one in report.violations[:20]]}


def demo_home() -> Path:
    """The directory under which a demo writes everything."""
    return RunDir.of(os.environ).path
