"""Batches of one service keep their order, however many callers there are; others go ahead."""

import asyncio
import random

from bench.demo.jobs import Job
from bench.demo.turns import turns_of


def job(name: str, service: str) -> Job:
    return Job(id=name, service_type_id=service, window=None)


async def test_a_job_begins_when_the_earlier_batches_of_its_service_are_done() -> None:
    rng = random.Random(5)
    batches = [
        [job(f"{hour}-{number}", rng.choice("abc")) for number in range(rng.randrange(1, 9))]
        for hour in range(60)
    ]
    turns = turns_of(batches)
    log: list[tuple[str, Job]] = []

    async def work() -> None:
        for turn in turns:
            await turn.begin()
            log.append(("begin", turn.job))
            await asyncio.sleep(rng.random() / 2000)
            log.append(("end", turn.job))
            turn.end()

    async with asyncio.timeout(10):
        await asyncio.gather(*(work() for _ in range(12)))
    assert len(log) == 2 * sum(map(len, batches))
    running: dict[str, list[int]] = {"a": [], "b": [], "c": []}
    together = 0
    for what, one in log:
        hour = int(one.id.partition("-")[0])
        if what == "begin":
            assert all(other == hour for other in running[one.service_type_id])
            running[one.service_type_id].append(hour)
            together = max(together, sum(map(len, running.values())))
        else:
            running[one.service_type_id].remove(hour)
    # More at once than any one batch has: services do not wait for each other.
    assert together > max(map(len, batches))


async def test_a_batch_races() -> None:
    turns = list(turns_of([[job("1", "a"), job("2", "a"), job("3", "a")]]))
    await asyncio.wait_for(asyncio.gather(*(turn.begin() for turn in turns)), 1)
