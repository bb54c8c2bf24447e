"""Keeps the order of batches where it matters: among jobs that can get in each other's way.

Jobs are taken in order by as many callers as there are. A batch is what comes in at the same time:
its jobs race. A job waits for the earlier batches of its own service type; those of other service
types have other resources, so that nothing could tell in which order they came.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bench.demo.jobs import Job


@dataclass
class Group:
    """The jobs of one batch that want the same service type."""

    # The group of the batch before it; None for the first.
    before: "Group | None"
    left: int = 0
    done: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class Turn:
    """One job with its place in the order."""

    job: Job
    group: Group

    async def begin(self) -> None:
        """Waits until everything before it is done."""
        if self.group.before is not None:
            await self.group.before.done.wait()

    def end(self) -> None:
        """Lets the next batch begin when this was the last of its group."""
        self.group.left -= 1
        if not self.group.left:
            self.group.done.set()


def turns_of(batches: Sequence[Sequence[Job]]) -> Iterator[Turn]:
    """Gives every job its turn, in order.

    Whoever waits for a group waits for jobs that were taken before it, so nobody waits in a circle.
    """
    last: dict[str, Group] = {}
    for batch in batches:
        groups: dict[str, Group] = {}
        for job in batch:
            service = job.service_type_id
            if service not in groups:
                groups[service] = Group(before=last.get(service))
            groups[service].left += 1
        last |= groups
        for job in batch:
            yield Turn(job, groups[job.service_type_id])
