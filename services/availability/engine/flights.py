"""Does what many ask for at the same time once, and gives all of them the result."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from contextvars import Context
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Flights(Generic[Result]):
    """Work under way by what it is for; whoever asks for the same meanwhile shares it."""

    def __init__(self) -> None:
        """Starts with nothing under way."""
        self._tasks: dict[Hashable, asyncio.Task[Result]] = {}

    async def once(self, key: Hashable, work: Callable[[], Awaitable[Result]]) -> Result:
        """Gives the result of the work; a caller that leaves does not end it for the others."""
        task = self._tasks.get(key)
        if task is None:
            # In a context of its own: the deadline of whoever came first is not that of all.
            loop = asyncio.get_running_loop()
            task = loop.create_task(_awaited(work), context=Context())
            self._tasks[key] = task
            task.add_done_callback(lambda _: self._tasks.pop(key, None))
        return await asyncio.shield(task)


async def _awaited(work: Callable[[], Awaitable[Result]]) -> Result:
    return await work()
