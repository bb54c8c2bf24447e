"""A pool that works in this process, so that a measurement needs no other."""

from collections.abc import AsyncGenerator, Callable
from typing import TypeVar

from services.matching.engine.pool import Done, Pool

Job = TypeVar("Job")
Told = TypeVar("Told")
Answer = TypeVar("Answer")


class Inline(Pool):
    """Does each job at once."""

    async def run(
        self, work: Callable[[Job, Callable[[Told], None]], Answer], job: Job
    ) -> AsyncGenerator[Told | Done[Answer], None]:
        """Yields the answer; what the job tells is passed over."""
        yield Done(work(job, lambda _: None))
