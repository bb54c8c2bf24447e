"""Makes jobs out of the example worlds: many callers who want the same few people and tables."""

import random
from collections.abc import Mapping, Sequence
from datetime import datetime

from bench.demo.jobs import Job, Play, habits_of
from examples.world import World

# How many callers want something of each world.
JOBS = {"training": 90, "fieldservice": 140, "restaurant": 200, "clinic": 300}
DAY_MINUTES = 24 * 60
WEEKS = 3
PARTIES = {"restaurant": (1, 2, 2, 2, 3, 4, 4, 6, 8), "training": (6, 8, 12)}
# Shares of callers who give no window, and of those who want one certain day.
NO_WINDOW_SHARE = 0.1
ONE_DAY_SHARE = {"training": 0.2, "fieldservice": 0.6, "restaurant": 0.9, "clinic": 0.6}


def play_of(worlds: Sequence[World], now: datetime, seed: int, maximum: int) -> Play:
    """Mixes callers of all worlds; the same seed on the same day gives the same ones."""
    rng = random.Random(seed)
    first_day = int(now.timestamp()) // 60 // DAY_MINUTES + 1
    jobs = [
        job_of(world, number, first_day, rng, seed)
        for world in worlds
        for number in range(1, JOBS[world.name] + 1)
    ]
    rng.shuffle(jobs)
    del jobs[maximum:]
    return Play(f"{len(jobs)} callers of {len(worlds)} worlds", [jobs])


def job_of(world: World, number: int, first_day: int, rng: random.Random, seed: int) -> Job:
    """Wants some service of the world, on one day, in one week, or at any time."""
    name = f"{world.name}-{number:03d}"
    service = rng.choice(world.service_types).of
    day = first_day + rng.randrange(7 * WEEKS)
    span = 1 if rng.random() < ONE_DAY_SHARE[world.name] else 7
    begin = day * DAY_MINUTES
    anytime = rng.random() < NO_WINDOW_SHARE
    habits = habits_of(seed, name)
    return Job(
        id=name,
        service_type_id=service,
        window=None if anytime else (begin, begin + span * DAY_MINUTES),
        party_size=rng.choice(PARTIES.get(world.name, (0,))),
        forgets=habits.forgets,
        repeats=habits.repeats,
        repeats_at_once=habits.repeats_at_once,
        cancels=habits.cancels,
        luck=habits.luck,
    )


def people_of(worlds: Mapping[str, World]) -> list[str]:
    """The trainers: those among whom work is to be shared out fairly."""
    return [step.of for step in worlds["training"].resources]
