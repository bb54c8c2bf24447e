"""The two things a demo can play: real reservations, or callers of the example worlds."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bench.demo import fairness, reservations, stores, worlds
from bench.demo.jobs import Play
from client import Client, methods
from examples.load import Report, create, load, set_tenant
from examples.world import NAMES, Step, read

SCHEDULES = "opening hours of tables"
DAYS_AHEAD = 30


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What is on stage before the play, and the play."""

    play: Play
    prepare: Callable[[Client, Report], Awaitable[None]]
    # Among whom fairness is looked at, and in which months.
    people: Sequence[str]
    months: Sequence[str]


def reservations_scene(
    path: Path, *, maximum: int, seed: int, now: datetime, merges: bool = False
) -> Scene:
    """Plays the reservations of a file in the order in which they were made."""
    replay = reservations.read_replay(path, now, maximum, merges=merges)
    play = reservations.play_of(replay, seed)

    async def prepare(admin: Client, report: Report) -> None:
        await admin.call(methods.UPDATE_TENANT, stores.tenant())
        if merges:
            await admin.call(methods.UPDATE_MATCHING_SETTINGS, stores.settings())
        kinds = [
            Step(request.service_type.id, methods.CREATE_SERVICE_TYPE, request)
            for request in stores.service_types(replay)
        ]
        await create(admin, kinds, "stores", report)
        for batch in stores.resources(replay):
            await admin.call(methods.BATCH_CREATE_RESOURCES, batch)
        report(f"{len(replay.tables):,} tables")
        hours = [
            Step(request.resource_id, methods.SET_WEEKLY_SCHEDULE, request)
            for request in stores.schedules(replay)
        ]
        await create(admin, hours, SCHEDULES, report)

    # Tables take no part in fairness; the first month shows that much.
    first = [job.window for job in play.batches[0] if job.window]
    months = fairness.months_of(first, reservations.ZONE)
    return Scene(play=play, prepare=prepare, people=(), months=months)


def worlds_scene(*, maximum: int, seed: int, now: datetime) -> Scene:
    """Plays callers of all example worlds, side by side in one tenant."""
    read_worlds = {name: read(name, now) for name in NAMES}

    async def prepare(admin: Client, report: Report) -> None:
        await set_tenant(admin, read_worlds["training"])
        for name, world in read_worlds.items():
            new = await load(admin, world, lambda _: None, settings=False)
            report(f"world {name}: {new} things")

    zone = read_worlds["training"].tenant.time_zone
    return Scene(
        play=worlds.play_of(list(read_worlds.values()), now, seed, maximum),
        prepare=prepare,
        people=worlds.people_of(read_worlds),
        months=fairness.months_ahead(now, zone, DAYS_AHEAD),
    )
